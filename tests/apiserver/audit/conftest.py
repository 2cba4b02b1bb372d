"""One server for each file and engine; what a test does past it, it does in a tenant of its own."""

import base64
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.apiserver.machines import Person, World
from tests.apiserver.server import AUDIENCE, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer
from tests.fakes.postgres_servers import PostgresServer

SERVER_KEY = base64.b64encode(bytes(range(32))).decode()
FORMER_SERVER_KEY = base64.b64encode(bytes(range(1, 33))).decode()

Execute: TypeAlias = Callable[[str], object]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path | str]:
    if request.param == "sqlite":
        yield tmp_path_factory.mktemp("audit") / "doorward.db"
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield url


@pytest.fixture
def execute(database: Path | str, request: pytest.FixtureRequest) -> Execute:
    """Runs a statement past the server."""
    if isinstance(database, Path):
        path = database

        def in_sqlite(statement: str) -> None:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.executescript(statement)

        return in_sqlite
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = urlsplit(database).path.removeprefix("/")
    return lambda statement: server.execute(statement, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: Path | str) -> AsyncIterator[World]:
    clock = FakeClock()
    async with (
        FakeIssuer.start(audience=AUDIENCE, clock=clock) as issuer,
        api_server(issuer, database, clock, SERVER_KEY=SERVER_KEY) as server,
    ):
        yield World(server, issuer, clock)


@pytest_asyncio.fixture(loop_scope="module")
async def alice(world: World) -> Person:
    return await world.person()


@pytest_asyncio.fixture(loop_scope="module")
async def bob(world: World) -> Person:
    return await world.person()
