"""`BEARER`: which token goes upstream, for how long it lasts, and where claims are from then."""

import json

import jwt
import pytest
from yarl import URL

from bff.settings import read_settings
from common.env import SettingsError
from common.randomness import SystemRandomness
from tests.bff.agent import Agent, Browser, run_agent
from tests.bff.logins import agent_with_shaped, is_signed_in
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import ACCESS_TOKEN_LIFETIME_S, FakeIssuer
from tests.fakes.waiting import until


async def bearer(agent: Agent, browser: Browser) -> str:
    answer = await browser.call("GET", "/api/v1/things")
    assert answer.status_code == 200, answer.text
    return agent.backend.seen[-1].values("Authorization")[0].removeprefix("Bearer ")


def refreshes(agent: Agent) -> int:
    return sum(form.get("grant_type") == "refresh_token" for form in agent.issuer.token_requests)


def ended(agent: Agent, cause: str) -> float:
    return agent.parts.registry.get_sample_value("bff_sessions_ended_total", {"cause": cause}) or 0.0


def let_id_tokens_live(agent: Agent, seconds: int) -> None:
    agent.issuer.id_token_overrides = {"exp": agent.issuer.now() + seconds}


# What goes upstream


@pytest.mark.parametrize(
    ("settings", "typ", "audience"),
    [
        ({}, "at+jwt", "doorward-api"),
        ({"BEARER": "access_token"}, "at+jwt", "doorward-api"),
        ({"BEARER": "id_token"}, "JWT", "doorward"),
    ],
    ids=["default", "access token", "ID token"],
)
async def test_the_token_that_is_configured_goes_upstream(
    settings: dict[str, str], typ: str, audience: str
) -> None:
    async with run_agent(None, **settings) as agent:
        browser = await agent.signed_in()

        token = await bearer(agent, browser)

        key = agent.issuer.key.public_key
        claims = jwt.decode(token, key, algorithms=["ES256"], audience=audience)
        assert (claims["sub"], jwt.get_unverified_header(token)["typ"]) == ("alice", typ)


async def test_an_opaque_access_token_goes_upstream_where_nothing_else_is_configured(agent: Agent) -> None:
    agent.issuer.opaque_access_tokens = True
    browser = await agent.signed_in()

    assert "." not in await bearer(agent, browser)


@pytest.mark.parametrize("value", ["none", "ID_TOKEN", "refresh_token"])
def test_another_kind_does_not_start(value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({"BEARER": value}, SystemRandomness())

    assert f"BEARER is {value!r}: use one of access_token, id_token." in raised.value.faults


# How long it lasts


async def test_a_refresh_is_due_when_the_id_token_ends() -> None:
    async with run_agent(BEARER="id_token") as agent:
        let_id_tokens_live(agent, 100)
        browser = await agent.signed_in()
        first = await bearer(agent, browser)
        agent.clock.advance(seconds=79)
        same = await bearer(agent, browser)
        agent.clock.advance(seconds=7)
        let_id_tokens_live(agent, 100)

        second = await bearer(agent, browser)

        assert (first == same, first == second, refreshes(agent)) == (True, False, 1)


async def test_an_access_token_that_nobody_sends_may_expire() -> None:
    async with run_agent(BEARER="id_token") as agent:
        let_id_tokens_live(agent, 3600)
        browser = await agent.signed_in()
        agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S + 60)

        await bearer(agent, browser)

        assert refreshes(agent) == 0


async def test_a_provider_that_is_away_leaves_the_id_token_its_time() -> None:
    async with run_agent(BEARER="id_token") as agent:
        browser = await agent.signed_in()
        first = await bearer(agent, browser)
        agent.issuer.broken(token=True)
        agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 1)
        while_it_lasts = await bearer(agent, browser)
        agent.clock.advance(seconds=1)

        afterwards = await browser.call("GET", "/api/v1/things")

        assert while_it_lasts == first
        assert (afterwards.status_code, afterwards.json()["code"]) == (503, "provider_unavailable")
        agent.issuer.broken(token=False)
        assert await bearer(agent, browser) != first


