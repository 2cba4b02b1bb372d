"""What a login may do: read from the provider's answer, sealed beside the bearer, renewed by a refresh."""

import base64
import json
from typing import Any

import pytest

from bff.session.grants import GrantRules, Grants
from bff.session.sessions import HotPart
from tests.bff.agent import SESSION_COOKIE, Agent, Browser, run_agent
from tests.bff.logins import agent_with_tokens, set_cookies

ASKED = ("openid", "api")


def jwt_of(**claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'ES256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


def grants(
    *,
    scope: str | None = "",
    access: dict[str, Any] | str = "opaque",
    claims: dict[str, Any] | None = None,
    before: Grants | None = None,
    roles_claim: str = "roles",
) -> Grants:
    return GrantRules(ASKED, roles_claim).grants_of(
        scope=scope,
        access_token=access if isinstance(access, str) else jwt_of(**access),
        id_token=jwt_of(**(claims or {})),
        before=before,
    )


FORMER = Grants(frozenset({"former"}), frozenset({"r"}), "gold")

SCOPES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "the answer": ({"scope": "a  b"}, {"a", "b"}),
    "the answer before the token": ({"scope": "a", "access": {"scope": "b"}}, {"a"}),
    "an answer that gives none": ({"scope": "", "access": {"scope": "b"}}, set()),
    "an answer too large to keep": ({"scope": "admin-" + "x" * 9000}, set()),
    "scope of the token": ({"scope": None, "access": {"scope": "a b"}}, {"a", "b"}),
    "scope as a list": ({"scope": None, "access": {"scope": ["a", "b c", 1]}}, {"a", "b c"}),
    "scp (Entra)": ({"scope": None, "access": {"scp": "a b"}}, {"a", "b"}),
    "scp (Okta)": ({"scope": None, "access": {"scp": ["a", "b"]}}, {"a", "b"}),
    "scope of an odd type": ({"scope": None, "access": {"scope": {"a": 1}}}, set()),
    "neither, at the login: what was asked": ({"scope": None}, {"openid", "api"}),
    "neither, at a refresh: what it was": ({"scope": None, "before": FORMER}, {"former"}),
    "less, at a refresh": ({"scope": "a", "before": FORMER}, {"a"}),
    "half a character": ({"scope": "a \ud800"}, {"a"}),
    "never the ID token": ({"scope": None, "claims": {"scope": "admin"}}, {"openid", "api"}),
}


@pytest.mark.parametrize(("given", "scopes"), SCOPES.values(), ids=SCOPES.keys())
def test_scopes(given: dict[str, Any], scopes: set[str]) -> None:
    assert grants(**given).scopes == scopes


ROLES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "the access token": ({"access": {"roles": ["a", "b c"]}}, {"a", "b c"}),
    "one role": ({"access": {"roles": "b c"}}, {"b c"}),
    "the access token before the ID token": ({"access": {"roles": []}, "claims": {"roles": ["a"]}}, set()),
    "the ID token": ({"access": {"sub": "x"}, "claims": {"roles": ["a"]}}, {"a"}),
    "the ID token beside an opaque token": ({"claims": {"roles": ["a"]}}, {"a"}),
    "none": ({"access": {"sub": "x"}}, set()),
    "not those of before": ({"access": {"sub": "x"}, "before": FORMER}, set()),
    "odd types": ({"access": {"roles": [1, None, ["a"], {"b": 1}, "c"]}}, {"c"}),
    "a number": ({"access": {"roles": 1}}, set()),
    "half a character": ({"access": {"roles": ["\ud800", "a"]}}, {"a"}),
    "a path": (
        {"roles_claim": "realm_access.roles", "access": {"realm_access": {"roles": ["a"]}}},
        {"a"},
    ),
    "a path that ends": ({"roles_claim": "a.b.c", "access": {"a": {"b": "c"}}}, set()),
    "a path into a list": ({"roles_claim": "a.0", "access": {"a": ["x"]}}, set()),
    "a name with dots": (
        {"roles_claim": "https://e.com/roles", "access": {"https://e.com/roles": ["a"]}},
        {"a"},
    ),
    "a token that is larger than we read": ({"access": {"roles": ["a"], "x": "x" * 9000}}, set()),
    "a token that is no JWT": ({"access": "a.b.c"}, set()),
    "a token of bare numbers": ({"access": f"{'e30'}.{'MQ'}.x"}, set()),
}


@pytest.mark.parametrize(("given", "roles"), ROLES.values(), ids=ROLES.keys())
def test_roles(given: dict[str, Any], roles: set[str]) -> None:
    assert grants(**given).roles == roles


