"""One server for each file and engine: every test makes people of its own, whose tenants nobody else sees."""

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from apiserver.janitor import Janitor
from tests.apiserver.devices.janitors import a_janitor
from tests.apiserver.machines import Person, World
from tests.apiserver.server import AUDIENCE, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

SERVER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path | str]:
    """SQLite, unless the test's file runs on both (`engines.ON_BOTH`)."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield tmp_path_factory.mktemp("devices") / "doorward.db"
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield url


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


@pytest.fixture
def janitor(world: World) -> Janitor:
    return a_janitor(world)
