"""What the agent counts by address: what comes without a session, and nothing that is proxied."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bff.settings import read_settings
from common.env import SettingsError
from common.randomness import SystemRandomness
from tests.bff.agent import Agent, Browser, run_agent
from tests.bff.backchannel import begun, send
from tests.bff.logins import is_signed_in
from tests.bff.processes import run_fleet
from tests.fakes.redis_servers import RedisServer

HERE, ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "192.0.2.8"}


@asynccontextmanager
async def limited(rate: str, **settings: str) -> AsyncIterator[Agent]:
    """An agent behind a proxy that tells addresses."""
    more = {"RATE_LIMIT_ADDRESS": rate, "TRUSTED_PROXIES": "127.0.0.1/32", **settings}
    async with run_agent(**more) as agent:
        yield agent


async def flooded(agent: Agent, budget: int) -> Browser:
    """Somebody at `HERE`, who has used up what that address has without a session."""
    flooder = await agent.browser()
    for _ in range(budget):
        assert (await flooder.call("GET", "/session", **HERE)).status_code == 200
    assert is_too_many(await flooder.call("GET", "/session", **HERE))
    return flooder


def is_too_many(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json().get("code")) == (429, "too_many_requests")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/login/start"),
        ("GET", "/login/end?state=x&code=y"),
        ("GET", "/session"),
        ("POST", "/logout"),
        ("GET", "/logout"),
        ("GET", "/logout/some-ticket"),
        ("GET", "/userinfo"),
        ("GET", "/claims"),
        ("POST", "/refresh"),
        ("GET", "/sessions"),
        ("POST", "/backchannel-logout"),
        ("GET", "/device/login/start"),
        ("POST", "/device/login/start"),
    ],
)
async def test_what_comes_without_a_session_is_limited_by_address(method: str, path: str) -> None:
    async with limited("2/minute", OIDC_FLOW="both") as agent:
        browser = await agent.browser()
        answers = [await browser.call(method, path, **HERE) for _ in range(3)]

        assert [is_too_many(answer) for answer in answers] == [False, False, True]
        assert not is_too_many(await browser.call(method, path, **ELSEWHERE))


async def test_all_of_them_share_one_budget() -> None:
    async with limited("2/minute") as agent:
        browser = await agent.browser()
        await browser.call("GET", "/login/start", **HERE)
        await browser.call("GET", "/userinfo", **HERE)

        assert is_too_many(await browser.call("GET", "/session", **HERE))


async def test_a_refusal_says_when_to_come_again() -> None:
    async with limited("1/minute") as agent:
        browser = await agent.browser()
        await browser.call("GET", "/session", **HERE)
        agent.clock.advance(seconds=15)
        refused = await browser.call("GET", "/session", **HERE)

    assert is_too_many(refused)
    told = {name: refused.headers[name] for name in ("Retry-After", "RateLimit-Policy", "RateLimit")}
    assert told == {
        "Retry-After": "45",
        "RateLimit-Policy": '"address";q=1;w=60',
        "RateLimit": '"address";r=0;t=45',
    }


async def test_a_person_gets_a_page_that_says_it_too() -> None:
    async with limited("1/minute") as agent:
        browser = await agent.browser()
        await browser.navigate("/login/start", **HERE)
        refused = await browser.navigate("/login/start", **HERE)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert refused.headers["Content-Type"].startswith("text/html")


async def test_after_its_window_an_address_may_log_in_again() -> None:
    async with limited("2/minute") as agent:
        flooder = await flooded(agent, 2)
        agent.clock.advance(seconds=60)

        assert (await flooder.navigate("/login/start", **HERE)).status_code == 302


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/session"),
        ("GET", "/userinfo"),
        ("POST", "/refresh"),
        ("GET", "/sessions"),
        ("POST", "/logout"),
    ],
)
async def test_a_session_passes_behind_an_address_that_others_have_used_up(method: str, path: str) -> None:
    async with limited("2/minute") as agent:
        browser = await agent.signed_in()
        await flooded(agent, 2)
        answer = await browser.call(method, path, **HERE)

    assert answer.is_success


async def test_a_logout_goes_on_to_the_provider_behind_an_address_that_others_have_used_up() -> None:
    """Else who logs out where others flood stays signed in at the provider, on a computer that others use."""
    async with limited("2/minute") as agent:
        browser = await agent.signed_in()
        logout_url = (await browser.call("POST", "/logout", **HERE)).json()["logout_url"]
        await flooded(agent, 2)
        answers = [await browser.navigate(logout_url, **HERE) for _ in range(2)]

    assert answers[0].status_code == 303
    assert answers[0].headers["Location"].startswith(agent.issuer.url)
    assert answers[1].status_code == 429


async def test_a_session_uses_up_no_address() -> None:
    async with limited("2/minute") as agent:
        browser = await agent.signed_in()
        for path in ("/session", "/userinfo", "/session"):
            await browser.call("GET", path, **HERE)

        assert not is_too_many(await (await agent.browser()).call("GET", "/session", **HERE))


async def test_a_cookie_that_opens_nothing_is_no_session() -> None:
    async with limited("2/minute") as agent:
        browser = await agent.browser(doorward_session="junk")
        answers = [await browser.call("GET", "/session", **HERE) for _ in range(3)]

    assert [is_too_many(answer) for answer in answers] == [False, False, True]


@pytest.mark.parametrize("data_plane", ["protocols", "aiohttp"])
async def test_nothing_that_is_proxied_is_limited(data_plane: str) -> None:
    async with limited("2/minute", DATA_PLANE=data_plane) as agent:
        browser = await agent.signed_in()
        stranger = await flooded(agent, 2)
        with_session = [(await browser.call("GET", "/api/x", **HERE)).status_code for _ in range(5)]
        without = [(await stranger.call("GET", "/api/x", **HERE)).status_code for _ in range(5)]

    assert (with_session, without) == ([200] * 5, [401] * 5)


@pytest.mark.parametrize("data_plane", ["protocols", "aiohttp"])
async def test_nothing_that_is_proxied_is_counted(data_plane: str, tmp_path: Path) -> None:
    with RedisServer.running(tmp_path) as redis:
        async with limited("9/minute", DATA_PLANE=data_plane, RATE_LIMIT_STORE=redis.url) as agent:
            browser, stranger = await agent.signed_in(), await agent.browser()
            redis.command("FLUSHALL")
            for visitor in (browser, stranger):
                await visitor.call("GET", "/api/x", **HERE)
            counted_of_proxied = redis.command("KEYS", "dw:rate:*")
            await stranger.call("GET", "/session", **HERE)
            counted_of_others = redis.command("KEYS", "dw:rate:*")

    assert (len(counted_of_proxied), len(counted_of_others)) == (0, 1)


async def test_the_providers_logouts_are_not_limited() -> None:
    async with limited("1/minute") as agent:
        provider = await agent.browser()
        subs = [f"user-{number}" for number in range(4)]
        for sub in subs:
            await begun(agent.parts.sessions, agent.issuer.url, sub)
        answers = [await send(provider, agent.issuer.logout_token(sub), **HERE) for sub in subs]

    assert [answer.status_code for answer in answers] == [200] * 4


async def test_a_logout_token_passes_behind_an_address_that_junk_has_used_up() -> None:
    async with limited("3/minute") as agent:
        victim, provider = await agent.signed_in("victim"), await agent.browser()
        statuses = [(await send(provider, "junk", **HERE)).status_code for _ in range(4)]
        answer = await send(provider, agent.issuer.logout_token("victim"), **HERE)

        assert statuses == [400, 400, 400, 429]
        assert answer.status_code == 200
        assert not await is_signed_in(victim)


async def test_off_limits_nothing() -> None:
    async with limited("off") as agent:
        browser = await agent.browser()
        answers = [await browser.call("GET", "/userinfo", **HERE) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {401}


async def test_refusals_are_counted_by_rule() -> None:
    async with limited("1/minute") as agent:
        await flooded(agent, 1)

        count = agent.parts.registry.get_sample_value("rate_limited_total", {"rule": "address"})
        assert count == 1


async def test_two_processes_share_a_budget_in_redis(tmp_path: Path) -> None:
    with RedisServer.running(tmp_path) as redis:
        settings = {"RATE_LIMIT_STORE": redis.url, "RATE_LIMIT_ADDRESS": "1000/hour"}
        async with run_fleet(redis.url, 2, **settings) as fleet, AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(httpx.AsyncClient(base_url=agent.url, trust_env=False))
                for agent in fleet.agents
            ]
            await clients[0].get("/session")
            [key] = redis.command("KEYS", "dw:rate:bff:*")
            redis.command("SET", key, 997, "KEEPTTL")
            statuses = [(await clients[turn % 2].get("/session")).status_code for turn in range(5)]

    assert statuses == [200, 200, 200, 429, 429]


async def test_no_login_is_lost_while_redis_is_away(tmp_path: Path) -> None:
    with RedisServer.running(tmp_path) as redis:
        async with limited("100/minute", RATE_LIMIT_STORE=redis.url) as agent:
            browser = await agent.browser()
            callback = agent.issuer.authorize(await browser.start_login())
            redis.stop()
            await browser.come_back(callback)

            assert await is_signed_in(browser)
            assert await is_signed_in(await agent.signed_in("bob"))


def test_settings_that_cannot_be_used_are_told_together() -> None:
    values = {"RATE_LIMIT_STORE": "mongodb://:hush@host", "RATE_LIMIT_ADDRESS": "lots"}
    with pytest.raises(SettingsError) as refused:
        read_settings(values, SystemRandomness())

    faults = [fault for fault in refused.value.faults if fault.startswith("RATE_LIMIT")]
    assert [fault.split(" ")[0] for fault in faults] == ["RATE_LIMIT_ADDRESS", "RATE_LIMIT_STORE"]
    assert "hush" not in "".join(faults)
