"""The development provider's device flow: the client's polling and the user's pages."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.oauth_client import REDIRECT_URI, SIGNED_OUT_URI, OAuthClient, client_of
from tests.fakes.providers import ALICE, development_provider, follow_to, submit


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[OAuthClient]:
    changes = {"resources": ["https://api.example"], "device_interval_s": 3}
    async with (
        development_provider(
            [REDIRECT_URI], post_logout_redirect_uris=[SIGNED_OUT_URI], clock=clock, changes=changes
        ) as provider,
        client_of(provider) as client,
    ):
        yield client


async def confirm_page(client: OAuthClient, address: str) -> httpx.Response:
    """The page that asks to allow the device, after the login where one is needed."""
    page = await client.browser.get(address)
    if "password" in page.text:
        response = await submit(client.browser, page, username=ALICE.username, password=ALICE.password)
        page = await follow_to(client.browser, response, REDIRECT_URI)
    return page


async def decide(client: OAuthClient, device: dict[str, Any], decision: str) -> httpx.Response:
    page = await confirm_page(client, device["verification_uri_complete"])
    return await submit(client.browser, page, decision=decision)


async def start(client: OAuthClient, **changes: str) -> dict[str, Any]:
    device: dict[str, Any] = (await client.start_device(**changes)).json()
    return device


async def polled_error(client: OAuthClient, device: dict[str, Any]) -> str:
    response = await client.poll_device(device["device_code"])
    assert response.status_code == 400
    error: str = response.json()["error"]
    return error


async def test_a_device_login_starts_with_codes_addresses_and_interval(client: OAuthClient) -> None:
    device = await start(client)

    assert device["interval"] == 3
    assert device["expires_in"] == 600
    assert device["verification_uri"] == f"{client.provider.issuer}/device"
    assert device["verification_uri_complete"].endswith(f"/device?user_code={device['user_code']}")
    assert device["device_code"] != device["user_code"]


async def test_an_allowed_device_gets_tokens_for_the_user(client: OAuthClient) -> None:
    device = await start(client)
    assert await polled_error(client, device) == "authorization_pending"

    done = await decide(client, device, "allow")
    tokens = (await client.poll_device(device["device_code"])).json()

    assert "Device connected" in done.text
    access = await client.verified(tokens["access_token"], "doorward-api")
    identity = await client.verified(tokens["id_token"], "doorward-cli")
    assert access["client_id"] == "doorward-cli"
    assert identity["preferred_username"] == "alice"
    assert "sid" not in identity
    assert tokens["refresh_token"]


async def test_tokens_of_a_device_are_refreshed_without_a_secret(client: OAuthClient) -> None:
    device = await start(client)
    await decide(client, device, "allow")
    tokens = (await client.poll_device(device["device_code"])).json()

    form = {
        "grant_type": "refresh_token",
        "client_id": "doorward-cli",
        "refresh_token": tokens["refresh_token"],
    }
    refreshed = await client.post("token_endpoint", form)

    assert refreshed.status_code == 200
    assert refreshed.json()["refresh_token"] != tokens["refresh_token"]


async def test_a_device_code_works_once(client: OAuthClient) -> None:
    device = await start(client)
    await decide(client, device, "allow")
    await client.poll_device(device["device_code"])

    assert await polled_error(client, device) == "invalid_grant"


async def test_a_denied_device_is_told_so(client: OAuthClient) -> None:
    device = await start(client)

    done = await decide(client, device, "deny")

    assert "Denied" in done.text
    assert await polled_error(client, device) == "access_denied"


async def test_asking_too_soon_slows_the_device_down_for_good(client: OAuthClient, clock: FakeClock) -> None:
    device = await start(client)

    assert await polled_error(client, device) == "authorization_pending"
    clock.advance(seconds=2)
    assert await polled_error(client, device) == "slow_down"
    clock.advance(seconds=7)
    assert await polled_error(client, device) == "slow_down", "the interval is 3 + 5 seconds now"
    clock.advance(seconds=13)
    assert await polled_error(client, device) == "authorization_pending"


async def test_a_device_that_comes_late_is_told_so(client: OAuthClient, clock: FakeClock) -> None:
    device = await start(client)
    clock.advance(seconds=600)

    assert await polled_error(client, device) == "expired_token"
    page = await confirm_page(client, device["verification_uri_complete"])
    assert page.status_code == 404
    assert "not known" in page.text


async def test_after_twice_its_lifetime_a_device_code_is_forgotten(
    client: OAuthClient, clock: FakeClock
) -> None:
    device = await start(client)
    clock.advance(seconds=1200)

    assert await polled_error(client, device) == "invalid_grant"


async def test_the_code_is_asked_for_then_the_login_then_the_consent(client: OAuthClient) -> None:
    device = await start(client)

    code_page = await client.browser.get(device["verification_uri"])
    login_page = await client.browser.get(
        device["verification_uri"], params={"user_code": device["user_code"]}
    )
    consent = await confirm_page(client, str(login_page.url))

    assert 'name="user_code"' in code_page.text
    assert 'type="password"' in login_page.text
    assert device["user_code"] in consent.text
    assert "doorward-cli" in consent.text
    assert "alice" in consent.text


@pytest.mark.parametrize("spoil", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
async def test_a_user_code_is_taken_as_people_type_it(client: OAuthClient, spoil: type[str]) -> None:
    device = await start(client)

    page = await confirm_page(client, f"{device['verification_uri']}?user_code={spoil(device['user_code'])}")

    assert page.status_code == 200
    assert device["user_code"] in page.text


@pytest.mark.parametrize("user_code", ["XXXX-XXXX", "x", "%00", "<script>", "B" * 3000])
async def test_an_unknown_user_code_is_refused(client: OAuthClient, user_code: str) -> None:
    page = await confirm_page(client, f"{client.provider.issuer}/device?user_code={user_code}")

    assert page.status_code == 404
    assert "<script" not in page.text


async def test_a_decided_user_code_cannot_be_decided_again(client: OAuthClient) -> None:
    device = await start(client)
    page = await confirm_page(client, device["verification_uri_complete"])
    await submit(client.browser, page, decision="deny")

    again = await submit(client.browser, page, decision="allow")

    assert again.status_code == 404
    assert await polled_error(client, device) == "access_denied"


async def test_nobody_decides_without_the_form_of_this_browser(client: OAuthClient) -> None:
    device = await start(client)
    await confirm_page(client, device["verification_uri_complete"])

    form = {"user_code": device["user_code"], "decision": "allow"}
    forged = await client.browser.post(device["verification_uri"], data=form)

    assert forged.status_code == 403
    assert await polled_error(client, device) == "authorization_pending"


async def test_nobody_decides_without_a_login(client: OAuthClient) -> None:
    device = await start(client)
    page = await client.browser.get(device["verification_uri_complete"])

    fields = {"user_code": device["user_code"], "decision": "allow"}
    form_page = httpx.Response(200, text=page.text.replace("/login", "/device"), request=page.request)
    response = await submit(client.browser, form_page, **fields)

    assert response.headers["Location"].startswith("/device?")
    assert await polled_error(client, device) == "authorization_pending"


async def test_a_device_stays_signed_in_when_the_browser_signs_out(client: OAuthClient) -> None:
    device = await start(client)
    await decide(client, device, "allow")
    tokens = (await client.poll_device(device["device_code"])).json()
    hint = (await client.tokens())["id_token"]

    await client.browser.get(client.metadata["end_session_endpoint"], params={"id_token_hint": hint})

    assert (await client.introspect(tokens["access_token"]))["active"] is True


async def test_the_resource_of_a_device_login_becomes_the_audience(client: OAuthClient) -> None:
    device = await start(client, resource="https://api.example")
    await decide(client, device, "allow")
    tokens = (await client.poll_device(device["device_code"])).json()

    assert await client.verified(tokens["access_token"], "https://api.example")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"client_id": "doorward-web"}, "invalid_client", id="confidential without its secret"),
        pytest.param({"client_id": "nobody"}, "invalid_client", id="unknown client"),
        pytest.param({"resource": "https://elsewhere.example"}, "invalid_target", id="unlisted resource"),
    ],
)
async def test_a_device_login_is_not_started_for_anybody(
    client: OAuthClient, changes: dict[str, str], error: str
) -> None:
    assert (await client.start_device(**changes)).json()["error"] == error


async def test_a_client_without_the_device_grant_starts_none(client: OAuthClient) -> None:
    response = await client.post("device_authorization_endpoint", {"scope": "openid"}, client.basic)

    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")


async def test_an_unknown_device_code_is_refused(client: OAuthClient) -> None:
    response = await client.poll_device("guessed")

    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
