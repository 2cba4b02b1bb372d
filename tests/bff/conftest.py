"""An agent for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from tests.bff.agent import Agent, run_agent


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    async with run_agent() as running:
        yield running
