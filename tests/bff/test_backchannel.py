"""Back-channel logout: which logout tokens are believed, whose sessions they end, and how often."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.bff.agent import SCRIPT, Agent, Browser, run_agent
from tests.bff.backchannel import REFUSAL, begun, counted, refused, send, signed_in
from tests.bff.logins import is_signed_in
from tests.fakes.issuer import ABSENT, LOGOUT_EVENT, LOGOUT_TOKEN_LIFETIME_S, FakeIssuer
from tests.fakes.tokens import SigningKey, compact

LEEWAY_S = 30

# Each test signs in users of its own, so one agent serves all of this file.
pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeToken = Callable[[FakeIssuer, str], str]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="agent")
async def agent_of_this_file() -> AsyncIterator[Agent]:
    async with run_agent() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(agent: Agent) -> Browser:
    """What the provider sends with: no cookie, no fetch metadata."""
    return await agent.browser()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def victim(agent: Agent) -> Browser:
    """A session that no refused token ends."""
    return await agent.signed_in("victim")


# Refused tokens


def resigned(token: str, alg: str, sign: Callable[[bytes], bytes]) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return compact({**jwt.get_unverified_header(token), "alg": alg}, claims, sign)


def signed_with_the_public_key(issuer: FakeIssuer, sub: str) -> str:
    pem = issuer.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = issuer.logout_token(sub)
    return resigned(token, "HS256", lambda message: hmac.digest(pem, message, hashlib.sha256))


def signed_with_another_key(issuer: FakeIssuer, sub: str) -> str:
    return resigned(issuer.logout_token(sub), "ES256", SigningKey(issuer.key.kid).sign)


def unsigned(issuer: FakeIssuer, sub: str) -> str:
    return resigned(issuer.logout_token(sub), "none", lambda _: b"")


def claiming(**claims: Any) -> MakeToken:
    return lambda issuer, sub: issuer.logout_token(sub, **claims)


def naming(sub: Any, **claims: Any) -> MakeToken:
    return lambda issuer, _: issuer.logout_token(sub, **claims)


def heading(**headers: Any) -> MakeToken:
    return lambda issuer, sub: issuer.logout_token(sub, headers=headers)


def timed(**offsets_s: int) -> MakeToken:
    """Times as seconds from now."""
    return lambda issuer, sub: issuer.logout_token(
        sub, headers=None, **{name: issuer.now() + offset for name, offset in offsets_s.items()}
    )


REFUSED: Mapping[str, tuple[MakeToken, str]] = {
    **{
        f"{name}: missing": (claiming(**{name: ABSENT}), "claims")
        for name in ("iss", "aud", "iat", "exp", "jti", "events")
    },
    "jti: empty": (claiming(jti=""), "jti"),
    "jti: number": (claiming(jti=7), "claims"),
    "nonce: present": (claiming(nonce="n"), "nonce"),
    "nonce: null": (claiming(nonce=None), "nonce"),
    "aud: another client": (claiming(aud="another-client"), "audience"),
    "aud: the API": (claiming(aud="doorward-api"), "audience"),
    "iss: another": (claiming(iss="https://issuer.example"), "issuer"),
    "iss: ours as a part": (
        lambda issuer, sub: issuer.logout_token(sub, iss=f"{issuer.url}.evil.example"),
        "issuer",
    ),
    "events: none": (claiming(events={}), "events"),
    "events: of another kind": (claiming(events={"https://schemas.example/event/login": {}}), "events"),
    "events: a text": (claiming(events=LOGOUT_EVENT), "events"),
    "events: a list": (claiming(events=[LOGOUT_EVENT]), "events"),
    "events: its value a text": (claiming(events={LOGOUT_EVENT: "yes"}), "events"),
    "nobody named": (naming(ABSENT), "nobody_named"),
    "sub: empty": (naming(""), "claims"),
    "sub: null": (naming(None), "claims"),
    "sid: empty, no sub": (naming(ABSENT, sid=""), "nobody_named"),
    "sid: number, no sub": (naming(ABSENT, sid=7), "nobody_named"),
    "exp: past": (timed(exp=-LEEWAY_S), "expired"),
    "exp: text": (claiming(exp="soon"), "claims"),
    "exp: too far away": (timed(exp=3601), "lifetime"),
    "exp: the end of days": (claiming(exp=253_402_300_799), "lifetime"),
    "iat: in the future": (timed(iat=LEEWAY_S + 1), "issued_in_the_future"),
    "iat: null": (claiming(iat=None), "claims"),
    "alg: none": (unsigned, "algorithm"),
    "alg: HS256 with the public key": (signed_with_the_public_key, "algorithm"),
    "signature: of another key": (signed_with_another_key, "signature"),
    "kid: unknown": (heading(kid="nobody"), "unknown_key"),
    "typ: access token": (heading(typ="at+jwt"), "type"),
    "typ: another kind of event": (heading(typ="secevent+jwt"), "type"),
    "header: jwk": (heading(jwk={}), "header"),
    "an ID token": (lambda issuer, sub: issuer.id_token(sub, jti="j"), "claims"),
    "an ID token with events": (
        lambda issuer, sub: issuer.id_token(sub, jti="j", nonce="n", events={LOGOUT_EVENT: {}}),
        "nonce",
    ),
    "an access token": (lambda issuer, sub: issuer.access_token(sub, aud=issuer.client_id), "type"),
    "not a token": (lambda _issuer, _sub: "token", "malformed"),
    "not ASCII": (lambda _issuer, _sub: "tökén.ä.ö", "malformed"),
    "larger than tokens are": (claiming(padding="x" * 8192), "too_large"),
}


@pytest.mark.parametrize(("make_token", "cause"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_wrong_token_is_refused_and_nobody_is_logged_out(
    agent: Agent, provider: Browser, victim: Browser, make_token: MakeToken, cause: str
) -> None:
    token, before = make_token(agent.issuer, "victim"), refused(agent, cause)

    answer = await send(provider, token)

    assert (answer.status_code, answer.json()) == (400, REFUSAL)
    assert answer.headers["Cache-Control"] == "no-store"
    assert refused(agent, cause) == before + 1
    assert await is_signed_in(victim)


# Accepted tokens

ACCEPTED: Mapping[str, MakeToken] = {
    "as issued": claiming(),
    "of a provider without a type of its own": heading(typ="JWT"),
    "without a type": heading(typ=ABSENT),
    "with the type written out": heading(typ="application/logout+jwt"),
    "for one audience of several": lambda issuer, sub: issuer.logout_token(
        sub, aud=[issuer.client_id, "another"]
    ),
    "with another event beside it": claiming(events={LOGOUT_EVENT: {}, "https://schemas.example/event": {}}),
    "with something in the event": claiming(events={LOGOUT_EVENT: {"reason": "timeout"}}),
    "with claims that we do not know": claiming(trace_id="t", acr=["x"]),
    "expired within the leeway": timed(exp=1 - LEEWAY_S),
    "of a clock that is fast": timed(iat=LEEWAY_S),
    "living for an hour": timed(exp=3600),
    "with half a character as jti": claiming(jti="\ud800"),
}


@pytest.mark.parametrize("make_token", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_a_good_token_ends_the_session(agent: Agent, provider: Browser, make_token: MakeToken) -> None:
    browser = await signed_in(agent, "erin")
    ended = counted(agent, "bff_sessions_ended_total", cause="backchannel_logout")

    answer = await send(provider, make_token(agent.issuer, "erin"))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await browser.call("GET", "/userinfo")).status_code == 401
    assert counted(agent, "bff_sessions_ended_total", cause="backchannel_logout") == ended + 1


@pytest.mark.parametrize("claims", [{}, {"sid": "unknown"}], ids=["sub", "sub and sid"])
async def test_a_user_without_a_session_is_no_error(
    agent: Agent, provider: Browser, claims: dict[str, str]
) -> None:
    answer = await send(provider, agent.issuer.logout_token("nobody", headers=None, **claims))

    assert answer.status_code == 200


async def test_an_unknown_login_is_no_error(agent: Agent, provider: Browser) -> None:
    assert (await send(provider, agent.issuer.logout_token(ABSENT, sid="unknown"))).status_code == 200


# Whose sessions end


async def test_sub_alone_ends_all_sessions_of_that_user_and_nobody_elses(
    agent: Agent, provider: Browser
) -> None:
    hers = [await signed_in(agent, "alice", sid=sid) for sid in ("alice-1", "alice-2", "alice-2", ABSENT)]
    his = await signed_in(agent, "bob")

    await send(provider, agent.issuer.logout_token("alice"))

    assert [await is_signed_in(browser) for browser in hers] == [False] * 4
    assert await is_signed_in(his)


async def test_sid_alone_ends_that_login_only(agent: Agent, provider: Browser) -> None:
    ended = [await signed_in(agent, "carol", sid="carol-1") for _ in range(2)]
    other_login = await signed_in(agent, "carol", sid="carol-2")
    without_sid = await signed_in(agent, "carol", sid=ABSENT)

    await send(provider, agent.issuer.logout_token(ABSENT, sid="carol-1"))

    assert [await is_signed_in(browser) for browser in ended] == [False, False]
    assert await is_signed_in(other_login)
    assert await is_signed_in(without_sid)


async def test_sub_and_sid_end_that_login_of_that_user(agent: Agent, provider: Browser) -> None:
    ended = await signed_in(agent, "dave", sid="dave-1")
    other_login = await signed_in(agent, "dave", sid="dave-2")
    somebody_else = await signed_in(agent, "dora", sid="dora-1")

    await send(provider, agent.issuer.logout_token("dave", sid="dave-1"))
    await send(provider, agent.issuer.logout_token("dave", sid="dora-1"))

    assert not await is_signed_in(ended)
    assert await is_signed_in(other_login)
    assert await is_signed_in(somebody_else)


async def test_a_session_whose_login_had_no_sid_could_be_meant_and_ends(
    agent: Agent, provider: Browser
) -> None:
    browser = await signed_in(agent, "faye", sid=ABSENT)

    await send(provider, agent.issuer.logout_token("faye", sid="faye-1"))

    assert not await is_signed_in(browser)


async def test_the_same_name_at_another_issuer_is_another_user(agent: Agent, provider: Browser) -> None:
    session = await begun(agent.parts.sessions, "https://issuer.example", "gina", "gina-1")

    await send(provider, agent.issuer.logout_token("gina"))
    await send(provider, agent.issuer.logout_token(ABSENT, sid="gina-1"))

    assert await agent.parts.sessions.find(session.cookie) is not None


async def test_what_the_session_holds_open_is_closed_at_once(agent: Agent, provider: Browser) -> None:
    browser, other = await signed_in(agent, "henry"), await signed_in(agent, "hanna")

    async with (
        browser.client.stream("GET", "/api/stream", headers=SCRIPT) as ended,
        other.client.stream("GET", "/api/stream", headers=SCRIPT) as kept,
    ):
        lines, kept_lines = ended.aiter_lines(), kept.aiter_lines()
        first = [await anext(lines), await anext(kept_lines)]
        async with asyncio.timeout(1):
            await send(provider, agent.issuer.logout_token("henry"))
            with pytest.raises(httpx.RemoteProtocolError):
                _ = [line async for line in lines]
        still_open = agent.backend.open_streams

    assert first == ['data: {"first": true}'] * 2
    assert still_open == 1


# Once


async def test_a_token_counts_once(agent: Agent, provider: Browser) -> None:
    token = agent.issuer.logout_token("ivan")
    first = await send(provider, token)
    browser = await signed_in(agent, "ivan")

    second = await send(provider, token)

    assert (first.status_code, second.status_code) == (200, 400)
    assert await is_signed_in(browser)


async def test_of_two_at_once_one_counts(agent: Agent, provider: Browser) -> None:
    token = agent.issuer.logout_token("judy")

    answers = await asyncio.gather(*(send(provider, token) for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_a_token_is_remembered_for_as_long_as_it_would_be_believed(
    agent: Agent, provider: Browser
) -> None:
    token, replays = agent.issuer.logout_token("kim"), refused(agent, "replayed")
    await send(provider, token)

    agent.clock.advance(seconds=LOGOUT_TOKEN_LIFETIME_S + LEEWAY_S - 1)
    await agent.parts.sessions.remove_ended()
    await send(provider, token)
    agent.clock.advance(seconds=1)
    expired = refused(agent, "expired")
    await send(provider, token)

    assert refused(agent, "replayed") == replays + 1
    assert refused(agent, "expired") == expired + 1


async def test_the_same_jti_in_another_token_is_a_replay(agent: Agent, provider: Browser) -> None:
    await send(provider, agent.issuer.logout_token("lara", jti="once"))

    answer = await send(provider, agent.issuer.logout_token("luis", jti="once"))

    assert answer.status_code == 400
