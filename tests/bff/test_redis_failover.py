"""The primary dies under load and Sentinels promote its replica: what survives, and what it costs."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.bff.agent import Agent, Browser
from tests.bff.test_redis_outage import agent_with, is_answered
from tests.fakes.redis_servers import RedisWithSentinels
from tests.fakes.waiting import eventually, until

USERS, WORKERS = 20, 4


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[RedisWithSentinels]:
    with RedisWithSentinels.running(tmp_path, sentinels=3) as running:
        yield running


@dataclass
class Load:
    """Users who go on working, and newcomers who go on logging in."""

    agent: Agent
    users: list[Browser]
    newcomers: list[Browser] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    away_s: list[float] = field(default_factory=list)
    is_over: bool = False

    async def work(self, number: int) -> None:
        while not self.is_over:
            for user in self.users[number::WORKERS]:
                answer = await user.call("GET", "/userinfo")
                self.statuses[answer.status_code] += 1
                if answer.status_code == 503:
                    self.away_s.append(time.monotonic())
                await asyncio.sleep(0.01)

    async def arrive(self) -> None:
        while not self.is_over:
            newcomer = await self.agent.browser()
            if (await newcomer.log_in(f"newcomer-{len(self.newcomers)}")).status_code == 302:
                self.newcomers.append(newcomer)
            await asyncio.sleep(0.02)


async def unconfirmed(agent: Agent) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        lines = (await client.get(f"{agent.private_url}/metrics")).text.splitlines()
    [line] = [line for line in lines if line.startswith("bff_store_unconfirmed_writes_total ")]
    return int(float(line.split()[1]))


async def test_a_failover_loses_no_session_that_a_replica_had_confirmed(
    servers: RedisWithSentinels, record_property: Callable[[str, object], None]
) -> None:
    async with agent_with(servers.url) as agent:
        load = Load(agent, [await agent.signed_in(f"user-{number}") for number in range(USERS)])
        before = await unconfirmed(agent)
        async with asyncio.TaskGroup() as tasks:
            for number in range(WORKERS):
                tasks.create_task(load.work(number))
            tasks.create_task(load.arrive())
            await asyncio.sleep(0.3)
            stopped = time.monotonic()
            servers.primary.stop()
            await until(servers.is_replica_promoted, time_s=15)
            record_property("promoted_s", round(time.monotonic() - stopped, 2))
            asked = load.users[0]
            await eventually(lambda: asked.call("GET", "/userinfo"), is_answered, time_s=15)
            record_property("used_s", round(time.monotonic() - stopped, 2))
            arrived = len(load.newcomers)
            await until(lambda: len(load.newcomers) >= arrived + 3)
            load.is_over = True
        doubtful = await unconfirmed(agent)
        signed_in = [
            (await browser.call("GET", "/session")).json()["logged_in"]
            for browser in (*load.users, *load.newcomers)
        ]

    record_property("answers_503", load.statuses[503])
    record_property("away_s", round(max(load.away_s) - min(load.away_s), 2))
    record_property("logins", len(load.newcomers))
    assert before == 0
    assert load.statuses.keys() == {200, 503}
    assert signed_in.count(False) <= doubtful
    assert all(signed_in[:USERS])
