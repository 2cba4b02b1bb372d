"""What an app may know of its user, and for how long."""

import pytest

from tests.bff.agent import Agent, run_agent


@pytest.mark.parametrize("path", ["/userinfo", "/user_info"])
async def test_userinfo_tells_the_person_and_not_the_protocol(agent: Agent, path: str) -> None:
    browser = await agent.signed_in()

    user = (await browser.call("GET", path)).json()

    assert user["sub"] == "alice"
    assert user["iss"] == agent.issuer.url
    assert "name" in user
    assert not {"nonce", "aud", "exp", "at_hash", "sid"} & set(user)


@pytest.mark.parametrize("path", ["/userinfo", "/claims"])
async def test_signed_out_is_a_401_problem(agent: Agent, path: str) -> None:
    browser = await agent.browser(doorward_session="made-up")

    answer = await browser.call("GET", path)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


async def test_claims_are_those_of_the_access_token(agent: Agent) -> None:
    browser = await agent.signed_in()

    answer = await browser.call("GET", "/claims")

    assert answer.headers["X-Claims-Source"] == "access_token"
    assert (answer.json()["aud"], answer.json()["sub"]) == (agent.issuer.audience, "alice")


async def test_claims_of_an_access_token_for_somebody_else_are_those_of_the_id_token() -> None:
    async with run_agent(OIDC_AUDIENCE="another-api") as agent:
        browser = await agent.signed_in()

        answer = await browser.call("GET", "/claims")

        assert answer.headers["X-Claims-Source"] == "id_token"
        assert answer.json()["aud"] == agent.issuer.client_id


async def test_session_tells_both_clocks(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.clock.advance(minutes=10)

    answer = await browser.call("GET", "/session")

    assert answer.json() == {
        "logged_in": True,
        "expires_in": 12 * 3600 - 600,
        "idle_expires_in": 3600 - 600,
        "logout_url": "/logout",
    }


async def test_session_of_nobody_is_an_answer_too(agent: Agent) -> None:
    browser = await agent.browser()

    answer = await browser.call("GET", "/session")

    assert answer.status_code == 200
    assert answer.json() == {
        "logged_in": False,
        "expires_in": None,
        "idle_expires_in": None,
        "logout_url": None,
    }


async def test_activity_moves_the_idle_clock(agent: Agent) -> None:
    browser = await agent.signed_in()

    for _ in range(3):
        agent.clock.advance(minutes=50)
        assert (await browser.call("GET", "/userinfo")).status_code == 200


@pytest.mark.parametrize("path", ["/session", "/userinfo?slide=false"])
async def test_looking_is_no_activity(agent: Agent, path: str) -> None:
    browser = await agent.signed_in()
    agent.clock.advance(minutes=50)

    await browser.call("GET", path)
    agent.clock.advance(minutes=11)

    assert (await browser.call("GET", "/session")).json()["logged_in"] is False
    assert (await browser.call("GET", "/userinfo")).status_code == 401


async def test_no_activity_stretches_the_absolute_lifetime() -> None:
    async with run_agent(SESSION_IDLE="1h", SESSION_LIFETIME="2h") as agent:
        browser = await agent.signed_in()

        for _ in range(3):
            agent.clock.advance(minutes=39)
            assert (await browser.call("GET", "/userinfo")).status_code == 200
        agent.clock.advance(minutes=3)

        assert (await browser.call("GET", "/userinfo")).status_code == 401


async def test_the_sweep_removes_what_has_ended(agent: Agent) -> None:
    await agent.signed_in()
    await agent.signed_in("bob")
    agent.clock.advance(hours=2)

    assert await agent.parts.sessions.remove_ended() == 2
    assert await agent.parts.sessions.remove_ended() == 0
