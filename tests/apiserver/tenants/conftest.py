"""One server for each file and engine: every test makes people of its own, who are in no tenant of others."""

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.apiserver.server import AUDIENCE, ApiServer, api_server
from tests.apiserver.tenants.people import Person, somebody
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

SERVER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path | str]:
    if request.param == "sqlite":
        yield tmp_path_factory.mktemp("tenants") / "doorward.db"
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield url


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuer(clock: FakeClock) -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer.start(audience=AUDIENCE, clock=clock) as issuer:
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(issuer: FakeIssuer, database: Path | str, clock: FakeClock) -> AsyncIterator[ApiServer]:
    async with api_server(issuer, database, clock, SERVER_KEY=SERVER_KEY) as server:
        yield server


@pytest.fixture
def alice(server: ApiServer, issuer: FakeIssuer) -> Person:
    return somebody(server, issuer)


@pytest.fixture
def bob(server: ApiServer, issuer: FakeIssuer) -> Person:
    return somebody(server, issuer)


@pytest.fixture
def carol(server: ApiServer, issuer: FakeIssuer) -> Person:
    return somebody(server, issuer)
