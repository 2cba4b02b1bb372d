"""The provider is away, makes no sense, or changes its keys: what logins do, and how they recover."""

import asyncio
from typing import Any

import httpx
import pytest

from common.issuer import UNKNOWN_KEY_COOL_DOWN
from tests.bff.agent import Agent, run_agent
from tests.bff.logins import FAILURE, counted, is_signed_in
from tests.fakes.issuer import ABSENT, FakeIssuer
from tests.fakes.waiting import until


async def ready(agent: Agent) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        answer = await client.get(f"{agent.private_url}/readyz")
    return answer.status_code, answer.json()["faults"]


async def test_a_provider_that_is_away_at_start_is_a_503_that_recovers_with_the_next_request() -> None:
    async with FakeIssuer.start() as issuer:
        issuer.broken(discovery=True)
        async with run_agent(issuer) as agent:
            browser = await agent.browser()
            page = await browser.navigate("/login/start")
            problem = await browser.call("GET", "/login/start")
            status, faults = await ready(agent)
            issuer.broken(discovery=False)
            agent.clock.advance(seconds=2)
            answer = await browser.log_in()

            assert (page.status_code, problem.status_code) == (503, 503)
            assert "The login provider is away" in page.text
            assert problem.json()["code"] == "provider_unavailable"
            assert page.headers["Retry-After"] == problem.headers["Retry-After"] == "5"
            assert "Set-Cookie" not in page.headers
            assert (status, list(faults)) == (503, ["provider"])
            assert issuer.url in faults["provider"]
            assert "status_503" in faults["provider"]
            assert answer.status_code == 302
            assert await ready(agent) == (200, {})


async def test_it_recovers_by_itself_when_nobody_asks() -> None:
    async with FakeIssuer.start() as issuer:
        issuer.broken(discovery=True)
        async with run_agent(issuer) as agent:
            await until(lambda: issuer.discovery_fetches > 0)
            before, _ = await ready(agent)
            issuer.broken(discovery=False)
            await until(lambda: agent.parts.issuer.fault() is None)

            assert before == 503
            assert (await ready(agent))[0] == 200


async def test_a_provider_that_nothing_listens_for_is_a_503() -> None:
    async with run_agent(OIDC_PROVIDER="http://127.0.0.1:9") as agent:
        browser = await agent.browser()

        answer = await browser.call("GET", "/login/start")

        assert answer.status_code == 503
        assert "connection" in (await ready(agent))[1]["provider"]


@pytest.mark.parametrize(
    ("overrides", "cause"),
    [
        pytest.param({"issuer": "https://evil.example"}, "another_issuer", id="another issuer"),
        pytest.param({"issuer": ABSENT}, "another_issuer", id="no issuer"),
        pytest.param({"token_endpoint": ABSENT}, "no_token_endpoint", id="no token endpoint"),
        pytest.param({"jwks_uri": "ftp://x"}, "bad_jwks_uri", id="bad address of keys"),
        pytest.param({"padding": "x" * 600_000}, "unusable_answer", id="huge"),
    ],
)
async def test_a_discovery_document_that_cannot_be_used_starts_no_login(
    overrides: dict[str, Any], cause: str
) -> None:
    async with FakeIssuer.start() as issuer:
        issuer.metadata_overrides = overrides
        async with run_agent(issuer) as agent:
            browser = await agent.browser()

            answer = await browser.call("GET", "/login/start")

            assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
            assert cause not in answer.text
            assert cause in (await ready(agent))[1]["provider"]


async def test_a_provider_that_goes_away_before_the_code_is_redeemed_is_told_to_the_app(
    agent: Agent,
) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login(FAILURE))
    agent.issuer.broken(token=True)

    answer = await browser.come_back(callback)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/failed?error=provider_unavailable")
    assert counted(agent, "status_503") == 1
    assert not await is_signed_in(browser)


async def test_without_a_failure_address_it_is_a_503_page(agent: Agent) -> None:
    browser = await agent.browser()
    callback = agent.issuer.authorize(await browser.start_login())
    agent.issuer.broken(token=True)

    answer = await browser.come_back(callback)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert 'href="/login/start"' in answer.text


async def test_an_agent_that_was_restarted_while_the_provider_is_away_takes_the_callback_later() -> None:
    key = "A" * 42 + "8="
    async with FakeIssuer.start() as issuer:
        async with run_agent(issuer, COOKIE_KEY=key) as agent:
            browser = await agent.browser()
            with_failure = issuer.authorize(await browser.start_login(FAILURE))
            without = issuer.authorize(await browser.start_login("?redirect=/devices"))
            cookies = dict(browser.client.cookies)
        issuer.broken(discovery=True)
        async with run_agent(issuer, COOKIE_KEY=key, PUBLIC_URL=agent.url) as restarted:
            browser = await restarted.browser(**cookies)
            told_to_the_app = await browser.come_back(with_failure)
            told_to_the_person = await browser.come_back(without)
            issuer.broken(discovery=False)
            restarted.clock.advance(seconds=2)
            reloaded = await browser.come_back(without)

            assert told_to_the_app.headers["Location"] == "/failed?error=provider_unavailable"
            assert told_to_the_person.status_code == 503
            assert reloaded.headers["Location"] == "/devices"
            assert await is_signed_in(browser)


@pytest.mark.parametrize(
    "jwks",
    [
        pytest.param(None, id="away"),
        pytest.param({"keys": []}, id="empty"),
        pytest.param({"keys": [{}] * 101}, id="too many"),
        pytest.param({"padding": "x" * 600_000}, id="huge"),
        pytest.param({"keys": [{"kty": "oct", "k": "AAAA", "kid": "key-1"}]}, id="symmetric"),
    ],
)
async def test_without_usable_keys_nobody_is_signed_in_until_there_are_some(
    jwks: dict[str, Any] | None,
) -> None:
    async with FakeIssuer.start() as issuer:
        issuer.broken(jwks=jwks is None)
        issuer.jwks_overrides = jwks or {}
        async with run_agent(issuer) as agent:
            browser = await agent.browser()
            while_broken = await browser.log_in(query=FAILURE)
            issuer.broken(jwks=False)
            issuer.jwks_overrides = {}
            agent.clock.advance(seconds=2)
            answer = await browser.log_in(query=FAILURE)

    assert while_broken.headers["Location"] == "/failed?error=provider_unavailable"
    assert answer.headers["Location"] == "/devices"


async def test_keys_may_rotate_between_logins(agent: Agent) -> None:
    for _ in range(3):
        await agent.signed_in()
        agent.issuer.rotate_keys()
        agent.clock.advance(seconds=UNKNOWN_KEY_COOL_DOWN.total_seconds())

    assert await is_signed_in(await agent.signed_in())


async def test_logins_at_once_with_a_new_key_share_one_fetch(agent: Agent) -> None:
    await agent.signed_in()
    agent.issuer.rotate_keys()
    fetches = agent.issuer.jwks_fetches

    browsers = await asyncio.gather(*(agent.signed_in(f"user-{number}") for number in range(8)))

    assert all([await is_signed_in(browser) for browser in browsers])
    assert agent.issuer.jwks_fetches == fetches + 1


async def test_known_keys_go_on_while_the_provider_publishes_none(agent: Agent) -> None:
    await agent.signed_in()
    agent.issuer.broken(jwks=True, discovery=True)

    assert await is_signed_in(await agent.signed_in("bob"))