# A provider that refreshes without a new ID token


async def test_without_a_new_id_token_the_old_one_goes_up_as_long_as_it_lasts() -> None:
    async with run_agent(BEARER="id_token") as agent:
        agent.issuer.renews_id_tokens = False
        browser = await agent.signed_in()
        first = await bearer(agent, browser)

        # Twice: the refresh token that came with the first answer was kept.
        answers = [await browser.call("POST", "/refresh") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [204, 204]
        assert await bearer(agent, browser) == first


async def test_when_it_has_ended_the_session_ends_and_says_why() -> None:
    async with run_agent(BEARER="id_token") as agent:
        agent.issuer.renews_id_tokens = False
        browser = await agent.signed_in()
        agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 10)
        while_it_lasts = await browser.call("GET", "/api/v1/things")
        agent.clock.advance(seconds=10)

        afterwards = await browser.call("GET", "/api/v1/things")

        assert (while_it_lasts.status_code, afterwards.status_code) == (200, 401)
        assert not await is_signed_in(browser)
        assert ended(agent, "no_new_id_token") == 1
        await until(lambda: len(agent.issuer.revoked) == 1)


async def test_near_its_end_the_provider_is_not_asked_at_each_request() -> None:
    async with run_agent(BEARER="id_token") as agent:
        agent.issuer.renews_id_tokens = False
        browser = await agent.signed_in()
        agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 25)

        for _ in range(10):
            await bearer(agent, browser)

        assert refreshes(agent) == 1


async def test_where_access_tokens_go_up_no_new_id_token_is_needed(agent: Agent) -> None:
    agent.issuer.renews_id_tokens = False
    browser = await agent.signed_in()
    agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    await bearer(agent, browser)

    assert await is_signed_in(browser)


async def test_an_access_token_of_no_lifetime_is_no_reason_to_end_a_session() -> None:
    async with agent_with_shaped("token_endpoint") as (agent, shaped):
        browser = await agent.browser()
        location = await browser.start_login()
        answer = {"access_token": "a1", "refresh_token": "r1", "token_type": "Bearer", "expires_in": 0}
        id_token = agent.issuer.id_token(nonce=URL(location).query["nonce"])
        shaped.answer_body = json.dumps({**answer, "id_token": id_token}).encode()
        await browser.come_back(agent.issuer.authorize(location))
        shaped.answer_body = json.dumps(answer).encode()

        assert (await browser.call("POST", "/refresh")).status_code == 204
        assert await is_signed_in(browser)


# Where claims are from


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
@pytest.mark.parametrize(
    ("is_opaque", "introspection", "source"),
    [
        (False, None, "access_token"),
        (False, {}, "access_token"),
        (True, {}, "introspection"),
        (True, {"active": False}, "id_token"),
        (True, None, "id_token"),
    ],
    ids=["JWT", "JWT, not introspected", "opaque, introspected", "opaque, unknown", "opaque"],
)
async def test_claims_are_those_of_the_access_token_whatever_goes_up(
    kind: str, is_opaque: bool, introspection: dict[str, object] | None, source: str
) -> None:
    async with FakeIssuer.start() as issuer:
        issuer.opaque_access_tokens, issuer.introspection = is_opaque, introspection
        async with run_agent(issuer, BEARER=kind) as agent:
            browser = await agent.signed_in()

            answer = await browser.call("GET", "/claims")

            assert answer.headers["X-Claims-Source"] == source
            assert answer.json()["sub"] == "alice"
            assert ("auth_time" in answer.json()) == (source == "id_token")
            assert (await browser.call("GET", "/userinfo")).json()["sub"] == "alice"


async def test_an_introspection_that_cannot_be_had_leaves_the_id_token() -> None:
    async with FakeIssuer.start(clock=FakeClock()) as issuer:
        issuer.opaque_access_tokens, issuer.introspection = True, {}
        async with run_agent(issuer) as agent:
            browser = await agent.signed_in()
            issuer.broken(introspection=True)

            answer = await browser.call("GET", "/claims")

            assert (answer.status_code, answer.headers["X-Claims-Source"]) == (200, "id_token")
