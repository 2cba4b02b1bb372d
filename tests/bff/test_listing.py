"""My sessions on other browsers: seen, ended one by one, and out of everybody else's reach but an admin's."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from bff.session.listing import SessionListing
from bff.session.memory import MemorySessionStore
from bff.session.record import SessionOwner, SessionRecord, public_id, session_key
from bff.session.storage import CURRENT_SESSION
from bff.settings import read_settings
from bff.user import AccessTokenClaims
from common.clock import Clock
from common.problems import problem_middleware
from tests.bff.agent import SCRIPT, SESSION_COOKIE, Agent, Browser, run_agent
from tests.bff.backchannel import begun
from tests.bff.logins import is_signed_in
from tests.fakes.issuer import ABSENT, FakeIssuer

ADMIN = {"scope": "openid sessions:admin"}


async def listed(browser: Browser, query: str = "") -> list[dict[str, Any]]:
    answer = await browser.call("GET", f"/sessions{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def current_id(browser: Browser) -> str:
    return str(next(item["id"] for item in await listed(browser) if item["is_current"]))


def killed(agent: Agent) -> float:
    return agent.parts.registry.get_sample_value("bff_sessions_ended_total", {"cause": "killed"}) or 0.0


# The list


async def test_it_has_my_sessions_the_newest_first_and_says_which_is_this(agent: Agent) -> None:
    first = await agent.browser()
    first.client.headers["User-Agent"] = "Firefox on Linux"
    await first.log_in()
    agent.clock.advance(minutes=5)
    second = await agent.signed_in()
    began = agent.clock.now()
    agent.clock.advance(minutes=5)

    items = await listed(second)

    assert [(item["is_current"], item["browser"] == "Firefox on Linux") for item in items] == [
        (True, False),
        (False, True),
    ]
    assert set(items[0]) == {"id", "browser", "created_at", "last_active_at", "expires_at", "is_current"}
    assert items[0]["created_at"] == began.isoformat()
    assert [item["is_current"] for item in await listed(first)] == [False, True]


async def test_sessions_of_others_are_not_in_it(agent: Agent) -> None:
    alice, _ = await agent.signed_in(), await agent.signed_in("bob")
    await begun(agent.parts.sessions, "https://issuer.example", "alice")

    assert len(await listed(alice)) == 1


async def test_sessions_that_have_ended_are_not_in_it(agent: Agent) -> None:
    idle, logged_out = await agent.signed_in(), await agent.signed_in()
    await logged_out.call("POST", "/logout")
    agent.clock.advance(minutes=50)
    browser = await agent.signed_in()
    agent.clock.advance(minutes=20)

    assert len(await listed(browser)) == 1
    assert not await is_signed_in(idle)


async def test_an_id_stays_and_is_another_for_each_session(agent: Agent) -> None:
    browsers = [await agent.signed_in() for _ in range(3)]
    before = {await current_id(browser) for browser in browsers}
    await browsers[0].call("POST", "/refresh")

    after = {item["id"] for item in await listed(browsers[0])}

    assert after == before
    assert len(after) == 3


async def test_an_id_opens_nothing_and_says_nothing_of_cookie_or_key(agent: Agent) -> None:
    browser = await agent.signed_in()
    cookie = browser.session_cookie or ""
    key = session_key(cookie)

    answer = await browser.call("GET", "/sessions")
    presented = [answer.json()["items"][0]["id"], key, public_id(key)]

    assert cookie not in answer.text
    assert not any(key[start : start + 16] in answer.text for start in range(len(key) - 15))
    for value in presented:
        thief = await agent.browser(**{SESSION_COOKIE: value})
        assert (await thief.call("GET", "/sessions")).status_code == 401


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_signed_out_there_is_nothing_to_see_or_end(agent: Agent, method: str) -> None:
    browser, stranger = await agent.signed_in(), await agent.browser()
    path = "/sessions" if method == "GET" else f"/sessions/{await current_id(browser)}"

    answer = await stranger.call(method, path)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert await is_signed_in(browser)


async def test_it_is_served_below_the_prefix_too() -> None:
    async with run_agent(PREFIX="/web") as agent:
        browser = await agent.signed_in()

        answer = await browser.call("DELETE", f"/web/sessions/{await current_id(browser)}")

        assert answer.status_code == 204


# Ending one


async def test_a_killed_session_is_out_at_once_and_what_it_held_open_is_closed(agent: Agent) -> None:
    here, there, third = [await agent.signed_in() for _ in range(3)]
    there_id = await current_id(there)

    async with there.client.stream("GET", "/api/stream", headers=SCRIPT) as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        async with asyncio.timeout(1):
            answer = await here.call("DELETE", f"/sessions/{there_id}")
            with pytest.raises(httpx.RemoteProtocolError):
                _ = [line async for line in lines]

    assert (answer.status_code, answer.content) == (204, b"")
    assert "Set-Cookie" not in answer.headers
    assert (await there.call("GET", "/api/v1/things")).status_code == 401
    assert await is_signed_in(here)
    assert await is_signed_in(third)
    assert killed(agent) == 1


async def test_my_own_session_ends_too_and_the_browser_forgets_its_cookie(agent: Agent) -> None:
    browser = await agent.signed_in()
    thief = await agent.browser(**{SESSION_COOKIE: browser.session_cookie or ""})

    answer = await browser.call("DELETE", f"/sessions/{await current_id(browser)}")

    assert answer.status_code == 204
    assert browser.session_cookie is None
    assert not await is_signed_in(thief)
    assert killed(agent) == 1


async def test_an_id_that_is_unknown_or_anothers_is_not_found_alike(agent: Agent) -> None:
    alice, bob = await agent.signed_in(), await agent.signed_in("bob")

    of_bob = await alice.call("DELETE", f"/sessions/{await current_id(bob)}")
    of_nobody = await alice.call("DELETE", f"/sessions/{'0' * 32}")

    assert (of_bob.status_code, of_bob.json()["code"]) == (404, "not_found")
    assert {**of_bob.json(), "request_id": ""} == {**of_nobody.json(), "request_id": ""}
    assert await is_signed_in(bob)


async def test_neither_key_nor_cookie_names_a_session(agent: Agent) -> None:
    browser = await agent.signed_in()
    cookie = browser.session_cookie or ""

    answers = [await browser.call("DELETE", f"/sessions/{name}") for name in (cookie, session_key(cookie))]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert await is_signed_in(browser)


class TwoAtOnce(MemorySessionStore):
    """Two who look sessions up both see them before either goes on."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._both = asyncio.Barrier(2)

    async def sessions_of(self, owner: SessionOwner) -> list[SessionRecord]:
        found = await super().sessions_of(owner)
        await self._both.wait()
        return found


