"""One refresh over all processes, and what is left when the process that refreshes is killed.

The provider revokes the whole family when a rotated refresh token is used twice, as most do: a second refresh
would end the session and be seen.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from bff.session.record import session_key
from bff.session.refresh import LEASE_LIFETIME
from tests.bff.agent import SCRIPT
from tests.bff.processes import AgentProcess, Fleet, run_fleet
from tests.bff.redis_stores import opened_store
from tests.fakes.redis_servers import RedisServers
from tests.fakes.waiting import until

SESSIONS, REQUESTS = 20, 1000
SOON_S = 3
DUE_S = SOON_S + 0.05


@pytest.fixture
async def fleet(redis_servers: RedisServers) -> AsyncIterator[Fleet]:
    async with run_fleet(redis_servers.standalone().url, size=4) as running:
        yield running


async def call(client: aiohttp.ClientSession, agent: AgentProcess, cookie: str) -> int:
    headers = {**SCRIPT, "Cookie": f"doorward_session={cookie}"}
    async with client.get(f"{agent.url}/api/v1/things", headers=headers) as answer:
        await answer.read()
        return answer.status


def a_client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=200), cookie_jar=aiohttp.DummyCookieJar()
    )


async def due_sessions(fleet: Fleet, stack: AsyncExitStack, count: int) -> list[str]:
    """Cookies of sessions whose access tokens have all just expired."""
    fleet.issuer.expires_in_s = SOON_S
    browsers = [await fleet.signed_in(stack, f"user-{number}") for number in range(count)]
    logged_in_at = time.monotonic()
    fleet.issuer.expires_in_s = 300
    await asyncio.sleep(max(0.0, logged_in_at + DUE_S - time.monotonic()))
    return [browser.session_cookie or "" for browser in browsers]


async def test_a_storm_at_the_second_of_expiry_is_one_refresh_a_session(fleet: Fleet) -> None:
    fleet.issuer.token_delay_s = 0.1
    async with AsyncExitStack() as stack:
        cookies = await due_sessions(fleet, stack, SESSIONS)
        client = await stack.enter_async_context(a_client())

        statuses = await asyncio.gather(
            *(
                call(client, fleet.agents[number % len(fleet.agents)], cookies[number % len(cookies)])
                for number in range(REQUESTS)
            )
        )

        assert set(statuses) == {200}
        assert fleet.refreshes() == SESSIONS


@pytest.mark.parametrize("rotated", [pytest.param(True, id="rotated"), pytest.param(False, id="not rotated")])
async def test_a_holder_that_is_killed_after_it_sent(fleet: Fleet, rotated: bool) -> None:
    """Nobody can know whether the provider rotated: one more try tells."""
    async with AsyncExitStack() as stack:
        [cookie] = await due_sessions(fleet, stack, 1)
        client = await stack.enter_async_context(a_client())
        fleet.issuer.token_gate = asyncio.Event()
        holder, other = fleet.agents[1], fleet.agents[2]
        refreshing = asyncio.create_task(call(client, holder, cookie))
        await until(lambda: fleet.refreshes() == 1)

        holder.kill()
        fleet.issuer.broken(token=not rotated)
        given = len(fleet.issuer.tokens_given)
        fleet.issuer.token_gate.set()
        await until(lambda: not rotated or len(fleet.issuer.tokens_given) > given)
        with pytest.raises(aiohttp.ClientError):
            await refreshing
        fleet.issuer.broken(token=False)

        assert await call(client, other, cookie) == (401 if rotated else 200)
        assert fleet.refreshes() == 2


async def test_a_holder_that_is_killed_before_it_sent_is_taken_over_unseen(fleet: Fleet) -> None:
    async with AsyncExitStack() as stack:
        [cookie] = await due_sessions(fleet, stack, 1)
        client = await stack.enter_async_context(a_client())
        await take_lease_and_die(fleet, cookie)

        answers = await asyncio.gather(*(call(client, agent, cookie) for agent in fleet.agents))

        assert set(answers) == {200}
        assert fleet.refreshes() == 1


async def test_a_provider_that_takes_longer_than_the_lease_is_asked_once(fleet: Fleet) -> None:
    async with AsyncExitStack() as stack:
        [cookie] = await due_sessions(fleet, stack, 1)
        fleet.issuer.token_delay_s = LEASE_LIFETIME.total_seconds() + 1
        client = await stack.enter_async_context(a_client())

        answers = await asyncio.gather(*(call(client, agent, cookie) for agent in fleet.agents))

        assert set(answers) == {200}
        assert fleet.refreshes() == 1


async def test_a_holder_that_is_killed_after_it_saved_is_not_noticed(fleet: Fleet) -> None:
    async with AsyncExitStack() as stack:
        [cookie] = await due_sessions(fleet, stack, 1)
        client = await stack.enter_async_context(a_client())
        assert await call(client, fleet.agents[1], cookie) == 200
        fleet.agents[1].kill()

        answers = await asyncio.gather(*(call(client, fleet.agents[n], cookie) for n in (0, 2, 3)))

        assert set(answers) == {200}
        assert fleet.refreshes() == 1


async def take_lease_and_die(fleet: Fleet, cookie: str) -> None:
    """What a process leaves behind that was killed between taking the lease and noting that it sends."""
    async with opened_store(fleet.session_store) as store:
        lease = await store.take_lease(session_key(cookie), "a dead process", LEASE_LIFETIME)
        assert lease is not None
