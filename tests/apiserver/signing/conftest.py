from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.apiserver.credentials import SETTINGS, Office, office
from tests.apiserver.server import ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer


@pytest.fixture
async def server(issuer: FakeIssuer, database: Path, clock: FakeClock) -> AsyncIterator[ApiServer]:
    async with api_server(issuer, database, clock, **SETTINGS) as server:
        yield server


@pytest.fixture
async def desk(server: ApiServer, issuer: FakeIssuer, clock: FakeClock) -> Office:
    return await office(server, issuer, clock)
