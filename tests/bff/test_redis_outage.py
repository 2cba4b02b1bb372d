"""Redis away, slow, full or empty, as browsers see it: 503 and the cookie kept, never a logout by mistake."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.bff.agent import Agent, Browser, run_agent
from tests.bff.redis_stores import SERVER_KEY
from tests.fakes.issuer import ACCESS_TOKEN_LIFETIME_S
from tests.fakes.redis_servers import RedisServer
from tests.fakes.waiting import eventually, until

COOKIE_KEY = base64.b64encode(SERVER_KEY).decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer.running(tmp_path) as running:
        yield running


@pytest.fixture
async def agent(server: RedisServer) -> AsyncIterator[Agent]:
    async with agent_with(server.url) as running:
        yield running


@asynccontextmanager
async def agent_with(url: str) -> AsyncIterator[Agent]:
    async with run_agent(SESSION_STORE=url, COOKIE_KEY=COOKIE_KEY) as running:
        await ready(running)
        yield running


async def ready(agent: Agent, status: int = 200) -> dict[str, str]:
    """Waits until the agent says that it is ready, or not; what it lacks."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await eventually(
            lambda: client.get(f"{agent.private_url}/readyz"), lambda answer: answer.status_code == status
        )
    faults: dict[str, str] = answer.json()["faults"]
    return faults


def is_answered(answer: httpx.Response) -> bool:
    return answer.status_code != 503


def is_kept(browser: Browser, answer: httpx.Response) -> bool:
    """A 503 that says when to come again, and leaves the cookie alone."""
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable"), answer.text
    return (
        "Retry-After" in answer.headers
        and "Set-Cookie" not in answer.headers
        and bool(browser.session_cookie)
    )


async def test_while_the_store_is_away_nobody_is_logged_out(agent: Agent, server: RedisServer) -> None:
    browser = await agent.signed_in()
    server.stop()

    calls = [
        await browser.call(method, path)
        for method, path in [
            ("GET", "/userinfo"),
            ("GET", "/session"),
            ("GET", "/api/v1/things"),
            ("POST", "/refresh"),
            ("POST", "/logout"),
        ]
    ]

    assert all(is_kept(browser, answer) for answer in calls)
    faults = await ready(agent, 503)
    assert faults["session_store"] == "The session store cannot be used (connection)."


async def test_when_the_store_is_back_it_is_used_without_a_restart(agent: Agent, server: RedisServer) -> None:
    browser = await agent.signed_in()
    server.pause()
    assert is_kept(browser, await browser.call("GET", "/userinfo"))

    server.resume()

    answer = await eventually(lambda: browser.call("GET", "/userinfo"), is_answered)
    assert answer.json()["sub"] == "alice"
    await ready(agent)


async def test_tokens_that_came_during_an_outage_are_kept_after_it(agent: Agent, server: RedisServer) -> None:
    """The provider has rotated: thrown away, they would end the session."""
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    agent.issuer.token_gate = asyncio.Event()
    waiting = asyncio.create_task(browser.call("GET", "/api/v1/things"))
    await until(lambda: len(agent.issuer.token_requests) == 2)

    server.pause()
    agent.issuer.token_gate.set()
    await until(lambda: failures(agent) > 0)
    agent.clock.advance(seconds=30)
    so_far = failures(agent)
    await until(lambda: failures(agent) > so_far + 3)
    server.resume()

    assert (await waiting).status_code == 200
    assert (await browser.call("GET", "/api/v1/things")).status_code == 200
    assert len(agent.issuer.token_requests) == 2


def failures(agent: Agent) -> float:
    """How often the store was asked in vain."""
    found = [
        agent.parts.registry.get_sample_value("bff_store_failures_total", {"cause": cause})
        for cause in ("timeout", "connection")
    ]
    return sum(count or 0 for count in found)


async def test_a_slow_store_does_not_cost_each_request_its_timeout(agent: Agent, server: RedisServer) -> None:
    browser = await agent.signed_in()
    server.pause()
    started = time.monotonic()
    first = await browser.call("GET", "/userinfo")
    first_s = time.monotonic() - started

    others = [await browser.call("GET", "/userinfo") for _ in range(20)]

    assert all(is_kept(browser, answer) for answer in (first, *others))
    assert first_s < 2.5
    assert time.monotonic() - started < 5
    server.resume()


async def test_a_store_that_came_back_empty_is_an_honest_401(agent: Agent, server: RedisServer) -> None:
    browser = await agent.signed_in()

    server.restart_empty()

    answer = await eventually(lambda: browser.call("GET", "/userinfo"), is_answered)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_a_full_store_refuses_logins_and_keeps_sessions(agent: Agent, server: RedisServer) -> None:
    browser = await agent.signed_in()
    server.command("CONFIG SET", "maxmemory", 1)

    newcomer = await agent.browser()
    callback = agent.issuer.authorize(await newcomer.start_login())
    refused = await newcomer.call("GET", str(httpx.URL("/login/end", params=callback)))

    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    assert newcomer.login_cookies()
    assert (await browser.call("GET", "/userinfo")).status_code == 200
    assert (await browser.call("POST", "/logout")).status_code == 200
    server.command("CONFIG SET", "maxmemory", 0)
    assert (await newcomer.log_in()).status_code == 302


async def test_a_login_in_an_outage_redeems_nothing_and_is_finished_after_it(
    agent: Agent, server: RedisServer
) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())
    server.stop()

    refused = await browser.come_back(callback)

    assert refused.status_code == 503
    assert "text/html" in refused.headers["Content-Type"]
    assert agent.issuer.token_requests == []
    server.restart_empty()
    await ready(agent)
    answer = await eventually(lambda: browser.come_back(callback), is_answered)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert (await browser.call("GET", "/userinfo")).status_code == 200


async def test_an_agent_that_starts_before_its_store_waits_for_it(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    async with run_agent(SESSION_STORE=server.url, COOKIE_KEY=COOKIE_KEY) as agent:
        assert "session_store" in await ready(agent, 503)
        server.start()
        try:
            server.wait_until_ready()
            await ready(agent)
            assert (await (await agent.browser()).log_in()).status_code == 302
        finally:
            server.stop()
