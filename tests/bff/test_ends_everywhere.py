"""A session that ends at one agent ends at all of them, with what it holds open there."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.bff.agent import SCRIPT, SESSION_COOKIE, Agent, run_agent
from tests.bff.backchannel import send
from tests.fakes.issuer import FakeIssuer
from tests.fakes.redis_servers import RedisServers
from tests.fakes.waiting import until


@asynccontextmanager
async def two_agents(session_store: str) -> AsyncIterator[tuple[Agent, Agent]]:
    key = base64.b64encode(bytes(range(32))).decode()
    async with (
        FakeIssuer.start() as issuer,
        run_agent(issuer, SESSION_STORE=session_store, COOKIE_KEY=key) as one,
        run_agent(issuer, SESSION_STORE=session_store, COOKIE_KEY=key) as other,
    ):
        yield one, other


async def test_a_stream_at_another_agent_is_closed_within_a_second(redis_servers: RedisServers) -> None:
    async with two_agents(redis_servers.standalone().url) as (one, other):
        browser = await one.signed_in()
        elsewhere = await other.browser(**{SESSION_COOKIE: browser.session_cookie or ""})

        async with elsewhere.client.stream("GET", "/api/stream", headers=SCRIPT) as stream:
            lines = stream.aiter_lines()
            first = await anext(lines)
            await browser.call("POST", "/logout")
            await until(lambda: other.parts.sessions.live.sessions() == [], time_s=1)
            with pytest.raises(httpx.RemoteProtocolError):
                _ = [line async for line in lines]

        assert first == 'data: {"first": true}'
        assert (await elsewhere.call("GET", "/userinfo")).status_code == 401


async def test_what_was_not_announced_is_found_by_the_sweep(redis_servers: RedisServers) -> None:
    """Its lifetime ends without a message."""
    async with two_agents(redis_servers.standalone().url) as (one, other):
        browser = await one.signed_in()
        elsewhere = await other.browser(**{SESSION_COOKIE: browser.session_cookie or ""})

        async with elsewhere.client.stream("GET", "/api/stream", headers=SCRIPT) as stream:
            await anext(stream.aiter_lines())
            other.clock.advance(hours=13)
            await other.parts.sessions.remove_ended()

            assert other.parts.sessions.live.sessions() == []


async def test_replays_at_once_log_nobody_out(redis_servers: RedisServers) -> None:
    async with two_agents(redis_servers.standalone().url) as (one, other):
        token = one.issuer.logout_token("alice")
        providers = [await one.browser(), await other.browser()]
        first = await send(providers[0], token)
        browser = await one.signed_in()

        replays = await asyncio.gather(*(send(provider, token) for provider in providers * 8))

        assert first.status_code == 200
        assert {replay.status_code for replay in replays} == {400}
        assert (await browser.call("GET", "/userinfo")).status_code == 200
