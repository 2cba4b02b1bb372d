"""What the door says to programs: which agent answers, which token is taken, what never comes out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import httpx
import pytest

from tests.e2e.marks import WITH_PRODUCT
from tests.e2e.secrets_seen import JWT
from tests.e2e.stack import OTHER_AUDIENCE, Product
from tests.fakes.issuer import FakeIssuer
from tests.fakes.oauth_client import OAuthClient, client_of, parameters_of
from tests.fakes.providers import ALICE, log_in

pytestmark = WITH_PRODUCT

ME = "/api/v1/users/me"
COMMAND_LINE = {"User-Agent": "doorward-cli/1.0"}
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
}
PRIVATE = ("/verify", "/verify/x", "/authz", "/authz/x", "/metrics", "/healthz", "/readyz")


async def test_a_command_line_is_told_where_to_log_in_and_a_browser_is_sent_there(
    product: Product, program: httpx.AsyncClient
) -> None:
    address = f"{product.url}/login/start"
    told = (await program.get(address, headers=COMMAND_LINE)).json()
    sent = await program.get(address, headers=BROWSER)
    script = await program.get(address, headers={**BROWSER, "Accept": "application/json"})

    assert told["client_id"] == product.provider.cli_client_id
    assert told["issuer"] == product.provider.issuer
    for endpoint in ("device_authorization_endpoint", "token_endpoint"):
        assert told[endpoint].startswith(f"{product.provider.issuer}/")
    assert {"scopes", "server_time"} <= told.keys()
    assert sent.status_code == 302
    assert parameters_of(sent.headers["Location"])["client_id"] == product.provider.web_client_id
    assert script.json()["authorization_request_url"].startswith(f"{product.provider.issuer}/")


@pytest.mark.parametrize("headers", [BROWSER, COMMAND_LINE, {"Authorization": "Bearer"}])
async def test_without_credentials_the_api_answers_401(
    headers: dict[str, str], product: Product, program: httpx.AsyncClient
) -> None:
    answer = await program.get(product.url + ME, headers={**headers, "Accept": "*/*"})

    _is_refusal(answer)


async def test_only_a_token_of_this_provider_for_this_api_is_taken(
    product: Product, program: httpx.AsyncClient
) -> None:
    async with (
        client_of(product.provider) as client,
        FakeIssuer.start(audience=product.provider.audience) as other,
    ):
        right = await _tokens(client, product)
        another_audience = await _tokens(client, product, resource=OTHER_AUDIENCE)
        foreign = {
            "another issuer": other.access_token(),
            "another issuer's key": other.access_token(iss=product.provider.issuer),
            "another audience": another_audience["access_token"],
            "an ID token": right["id_token"],
            "no token": "x" * 40,
        }
        taken = await program.get(product.url + ME, headers=_bearer(right["access_token"]))
        assert (taken.status_code, taken.json()["issuer"]) == (200, product.provider.issuer)
        for name, token in foreign.items():
            product.secrets.add(name, token)
            answer = await program.get(product.url + ME, headers=_bearer(token))
            _is_refusal(answer)
            assert answer.json()["code"] == "invalid_token", name


@pytest.mark.parametrize("headers", [BROWSER, COMMAND_LINE, {"Authorization": "Bearer some-token"}])
async def test_private_addresses_are_not_there(
    headers: dict[str, str], product: Product, program: httpx.AsyncClient
) -> None:
    for path in PRIVATE:
        assert (await program.get(product.url + path, headers=headers)).status_code == 404, path


async def test_no_answer_to_a_browser_holds_a_token(product: Product) -> None:
    async with _session(product) as browser:
        answers = [
            await browser.request(method, path, headers=headers)
            for method, path in (
                *(("GET", path) for path in ("/login/start", "/login/end?state=old&code=old", "/session")),
                *(("GET", path) for path in ("/userinfo", "/user_info", "/claims", ME, "/api/none", "/none")),
                *(("POST", path) for path in ("/refresh", "/userinfo", ME)),
                *(
                    ("GET", path)
                    for path in ("/openapi.json", "/.well-known/jwks.json", "/metrics", "/verify")
                ),
                ("POST", "/logout?redirect=//elsewhere.example"),
            )
            for headers in (BROWSER | {"X-CSRF": "1"}, {"Accept": "application/json", "X-CSRF": "1"})
        ]
        cookie = browser.cookies["doorward_session"]
        logout = await browser.post("/logout", headers={"Accept": "application/json", "X-CSRF": "1"})
        ticket = logout.json()["logout_url"]
        to_provider = [await browser.get(ticket) for _ in range(2)]

    assert {200, 204, 302, 400, 404} <= {answer.status_code for answer in answers}
    for answer in (*answers, logout, to_provider[1]):
        assert JWT.search(_everything_in(answer)) is None, answer.url
        assert cookie not in _everything_in(answer), answer.url
    # The one place where a token stands in an answer, and once.
    assert JWT.search(to_provider[0].headers["Location"]) is not None
    assert JWT.search(to_provider[0].text) is None


def _is_refusal(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 401


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _everything_in(answer: httpx.Response) -> str:
    return "\n".join([answer.text, *(f"{name}: {value}" for name, value in answer.headers.multi_items())])


async def _tokens(client: OAuthClient, product: Product, **wishes: str) -> dict[str, str]:
    """What the provider gives the web client itself for a login of alice."""
    callback = f"{product.url}/login/end"
    request = client.authorization_url(redirect_uri=callback, **wishes)
    redirect = await log_in(client.browser, request, ALICE, callback)
    code = parameters_of(redirect.headers["Location"])["code"]
    answer = await client.redeem(code, redirect_uri=callback, **wishes)
    tokens: dict[str, str] = answer.json()
    return tokens


@asynccontextmanager
async def _session(product: Product) -> AsyncIterator[httpx.AsyncClient]:
    """A browser reduced to its requests, logged in as alice."""
    start = f"{product.url}/login/start?{urlencode({'redirect': '/here'})}"
    async with httpx.AsyncClient(base_url=product.url, verify=False) as browser:
        callback = await log_in(browser, start, ALICE, f"{product.url}/login/end")
        into_the_app = await browser.get(callback.headers["Location"])
        assert into_the_app.headers["Location"] == "/here"
        yield browser
