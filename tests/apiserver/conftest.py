from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.apiserver.server import AUDIENCE, ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer
from tests.fakes.postgres_servers import PostgresServer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def issuer(clock: FakeClock) -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer.start(audience=AUDIENCE, clock=clock) as issuer:
        yield issuer


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "doorward.db"


@pytest.fixture
async def server(issuer: FakeIssuer, database: Path, clock: FakeClock) -> AsyncIterator[ApiServer]:
    async with api_server(issuer, database, clock) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Shared: a test that stops it starts it again. Who asks for it is marked `postgresql`."""
    with PostgresServer.running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database."""
    with postgres_server.database() as url:
        yield url
