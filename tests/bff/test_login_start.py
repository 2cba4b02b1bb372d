"""`/login/start`: what the browser carries to the provider, and what it cannot add to it."""

import base64
import hashlib
from typing import Any

import pytest
from yarl import URL

from tests.bff.agent import NAVIGATION, SCRIPT, Agent, run_agent
from tests.fakes.issuer import FakeIssuer


async def asked_of_provider(agent: Agent, query: str = "") -> dict[str, str]:
    """The parameters of the authorization request, none of them given twice."""
    browser = await agent.browser()
    parameters = URL(await browser.start_login(query)).query
    assert len(parameters) == len(set(parameters))
    return dict(parameters)


async def test_the_request_has_pkce_nonce_and_state_and_nothing_of_the_browser(agent: Agent) -> None:
    parameters = await asked_of_provider(agent)

    assert parameters.keys() == {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    assert parameters["response_type"] == "code"
    assert parameters["redirect_uri"] == f"{agent.url}/login/end"
    assert parameters["scope"] == "openid profile email offline_access"
    assert parameters["code_challenge_method"] == "S256"
    assert all(len(parameters[name]) == 43 for name in ("state", "nonce", "code_challenge"))


async def test_every_login_has_its_own_state_nonce_and_verifier(agent: Agent) -> None:
    requests = [await asked_of_provider(agent) for _ in range(3)]

    for name in ("state", "nonce", "code_challenge"):
        assert len({parameters[name] for parameters in requests}) == 3


async def test_the_verifier_that_redeems_the_code_fits_the_challenge(agent: Agent) -> None:
    browser = await agent.browser()
    location = await browser.start_login()
    await browser.come_back(agent.issuer.authorize(location))

    [redeemed] = agent.issuer.token_requests
    digest = hashlib.sha256(redeemed["code_verifier"].encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert challenge == URL(location).query["code_challenge"]
    assert redeemed["redirect_uri"] == f"{agent.url}/login/end"


FORGED = {
    "client_id": "evil",
    "redirect_uri": "https://evil.com/",
    "response_type": "token",
    "response_mode": "form_post",
    "scope": "openid admin",
    "state": "forged",
    "nonce": "forged",
    "code_challenge": "forged",
    "code_challenge_method": "plain",
    "resource": "https://evil.com",
    "audience": "evil",
    "request": "eyJhbGciOiJub25lIn0.e30.",
    "request_uri": "https://evil.com/request",
    "claims": '{"id_token":{}}',
    "display": "popup",
    "id_token_hint": "x",
    "dpop_jkt": "x",
}


async def test_other_parameters_of_the_browser_do_not_reach_the_provider(agent: Agent) -> None:
    usual = await asked_of_provider(agent)
    parameters = await asked_of_provider(agent, str(URL("").with_query(FORGED)))

    assert parameters.keys() == usual.keys()
    assert not set(FORGED.values()) & set(parameters.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", "login"),
        ("prompt", "login consent"),
        ("prompt", "none"),
        ("login_hint", "alice+test@example.com"),
        ("acr_values", "urn:mace:silver phr"),
        ("max_age", "0"),
        ("ui_locales", "de-AT en"),
    ],
)
async def test_what_a_login_page_may_be_told_is_passed_on(agent: Agent, name: str, value: str) -> None:
    parameters = await asked_of_provider(agent, str(URL("").with_query({name: value})))

    assert parameters[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("prompt", "create", id="prompt: another word"),
        pytest.param("prompt", "login  consent", id="prompt: two blanks"),
        pytest.param("prompt", "LOGIN", id="prompt: capitals"),
        pytest.param("prompt", "", id="prompt: empty"),
        pytest.param("login_hint", "x" * 257, id="login_hint: too long"),
        pytest.param("login_hint", "a\r\nb", id="login_hint: line break"),
        pytest.param("login_hint", "ü", id="login_hint: not ASCII"),
        pytest.param("login_hint", "", id="login_hint: empty"),
        pytest.param("acr_values", "a  b", id="acr_values: two blanks"),
        pytest.param("acr_values", "a\tb", id="acr_values: tab"),
        pytest.param("acr_values", "x" * 257, id="acr_values: too long"),
        pytest.param("acr_values", "gold\n", id="acr_values: line break"),
        pytest.param("max_age", "-1", id="max_age: negative"),
        pytest.param("max_age", "1e3", id="max_age: exponent"),
        pytest.param("max_age", "٣", id="max_age: other digits"),
        pytest.param("max_age", "9" * 10, id="max_age: too large"),
        pytest.param("ui_locales", "de_DE;x", id="ui_locales: odd characters"),
        pytest.param("ui_locales", "../../etc", id="ui_locales: a path"),
    ],
)
async def test_a_value_that_the_page_may_not_be_told_is_refused(agent: Agent, name: str, value: str) -> None:
    browser = await agent.browser()

    answer = await browser.call("GET", str(URL("/login/start").with_query({name: value})))

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert name in answer.json()["detail"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", ["prompt", "login_hint", "acr_values", "max_age", "ui_locales"])
async def test_a_value_that_is_given_twice_is_refused(agent: Agent, name: str) -> None:
    browser = await agent.browser()

    answer = await browser.call("GET", f"/login/start?{name}=1&{name}=1")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(NAVIGATION, 302, id="a page load"),
        pytest.param({"Accept": "*/*"}, 302, id="curl"),
        pytest.param(SCRIPT, 200, id="fetch that wants JSON"),
        pytest.param({"Accept": "application/json"}, 200, id="script without fetch metadata"),
        pytest.param({"Accept": "*/*", "Sec-Fetch-Mode": "cors"}, 200, id="fetch that takes anything"),
        pytest.param({"Accept": "text/html", "Sec-Fetch-Mode": "no-cors"}, 200, id="image or frame"),
    ],
)
async def test_a_navigation_is_redirected_and_a_script_gets_the_address(
    agent: Agent, headers: dict[str, str], status: int
) -> None:
    browser = await agent.browser()

    answer = await browser.client.get("/login/start", headers=headers)

    assert answer.status_code == status
    location = answer.headers["Location"] if status == 302 else answer.json()["authorization_request_url"]
    assert URL(location).path == "/authorize"
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(browser.login_cookies()) == 1


@pytest.mark.parametrize("parameter", ["resource", "audience"])
async def test_the_audience_is_asked_for_in_the_way_that_is_configured(parameter: str) -> None:
    async with run_agent(OIDC_AUDIENCE_PARAM=parameter) as agent:
        parameters = await asked_of_provider(agent)
        await agent.signed_in()

    assert parameters[parameter] == agent.issuer.audience
    assert agent.issuer.token_requests[-1][parameter] == agent.issuer.audience


async def test_a_query_of_the_authorization_endpoint_stays() -> None:
    async with FakeIssuer.start() as issuer:
        issuer.metadata_overrides = {"authorization_endpoint": f"{issuer.url}/authorize?policy=one"}
        async with run_agent(issuer) as agent:
            parameters = await asked_of_provider(agent)

    assert parameters["policy"] == "one"
    assert parameters["response_type"] == "code"


async def test_below_a_prefix_the_login_works_too() -> None:
    async with run_agent(PREFIX="/web") as agent:
        browser = await agent.browser()
        started = await browser.navigate("/web/login/start?redirect=/devices")
        callback: dict[str, Any] = agent.issuer.authorize(started.headers["Location"])
        answer = await browser.navigate(str(URL("/web/login/end").with_query(callback)))

        assert (answer.status_code, answer.headers["Location"]) == (302, "/devices")
        assert (await browser.call("GET", "/web/userinfo")).json()["sub"] == "alice"
