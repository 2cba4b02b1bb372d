"""What the provider answers at its token and userinfo endpoints, sensible or not."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.bff.agent import SESSION_COOKIE, Agent, run_agent
from tests.bff.logins import FAILURE, Tokens, agent_with_shaped, agent_with_tokens, counted, set_cookies
from tests.fakes.issuer import ABSENT, FakeIssuer


@pytest.fixture
async def tokens() -> AsyncIterator[Tokens]:
    async with agent_with_tokens() as made:
        yield made


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param({"access_token": None}, "no_access_token", id="no access token"),
        pytest.param({"access_token": ""}, "no_access_token", id="empty access token"),
        pytest.param({"access_token": 7}, "no_access_token", id="access token is a number"),
        pytest.param({"access_token": "a b"}, "no_access_token", id="access token with a blank"),
        pytest.param({"access_token": "a\r\nX: y"}, "no_access_token", id="access token with a line break"),
        pytest.param({"access_token": "ü"}, "no_access_token", id="access token not ASCII"),
        pytest.param({"token_type": None}, "token_type", id="no type"),
        pytest.param({"token_type": "DPoP"}, "token_type", id="bound to a key that we do not hold"),
        pytest.param({"token_type": ["Bearer"]}, "token_type", id="type is a list"),
    ],
)
async def test_a_token_answer_that_cannot_be_used_signs_nobody_in(
    tokens: Tokens, change: dict[str, Any], cause: str
) -> None:
    answer = await tokens.log_in(**change)

    assert answer.headers["Location"] == "/failed?error=provider_unavailable"
    assert counted(tokens.agent, cause) == 1


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (200, b"<html>", "not_json"),
        (200, b"[]", "not_an_object"),
        (200, b'{"a": "' + b"x" * 600_000 + b'"}', "unusable_answer"),
        (302, b"", "status_302"),
        (400, b"<html>a proxy's page</html>", "status_400"),
        (400, b'{"error": ["invalid_grant"]}', "status_400"),
        (400, b'{"error": "temporarily_unavailable"}', "status_400"),
        (429, b"", "status_429"),
        (500, b'{"error": "invalid_grant"}', "status_500"),
        (503, b"", "status_503"),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else str(value),
)
async def test_what_is_no_oauth_error_is_a_provider_that_is_away(
    tokens: Tokens, status: int, body: bytes, cause: str
) -> None:
    tokens.shaped.answer_status, tokens.shaped.answer_body = status, body
    browser = await tokens.agent.browser()

    answer = await browser.log_in(query=FAILURE)

    assert answer.headers["Location"] == "/failed?error=provider_unavailable"
    assert counted(tokens.agent, cause) == 1


@pytest.mark.parametrize(
    ("expires_in", "refreshed_after_s"),
    [
        pytest.param(3600, 3600, id="an hour"),
        pytest.param("3600", 3600, id="as a text"),
        pytest.param(3600.9, 3600, id="with a fraction"),
        *(
            pytest.param(value, 300, id=f"{name}: taken as five minutes")
            for name, value in {
                "absent": None,
                "words": "soon",
                "boolean": True,
                "list": [3600],
                "negative": -1,
                "not a number": float("nan"),
                "infinite": float("inf"),
                "other digits": "٣",
            }.items()
        ),
        pytest.param(10**400, 366 * 24 * 3600, id="400 digits: at most a year"),
        pytest.param("9" * 5000, 366 * 24 * 3600, id="a text of 5000 digits: at most a year"),
    ],
)
async def test_the_lifetime_of_the_access_token_is_a_sane_number(
    tokens: Tokens, expires_in: Any, refreshed_after_s: int
) -> None:
    answer = await tokens.log_in(expires_in=expires_in)

    assert answer.headers["Location"] == "/devices"
    session = await tokens.agent.parts.sessions.find(set_cookies(answer)[SESSION_COOKIE].value)
    assert session is not None
    lifetime = session.record.tokens.bearer_expires_at - session.record.created_at
    assert lifetime.total_seconds() == refreshed_after_s


async def user_after_login(agent: Agent) -> dict[str, Any]:
    browser = await agent.signed_in()
    user: dict[str, Any] = (await browser.call("GET", "/userinfo")).json()
    return user


async def test_userinfo_is_asked_for_what_the_id_token_leaves_out(agent: Agent) -> None:
    agent.issuer.id_token_overrides = {"name": ABSENT, "email": ABSENT}

    user = await user_after_login(agent)

    assert (user["name"], user["email"]) == ("Alice", "alice@example.test")


@pytest.mark.parametrize("answer", ["array", "other_sub", "huge"])
async def test_a_login_works_without_a_userinfo_answer_that_cannot_be_used(agent: Agent, answer: Any) -> None:
    agent.issuer.id_token_overrides = {"name": ABSENT}
    agent.issuer.userinfo_answer = answer

    user = await user_after_login(agent)

    assert user["sub"] == "alice"
    assert "name" not in user


async def test_a_login_works_while_userinfo_is_away(agent: Agent) -> None:
    agent.issuer.id_token_overrides = {"name": ABSENT}
    agent.issuer.broken(userinfo=True)

    assert (await user_after_login(agent))["sub"] == "alice"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, {"name": "Mallory"}, id="of nobody"),
        pytest.param(200, {"sub": None, "name": "Mallory"}, id="sub is null"),
        pytest.param(200, {"sub": ["alice"], "name": "Mallory"}, id="sub is a list"),
        pytest.param(200, {"sub": "Alice", "name": "Mallory"}, id="sub in other letters"),
        pytest.param(200, {"sub": "alice", "name": "Mallory", "padding": "x" * 17_000}, id="large"),
        pytest.param(201, {"sub": "alice", "name": "Mallory"}, id="another status"),
        pytest.param(302, {"sub": "alice", "name": "Mallory"}, id="redirect"),
        pytest.param(401, {"sub": "alice", "name": "Mallory"}, id="refused"),
    ],
)
async def test_nothing_is_taken_from_a_userinfo_answer_that_is_not_plainly_about_the_same_person(
    status: int, body: dict[str, Any]
) -> None:
    async with agent_with_shaped("userinfo_endpoint") as (agent, shaped):
        agent.issuer.id_token_overrides = {"name": ABSENT}
        shaped.answer_status, shaped.answer_body = status, json.dumps(body).encode()

        user = await user_after_login(agent)

    assert user["sub"] == "alice"
    assert "name" not in user
    assert len(shaped.seen) == 1


async def test_userinfo_cannot_replace_what_the_id_token_said() -> None:
    async with agent_with_shaped("userinfo_endpoint") as (agent, shaped):
        agent.issuer.id_token_overrides = {"name": ABSENT, "roles": ["user"]}
        answer = {"sub": "alice", "name": "Alice L.", "roles": ["admin"], "iss": "https://evil.example"}
        shaped.answer_body = json.dumps(answer).encode()

        user = await user_after_login(agent)

    assert (user["name"], user["roles"], user["iss"]) == ("Alice L.", ["user"], agent.issuer.url)


async def test_ten_megabytes_of_compressed_zeros_are_not_inflated() -> None:
    async with agent_with_shaped("userinfo_endpoint") as (agent, shaped):
        agent.issuer.id_token_overrides = {"name": ABSENT}
        shaped.answer_headers.append(("Content-Encoding", "gzip"))
        shaped.answer_body = gzip.compress(b'{"sub": "alice", "name": "' + b"0" * 10_000_000 + b'"}')

        user = await user_after_login(agent)

    assert "name" not in user


async def test_userinfo_is_not_asked_for_what_was_not_wanted() -> None:
    async with agent_with_shaped("userinfo_endpoint", SCOPES="openid") as (agent, shaped):
        agent.issuer.id_token_overrides = {"name": ABSENT, "email": ABSENT}

        await user_after_login(agent)

    assert shaped.seen == []


async def test_userinfo_is_asked_with_the_access_token_and_without_the_clients_secret() -> None:
    async with agent_with_shaped("userinfo_endpoint") as (agent, shaped):
        agent.issuer.id_token_overrides = {"name": ABSENT}
        await user_after_login(agent)

    [asked] = shaped.seen
    [authorization] = asked.values("Authorization")
    assert authorization.startswith("Bearer ey")
    assert asked.values("Accept-Encoding") == ["identity"]


async def test_a_provider_without_userinfo_is_enough() -> None:
    async with FakeIssuer.start() as issuer:
        issuer.metadata_overrides = {"userinfo_endpoint": ABSENT}
        issuer.id_token_overrides = {"name": ABSENT}
        async with run_agent(issuer) as agent:
            assert (await user_after_login(agent))["sub"] == "alice"