async def test_of_two_kills_at_once_one_ends_it(agent: Agent) -> None:
    sessions = replace(agent.parts.sessions, store=TwoAtOnce(agent.clock))
    here, there = [await begun(sessions, agent.issuer.url, "alice") for _ in range(2)]
    values = {"OIDC_PROVIDER": agent.issuer.url, "OIDC_CLIENT_ID": "doorward", "BACKEND": agent.backend.url}
    settings, _ = read_settings(values, agent.parts.randomness)
    parts = agent.parts
    claims = AccessTokenClaims(settings, sessions, parts.refresher, parts.provider, agent.clock)
    listing = SessionListing(sessions, claims, settings.admin_scope, parts.events, agent.clock)

    @web.middleware
    async def signed_in_here(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CURRENT_SESSION] = here
        return await handler(request)

    app = web.Application(middlewares=[problem_middleware(), signed_in_here])
    app.router.add_delete("/sessions/{id}", listing.kill)
    async with TestClient(TestServer(app)) as client:
        path = f"/sessions/{public_id(there.key)}"
        answers = await asyncio.gather(client.delete(path), client.delete(path))

    assert sorted(answer.status for answer in answers) == [204, 404]
    assert killed(agent) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ],
    ids=["no proof", "cross-site", "same-site", "foreign origin"],
)
async def test_another_site_cannot_end_one(agent: Agent, headers: dict[str, str]) -> None:
    here, there = await agent.signed_in(), await agent.signed_in()

    answer = await here.client.delete(f"/sessions/{await current_id(there)}", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert await is_signed_in(there)


# Those of other users


async def signed_in_with(agent: Agent, sub: str, **access_token_claims: Any) -> Browser:
    agent.issuer.access_token_overrides = access_token_claims
    try:
        return await agent.signed_in(sub)
    finally:
        agent.issuer.access_token_overrides = {}


async def test_an_admin_sees_and_ends_sessions_of_any_user(agent: Agent) -> None:
    admin, bob = await signed_in_with(agent, "ada", **ADMIN), await agent.signed_in("bob")

    [item] = await listed(admin, "?sub=bob")
    answer = await admin.call("DELETE", f"/sessions/{item['id']}?sub=bob")

    assert item["is_current"] is False
    assert answer.status_code == 204
    assert not await is_signed_in(bob)
    assert await listed(admin, "?sub=nobody") == []
    assert len(await listed(admin)) == 1


async def test_an_admin_too_names_the_user_whose_session_it_is(agent: Agent) -> None:
    admin, bob = await signed_in_with(agent, "ada", **ADMIN), await agent.signed_in("bob")

    answer = await admin.call("DELETE", f"/sessions/{await current_id(bob)}?sub=carol")

    assert answer.status_code == 404
    assert await is_signed_in(bob)


NOT_ADMIN: Mapping[str, dict[str, Any]] = {
    "no scope of that name": {},
    "a longer name": {"scope": "sessions:administrator"},
    "a part of the name": {"scope": "sessions: admin"},
    "a number": {"scope": 1},
    "null": {"scope": None},
    "an object": {"scope": {"sessions:admin": True}},
    "another claim": {"roles": ["sessions:admin"]},
}


@pytest.mark.parametrize("claims", NOT_ADMIN.values(), ids=NOT_ADMIN.keys())
async def test_without_the_scope_others_are_out_of_reach(agent: Agent, claims: dict[str, Any]) -> None:
    alice, bob = await signed_in_with(agent, "alice", **claims), await agent.signed_in("bob")

    seeing = await alice.call("GET", "/sessions?sub=bob")
    ending = await alice.call("DELETE", f"/sessions/{await current_id(bob)}?sub=bob")

    for answer in (seeing, ending):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await is_signed_in(bob)
    assert len(await listed(alice, "?sub=alice")) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "openid sessions:admin"},
        {"scope": ["openid", "sessions:admin"]},
        {"scope": ABSENT, "scp": "openid sessions:admin"},
        {"scope": ABSENT, "scp": ["openid", "sessions:admin"]},
    ],
    ids=["scope: text", "scope: list", "scp: text", "scp: list"],
)
async def test_a_scope_is_read_as_providers_write_it(agent: Agent, claims: dict[str, Any]) -> None:
    admin = await signed_in_with(agent, "ada", **claims)

    assert await listed(admin, "?sub=bob") == []


