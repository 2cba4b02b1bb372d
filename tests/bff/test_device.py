"""Device mode: where to log in, and the caller's own bearer passed on."""

from datetime import datetime

import pytest

from tests.bff.agent import Agent, run_agent


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_command_line_is_told_where_to_log_in(method: str) -> None:
    async with run_agent(OIDC_FLOW="device", SCOPES="openid offline_access") as agent:
        browser = await agent.browser()

        answer = await browser.client.request(method, "/login/start")

        facts = answer.json()
        assert answer.status_code == 200
        assert facts["client_id"] == agent.issuer.client_id
        assert facts["issuer"] == agent.issuer.url
        assert facts["token_endpoint"] == f"{agent.issuer.url}/token"
        assert facts["revocation_endpoint"] == f"{agent.issuer.url}/revoke"
        assert facts["scopes"] == ["openid", "offline_access"]
        assert datetime.fromisoformat(facts["server_time"]) == agent.clock.now()
        assert "device_authorization_endpoint" in facts
        assert (agent.issuer.client_secret or "?") not in answer.text


async def test_the_callers_bearer_is_passed_on_and_no_cookie() -> None:
    async with run_agent(OIDC_FLOW="device") as agent:
        browser = await agent.browser(doorward_session="x")

        answer = await browser.client.get("/api/v1/things", headers={"Authorization": "Bearer their-own"})

        assert answer.status_code == 200
        assert agent.backend.seen[-1].values("Authorization") == ["Bearer their-own"]
        assert agent.backend.seen[-1].values("Cookie") == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("Authorization", "Basic YTpi")], id="basic"),
        pytest.param([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], id="two"),
    ],
)
async def test_without_one_bearer_nothing_is_passed_on(headers: list[tuple[str, str]]) -> None:
    async with run_agent(OIDC_FLOW="device") as agent:
        browser = await agent.browser()

        answer = await browser.client.get("/api/v1/things", headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert agent.backend.seen == []


async def test_device_mode_has_no_session_endpoints() -> None:
    async with run_agent(OIDC_FLOW="device") as agent:
        browser = await agent.browser()

        statuses = {
            path: (await browser.call("GET", path)).status_code
            for path in ("/userinfo", "/session", "/login/end", "/claims", "/logout")
        }

        assert set(statuses.values()) == {404}


async def test_both_modes_in_one_process() -> None:
    async with run_agent(OIDC_FLOW="both", OIDC_DEVICE_CLIENT_ID="doorward-cli") as agent:
        browser = await agent.signed_in()

        start = await browser.client.get("/device/login/start")
        by_bearer = await browser.client.get("/device/api/v1/x", headers={"Authorization": "Bearer t"})

        assert start.json()["client_id"] == "doorward-cli"
        assert by_bearer.status_code == 200
        assert agent.backend.seen[-1].target == "/api/v1/x"
        assert agent.backend.seen[-1].values("Authorization") == ["Bearer t"]


async def test_a_provider_that_is_away_is_a_503() -> None:
    async with run_agent(OIDC_FLOW="device", OIDC_PROVIDER="http://127.0.0.1:9") as agent:
        browser = await agent.browser()

        answer = await browser.client.get("/login/start")

        assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


async def test_private_pages_are_not_on_the_public_listener(agent: Agent) -> None:
    browser = await agent.signed_in()

    for path in ("/healthz", "/readyz", "/metrics", "/verify", "/authz"):
        assert (await browser.call("GET", path)).status_code == 404
