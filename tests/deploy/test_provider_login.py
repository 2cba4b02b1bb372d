"""The development provider's authorization endpoint and login page."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.oauth_client import REDIRECT_URI, OAuthClient, client_of, parameters_of
from tests.fakes.providers import ALICE, BOB, development_provider, submit


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[OAuthClient]:
    async with development_provider([REDIRECT_URI], clock=clock) as provider, client_of(provider) as client:
        yield client


def assert_refused_by_redirect(response: httpx.Response, error: str) -> None:
    assert response.status_code == 303
    assert response.headers["Location"].startswith(f"{REDIRECT_URI}?")
    answer = parameters_of(response.headers["Location"])
    assert (answer["error"], answer["state"]) == (error, "state-1")
    assert "code" not in answer


def assert_refused_by_page(response: httpx.Response) -> None:
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert response.headers["Content-Type"].startswith("text/html")


async def test_a_login_comes_back_with_code_state_and_issuer(client: OAuthClient) -> None:
    answer = await client.log_in()

    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == "state-1"
    assert answer["iss"] == client.provider.issuer


async def test_the_second_login_in_a_browser_needs_no_password(client: OAuthClient) -> None:
    await client.log_in()

    response = await client.authorize()

    assert response.status_code == 303
    assert "code" in parameters_of(response.headers["Location"])


async def test_errors_that_go_back_to_the_client_carry_the_issuer(client: OAuthClient) -> None:
    response = await client.authorize(prompt="none")

    assert parameters_of(response.headers["Location"])["iss"] == client.provider.issuer


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param(
            {"code_challenge": None, "code_challenge_method": None}, "invalid_request", id="no PKCE"
        ),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain PKCE"),
        pytest.param({"code_challenge_method": None}, "invalid_request", id="PKCE method left out"),
        pytest.param({"code_challenge": "short"}, "invalid_request", id="malformed challenge"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param({"response_type": None}, "unsupported_response_type", id="no response type"),
        pytest.param({"response_type": 'c"\\de'}, "unsupported_response_type", id="odd response type"),
        pytest.param({"response_mode": "fragment"}, "invalid_request", id="response mode"),
        pytest.param({"request": "eyJ"}, "request_not_supported", id="request object"),
        pytest.param({"request_uri": "urn:x"}, "request_uri_not_supported", id="request object by reference"),
        pytest.param({"prompt": "none"}, "login_required", id="silent without a session"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="none beside another prompt"),
        pytest.param({"prompt": "dance"}, "invalid_request", id="unknown prompt"),
        pytest.param({"max_age": "-1"}, "invalid_request", id="negative max_age"),
        pytest.param({"max_age": "9" * 5000}, "invalid_request", id="huge max_age"),
        pytest.param({"resource": "https://elsewhere.example"}, "invalid_target", id="unlisted resource"),
    ],
)
async def test_a_faulty_request_of_a_known_client_goes_back_to_it(
    client: OAuthClient, changes: dict[str, str | None], error: str
) -> None:
    assert_refused_by_redirect(await client.authorize(**changes), error)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"redirect_uri": None}, id="missing"),
        pytest.param({"redirect_uri": "https://evil.example/"}, id="foreign"),
        pytest.param({"redirect_uri": f"{REDIRECT_URI}/"}, id="one slash more"),
        pytest.param({"redirect_uri": f"{REDIRECT_URI}?x=1"}, id="a query more"),
        pytest.param({"redirect_uri": REDIRECT_URI.replace(":9/", ":90/")}, id="another port"),
        pytest.param({"redirect_uri": f'{REDIRECT_URI}"\\'}, id="odd characters"),
        pytest.param({"client_id": "nobody"}, id="unknown client"),
        pytest.param({"client_id": None}, id="no client"),
        pytest.param({"client_id": "doorward-cli"}, id="a client without redirects"),
    ],
)
async def test_nobody_is_redirected_to_where_the_client_is_not(
    client: OAuthClient, changes: dict[str, str | None]
) -> None:
    await client.log_in()

    assert_refused_by_page(await client.authorize(**changes))


@pytest.mark.parametrize("name", ["state", "redirect_uri", "code_challenge", "nonce", "scope"])
async def test_a_repeated_parameter_is_refused(client: OAuthClient, name: str) -> None:
    assert_refused_by_page(await client.browser.get(f"{client.authorization_url()}&{name}=again"))


async def test_a_wrong_password_shows_the_page_again_and_no_session(client: OAuthClient) -> None:
    page = await submit(client.browser, await client.authorize(), username="alice", password="wrong")

    assert page.status_code == 401
    assert "The user name or the password is wrong." in page.text
    assert_refused_by_redirect(await client.authorize(prompt="none"), "login_required")


async def test_an_unknown_user_sees_the_same_as_a_wrong_password(client: OAuthClient) -> None:
    known = await submit(client.browser, await client.authorize(), username="alice", password="wrong")
    unknown = await submit(client.browser, await client.authorize(), username="mallory", password="wrong")

    assert unknown.status_code == known.status_code
    assert unknown.text.replace("mallory", "alice") == known.text


async def test_after_five_wrong_passwords_the_right_one_has_to_wait(
    client: OAuthClient, clock: FakeClock
) -> None:
    page = await client.authorize()
    for _ in range(5):
        await submit(client.browser, page, username="alice", password="wrong")

    blocked = await submit(client.browser, page, username="alice", password=ALICE.password)
    clock.advance(seconds=61)
    allowed = await submit(client.browser, page, username="alice", password=ALICE.password)

    assert blocked.status_code == 429
    assert allowed.status_code == 303


async def test_cancel_tells_the_client_that_access_was_denied(client: OAuthClient) -> None:
    response = await submit(client.browser, await client.authorize(), decision="cancel")

    assert_refused_by_redirect(response, "access_denied")


async def test_prompt_login_asks_again_and_renews_auth_time_and_cookie(
    client: OAuthClient, clock: FakeClock
) -> None:
    first = await client.verified((await client.tokens())["id_token"], "doorward-web")
    cookies = dict(client.browser.cookies)
    clock.advance(seconds=30)

    page = await client.authorize(prompt="login")
    second = await client.verified((await client.tokens(prompt="login"))["id_token"], "doorward-web")

    assert page.status_code == 200
    assert second["auth_time"] == int(str(first["auth_time"])) + 30
    assert second["sid"] == first["sid"]
    assert dict(client.browser.cookies) != cookies


@pytest.mark.parametrize(("max_age", "status"), [("3600", 303), ("20", 200), ("0", 200)])
async def test_max_age_asks_for_the_password_when_the_login_is_older(
    client: OAuthClient, clock: FakeClock, max_age: str, status: int
) -> None:
    await client.log_in()
    clock.advance(seconds=20)

    assert (await client.authorize(max_age=max_age)).status_code == status


async def test_the_session_at_the_provider_ends_with_its_lifetime(
    client: OAuthClient, clock: FakeClock
) -> None:
    await client.log_in()
    clock.advance(hours=9)

    assert_refused_by_redirect(await client.authorize(prompt="none"), "login_required")


async def test_another_user_in_the_same_browser_gets_a_session_of_their_own(client: OAuthClient) -> None:
    alice = await client.verified((await client.tokens(ALICE))["id_token"], "doorward-web")
    bob = await client.verified((await client.tokens(BOB, prompt="login"))["id_token"], "doorward-web")

    assert bob["preferred_username"] == "bob"
    assert bob["sid"] != alice["sid"]
    assert bob["sub"] != alice["sub"]


async def test_login_hint_fills_in_the_user_name_and_is_escaped(client: OAuthClient) -> None:
    page = await client.authorize(login_hint='"><script>alert(1)</script>')

    assert "<script" not in page.text
    assert 'value="&quot;&gt;&lt;script&gt;' in page.text


async def test_an_authorization_request_by_post_is_continued_by_get(client: OAuthClient) -> None:
    await client.log_in()
    parameters = parameters_of(client.authorization_url())

    response = await client.browser.post(client.metadata["authorization_endpoint"], data=parameters)
    continued = await client.browser.get(f"{client.provider.issuer}{response.headers['Location']}")

    assert response.status_code == 303
    assert "code" in parameters_of(continued.headers["Location"])


async def test_the_login_form_is_refused_without_its_cookie(client: OAuthClient) -> None:
    page = await client.authorize()
    client.browser.cookies.clear()

    response = await submit(client.browser, page, username="alice", password=ALICE.password)

    assert response.status_code == 403


async def test_the_login_form_is_refused_from_another_origin(client: OAuthClient) -> None:
    page = await client.authorize()
    client.browser.headers["Origin"] = "http://127.0.0.1:9"

    response = await submit(client.browser, page, username="alice", password=ALICE.password)

    assert response.status_code == 403


@pytest.mark.parametrize("next_step", ["", "https://evil.example/", "//evil.example/device", "/end-session"])
async def test_the_login_form_leads_nowhere_but_to_a_login(client: OAuthClient, next_step: str) -> None:
    fields = {"username": "alice", "password": ALICE.password, "next": next_step}
    response = await submit(client.browser, await client.authorize(), **fields)

    assert_refused_by_page(response)


async def test_a_redirect_uri_changed_in_the_login_form_is_refused(client: OAuthClient) -> None:
    page = await client.authorize()
    forged = client.authorization_url(redirect_uri="https://evil.example/")
    next_step = forged.removeprefix(client.provider.issuer)

    fields = {"username": "alice", "password": ALICE.password, "next": next_step}
    assert_refused_by_page(await submit(client.browser, page, **fields))


async def test_cookies_are_for_http_only_and_lax(client: OAuthClient) -> None:
    page = await client.authorize()
    response = await submit(client.browser, page, username="alice", password=ALICE.password)

    for cookie in page.headers.get_list("Set-Cookie") + response.headers.get_list("Set-Cookie"):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie


async def test_pages_forbid_scripts_frames_and_outside_resources(client: OAuthClient) -> None:
    page = await client.authorize()

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
    assert "<script" not in page.text
    assert "://" not in page.text.replace(client.provider.issuer, "")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1@evil", ""]
)
async def test_a_foreign_host_header_gets_no_answer(client: OAuthClient, host: str) -> None:
    response = await client.browser.get(f"{client.provider.issuer}/jwks.json", headers={"Host": host})

    assert response.status_code in {400, 421}
    assert "keys" not in response.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80"])
async def test_every_name_of_this_machine_is_answered(client: OAuthClient, host: str) -> None:
    response = await client.browser.get(f"{client.provider.issuer}/jwks.json", headers={"Host": host})

    assert response.status_code == 200


async def test_discovery_names_only_what_is_there(client: OAuthClient) -> None:
    issuer = client.provider.issuer

    assert client.metadata["issuer"] == issuer
    assert client.metadata["code_challenge_methods_supported"] == ["S256"]
    assert client.metadata["request_uri_parameter_supported"] is False
    assert client.metadata["authorization_response_iss_parameter_supported"] is True
    assert "pushed_authorization_request_endpoint" not in client.metadata
    for name, address in client.metadata.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            status = (await client.browser.get(address)).status_code
            assert status not in {404, 500}, name
