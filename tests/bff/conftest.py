"""An agent for each test that asks for one, and the Redis servers that tests share."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.bff.agent import Agent, run_agent
from tests.fakes.redis_servers import RedisServers


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    async with run_agent() as running:
        yield running


@pytest.fixture(scope="session")
def redis_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServers]:
    servers = RedisServers(tmp_path_factory.mktemp("redis"))
    yield servers
    servers.close()