@pytest.mark.parametrize(
    ("claim", "before", "acr"),
    [
        pytest.param({"acr": "gold"}, None, "gold", id="the ID token"),
        pytest.param({"acr": "silver"}, FORMER, "silver", id="a new ID token"),
        pytest.param({}, FORMER, "gold", id="a new ID token that does not say"),
        pytest.param({}, None, None, id="unknown"),
        pytest.param({"acr": 1}, None, None, id="a number"),
        pytest.param({"acr": "\ud800"}, None, None, id="half a character"),
    ],
)
def test_acr(claim: dict[str, Any], before: Grants | None, acr: str | None) -> None:
    assert grants(claims=claim, before=before).acr == acr
    assert grants(access={"acr": "platinum"}, claims=claim, before=before).acr == acr


# Through a real login


async def hot_part(agent: Agent, browser: Browser) -> HotPart:
    sessions, cookie = agent.parts.sessions, browser.client.cookies[SESSION_COOKIE]
    found = await sessions.find(cookie)
    assert found is not None
    (hot,) = (await sessions.store.load_hot([found.key])).values()
    opened = sessions.hot_part(cookie, hot)
    assert opened is not None
    assert opened.bearer == sessions.bearer(found)
    return opened


async def test_a_login_keeps_its_grants_beside_the_bearer(agent: Agent) -> None:
    agent.issuer.access_token_overrides = {"roles": ["admin"]}
    agent.issuer.id_token_overrides = {"acr": "gold"}
    browser = await agent.signed_in()

    found = await hot_part(agent, browser)
    assert found.grants.roles == {"admin"}
    assert found.grants.acr == "gold"
    assert "openid" in found.grants.scopes
    assert found.bearer.count(".") == 2


async def test_a_refresh_renews_them(agent: Agent) -> None:
    agent.issuer.access_token_overrides = {"roles": ["admin"]}
    agent.issuer.id_token_overrides = {"acr": "gold"}
    browser = await agent.signed_in()
    agent.issuer.access_token_overrides = {"roles": ["reader"]}
    agent.issuer.id_token_overrides = {}

    assert (await browser.call("POST", "/refresh")).status_code == 204

    found = await hot_part(agent, browser)
    assert found.grants.roles == {"reader"}
    assert found.grants.acr == "gold"


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        pytest.param("api b", {"api", "b"}, id="a text"),
        pytest.param(["api", 1, "b"], {"api", "b"}, id="a list"),
        pytest.param("", set(), id="an empty text"),
        pytest.param([], set(), id="an empty list"),
        pytest.param(7, set(), id="a number"),
        pytest.param(None, {"openid", "profile", "email", "offline_access"}, id="left out"),
    ],
)
async def test_scopes_are_granted_as_the_token_answer_says(scope: Any, scopes: set[str]) -> None:
    async with agent_with_tokens() as tokens:
        answer = await tokens.log_in(scope=scope)

        cookie = set_cookies(answer)[SESSION_COOKIE].value
        found = await tokens.agent.parts.sessions.find(cookie)
        assert found is not None
        part = tokens.agent.parts.sessions.hot_part(cookie, found.record.hot)
        assert part is not None
        assert part.grants.scopes == scopes


async def test_half_a_character_does_not_fail_a_login(agent: Agent) -> None:
    agent.issuer.access_token_overrides = {"roles": ["\ud800", "admin"]}
    browser = await agent.signed_in()

    assert (await hot_part(agent, browser)).grants.roles == {"admin"}


async def test_the_claim_of_the_roles_is_configured(tmp_path: Any) -> None:
    file = tmp_path / "routes.toml"
    file.write_text('roles_claim = "realm_access.roles"\n[[route]]\nprefix = "/api/"')
    async with run_agent(ROUTES=str(file)) as agent:
        agent.issuer.access_token_overrides = {"realm_access": {"roles": ["admin"]}, "roles": ["no"]}
        browser = await agent.signed_in()

        assert (await hot_part(agent, browser)).grants.roles == {"admin"}


async def test_no_store_sees_them_and_no_other_cookie_opens_them(agent: Agent) -> None:
    agent.issuer.access_token_overrides = {"roles": ["the-admin"]}
    browser = await agent.signed_in()
    sessions = agent.parts.sessions
    found = await sessions.find(browser.session_cookie)
    assert found is not None

    assert b"the-admin" not in found.record.tokens.bearer
    assert sessions.hot_part("another cookie", found.record.hot) is None
    shown = repr(sessions.hot_part(found.cookie, found.record.hot)) + repr(sessions.rest(found))
    assert "ey" not in shown
    assert "the-admin" not in shown


async def test_an_older_form_of_the_sealed_bearer_is_not_misread(agent: Agent) -> None:
    """An agent of before sealed the bearer alone, under another purpose."""
    sessions = agent.parts.sessions
    browser = await agent.signed_in()
    found = await sessions.find(browser.session_cookie)
    assert found is not None

    assert sessions.sealer.open("session-bearer", found.cookie, found.record.tokens.bearer) is None
