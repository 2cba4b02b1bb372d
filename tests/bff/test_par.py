"""Pushed authorization requests (RFC 9126): used where the provider offers them, and never half."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from tests.bff.agent import NAVIGATION, SCRIPT, Agent, run_agent
from tests.bff.logins import agent_with_shaped, is_signed_in, set_cookies
from tests.fakes.issuer import FakeIssuer

REQUEST = {
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
}


@asynccontextmanager
async def agent_with_par(*, client_secret: str | None = "a secret", **settings: str) -> AsyncIterator[Agent]:
    async with FakeIssuer.start(client_secret=client_secret) as issuer:
        issuer.offers_par = True
        async with run_agent(issuer, **settings) as agent:
            yield agent


async def test_the_browser_carries_a_reference_and_nothing_else() -> None:
    async with agent_with_par() as agent:
        browser = await agent.browser()

        address = URL(await browser.start_login())

        assert set(address.query) == {"client_id", "request_uri"}
        assert address.query["client_id"] == "doorward"
        [pushed] = agent.issuer.pushed_requests
        assert set(pushed) == REQUEST
        assert (pushed["client_id"], pushed["redirect_uri"]) == ("doorward", f"{agent.url}/login/end")


async def test_the_login_ends_as_any_other() -> None:
    async with agent_with_par() as agent:
        browser = await agent.browser()

        answer = await browser.log_in(query="?redirect=/devices")

        assert (answer.status_code, answer.headers["Location"]) == (302, "/devices")
        assert await is_signed_in(browser)


async def test_a_script_gets_the_same_address() -> None:
    async with agent_with_par() as agent:
        browser = await agent.browser()

        answer = await browser.call("GET", "/login/start")

        assert set(URL(answer.json()["authorization_request_url"]).query) == {"client_id", "request_uri"}


async def test_what_the_app_asks_for_is_pushed_too() -> None:
    async with agent_with_par(OIDC_AUDIENCE_PARAM="resource") as agent:
        browser = await agent.browser()

        address = URL(
            await browser.start_login("?login_hint=alice%40example.com%26scope=admin&prompt=login&max_age=60")
        )

        assert set(address.query) == {"client_id", "request_uri"}
        [pushed] = agent.issuer.pushed_requests
        assert {name: pushed[name] for name in set(pushed) - REQUEST} == {
            "login_hint": "alice@example.com&scope=admin",
            "prompt": "login",
            "max_age": "60",
            "resource": "doorward-api",
        }


async def test_each_login_pushes_a_request_of_its_own() -> None:
    async with agent_with_par() as agent:
        browser = await agent.browser()

        addresses = [await browser.start_login() for _ in range(2)]
        first, second = [agent.issuer.authorize(address) for address in addresses]

        assert first["state"] != second["state"]
        assert (await browser.come_back(second)).status_code == 302
        assert await is_signed_in(browser)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_client_proves_itself_as_at_the_token_endpoint_and_names_itself_once(method: str) -> None:
    """The fake provider refuses a parameter that comes twice (RFC 6749 section 3.1), as real ones do."""
    secret = None if method == "none" else "a secret"
    async with agent_with_par(client_secret=secret, OIDC_CLIENT_AUTH=method) as agent:
        browser = await agent.signed_in()

        assert await is_signed_in(browser)
        assert len(agent.issuer.pushed_requests) == 1


async def test_an_address_with_a_query_of_its_own_keeps_it() -> None:
    async with FakeIssuer.start() as issuer:
        issuer.offers_par = True
        issuer.metadata_overrides = {"authorization_endpoint": f"{issuer.url}/authorize?tenant=a%26b"}
        async with run_agent(issuer) as agent:
            address = URL(await (await agent.browser()).start_login())

            assert set(address.query) == {"tenant", "client_id", "request_uri"}
            assert address.query["tenant"] == "a&b"


async def test_where_it_is_not_offered_nothing_is_pushed(agent: Agent) -> None:
    browser = await agent.browser()

    address = URL(await browser.start_login())

    assert set(address.query) == REQUEST
    assert agent.issuer.pushed_requests == []


@pytest.mark.parametrize(
    "fault", [True, "invalid_request", "invalid_client", "access_denied", "temporarily_unavailable"]
)
async def test_a_push_that_is_refused_starts_no_login_by_another_way(fault: bool | str) -> None:
    async with agent_with_par() as agent:
        agent.issuer.broken(par=fault)
        browser = await agent.browser()

        by_script = await browser.client.get("/login/start", headers=SCRIPT)
        by_navigation = await browser.client.get("/login/start", headers=NAVIGATION)

        assert (by_script.status_code, by_script.json()["code"]) == (503, "provider_unavailable")
        assert "Retry-After" in by_script.headers
        assert by_navigation.status_code == 503
        assert by_navigation.headers["Content-Type"].startswith("text/html")
        for answer in (by_script, by_navigation):
            assert "Location" not in answer.headers
            assert set_cookies(answer) == {}


async def test_the_log_tells_that_a_push_was_refused_and_not_what_it_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with agent_with_par() as agent:
        agent.issuer.broken(par="invalid_request")
        browser = await agent.browser()

        await browser.call("GET", "/login/start?login_hint=alice.liddell")

        written = capsys.readouterr().out
        assert "push_refused" in written
        assert "liddell" not in written


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"<html>", b'{"request_uri": 1}', b'{"request_uri": ""}', b'{"request_uri": null}'],
)
async def test_an_answer_without_a_reference_is_no_answer(body: bytes) -> None:
    async with agent_with_shaped("pushed_authorization_request_endpoint") as (agent, shaped):
        shaped.answer_status, shaped.answer_body = 201, body
        browser = await agent.browser()

        answer = await browser.call("GET", "/login/start")

        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
