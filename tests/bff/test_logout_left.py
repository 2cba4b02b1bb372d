"""Whoever logs out and leaves at once has logged out: here and at the provider."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from yarl import URL

from tests.bff.agent import SESSION_COOKIE, Agent, run_agent
from tests.bff.test_redis_outage import agent_with
from tests.fakes.issuer import FakeIssuer
from tests.fakes.redis_servers import RedisServers
from tests.fakes.relay import Relay
from tests.fakes.waiting import until

LOOKED_UP, ENDED = b"MGET", b"EVALSHA"


@pytest.fixture
async def relay(redis_servers: RedisServers) -> AsyncIterator[Relay]:
    async with Relay.to(redis_servers.standalone().port) as running:
        yield running


@pytest.fixture
async def agent(relay: Relay) -> AsyncIterator[Agent]:
    async with agent_with(f"redis://127.0.0.1:{relay.port}") as running:
        yield running


@pytest.mark.parametrize("step", [LOOKED_UP, ENDED])
async def test_a_client_that_leaves_during_a_logout_is_logged_out(
    agent: Agent, relay: Relay, step: bytes
) -> None:
    """The store takes its time over one step, and the client goes away meanwhile."""
    browser = await agent.signed_in()
    cookie = browser.session_cookie or ""
    relay.hold(step)
    leaving = asyncio.create_task(browser.call("POST", "/logout"))
    await until(lambda: relay.is_holding)

    leaving.cancel()
    await asyncio.wait([leaving])
    await until(lambda: given_up(agent) == 1)
    relay.release()

    await until(lambda: len(agent.issuer.revoked) == 1)
    thief = await agent.browser(**{SESSION_COOKIE: cookie})
    assert (await thief.call("GET", "/userinfo")).status_code == 401


async def test_nobody_waits_for_a_provider_that_is_slow_to_revoke() -> None:
    async with FakeIssuer.start() as issuer, Relay.to(URL(issuer.url).port or 0) as relay:
        issuer.metadata_overrides = {"revocation_endpoint": f"http://127.0.0.1:{relay.port}/revoke"}
        relay.hold(b"/revoke")
        async with run_agent(issuer) as agent:
            browser = await agent.signed_in()

            answer = await browser.call("POST", "/logout")

            assert answer.status_code == 200
            await until(lambda: relay.is_holding)
            assert issuer.revoked == []
            relay.release()
            await until(lambda: len(issuer.revoked) == 1)


def given_up(agent: Agent) -> float:
    """Requests whose clients have left before their answer."""
    labels = {"method": "POST", "route": "/logout", "status": "499"}
    return agent.parts.registry.get_sample_value("http_requests_total", labels) or 0.0