async def test_the_scope_may_have_another_name() -> None:
    async with run_agent(ADMIN_SCOPE="support") as agent:
        admin = await signed_in_with(agent, "ada", scope="support")
        other = await signed_in_with(agent, "otto", **ADMIN)

        assert await listed(admin, "?sub=bob") == []
        assert (await other.call("GET", "/sessions?sub=bob")).status_code == 403


async def test_an_id_token_says_nothing_of_what_somebody_may_do(agent: Agent) -> None:
    agent.issuer.opaque_access_tokens = True
    agent.issuer.id_token_overrides = ADMIN
    browser = await agent.signed_in()

    claims = await browser.call("GET", "/claims")
    answer = await browser.call("GET", "/sessions?sub=bob")

    assert (claims.headers["X-Claims-Source"], claims.json()["scope"]) == ("id_token", ADMIN["scope"])
    assert answer.status_code == 403


@asynccontextmanager
async def introspected(answer: dict[str, Any], **settings: str) -> AsyncIterator[Browser]:
    """A user with an opaque access token, of which the provider says this."""
    async with FakeIssuer.start() as issuer:
        issuer.opaque_access_tokens = True
        issuer.introspection = answer
        async with run_agent(issuer, **settings) as agent:
            yield await agent.signed_in()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(ADMIN, 200, id="no audience"),
        pytest.param({**ADMIN, "aud": []}, 200, id="an empty list of audiences"),
        pytest.param({**ADMIN, "aud": "doorward-api"}, 200, id="our audience"),
        pytest.param({**ADMIN, "aud": ["account", "doorward"]}, 200, id="this client among others"),
        pytest.param({**ADMIN, "aud": "another-api"}, 403, id="another audience"),
        pytest.param({**ADMIN, "aud": ["doorward-api-2"]}, 403, id="ours as a part"),
        pytest.param({**ADMIN, "active": False}, 403, id="not active"),
        pytest.param({}, 403, id="no scope of that name"),
    ],
)
async def test_what_the_provider_says_of_an_opaque_token_counts(answer: dict[str, Any], status: int) -> None:
    async with introspected(answer) as browser:
        assert (await browser.call("GET", "/sessions?sub=bob")).status_code == status


@pytest.mark.parametrize(("audience", "status"), [("another-api", 403), ("doorward", 200)])
async def test_where_no_audience_is_configured_a_token_for_another_api_makes_no_admin(
    audience: str, status: int
) -> None:
    async with run_agent(OIDC_AUDIENCE="") as agent:
        browser = await signed_in_with(agent, "ada", aud=audience, **ADMIN)

        claims = await browser.call("GET", "/claims")
        answer = await browser.call("GET", "/sessions?sub=bob")

        assert claims.headers["X-Claims-Source"] == "access_token"
        assert answer.status_code == status
