"""Sign-out at the development provider: by a client, by another user's login, and what clients are told."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import jwt
import pytest
from aiohttp import web

from tests.fakes.clock import FakeClock
from tests.fakes.oauth_client import (
    REDIRECT_URI,
    SIGNED_OUT_URI,
    OAuthClient,
    client_of,
    parameters_of,
)
from tests.fakes.providers import BOB, development_provider, submit


class LogoutReceiver:
    """A client's back-channel logout endpoint that keeps what it is sent."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.tokens: asyncio.Queue[str] = asyncio.Queue()

    async def receive(self, request: web.Request) -> web.Response:
        self.tokens.put_nowait(str((await request.post())["logout_token"]))
        return web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[LogoutReceiver]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = LogoutReceiver(f"http://127.0.0.1:{listener.getsockname()[1]}/backchannel-logout")
        app = web.Application()
        app.add_routes([web.post("/backchannel-logout", receiver.receive)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield receiver
        await runner.cleanup()


@pytest.fixture
async def client(receiver: LogoutReceiver) -> AsyncIterator[OAuthClient]:
    async with (
        development_provider(
            [REDIRECT_URI],
            post_logout_redirect_uris=[SIGNED_OUT_URI],
            backchannel_logout_uri=receiver.uri,
            clock=FakeClock(),
        ) as provider,
        client_of(provider) as client,
    ):
        yield client


async def end_session(client: OAuthClient, **parameters: str) -> httpx.Response:
    return await client.browser.get(client.metadata["end_session_endpoint"], params=parameters)


async def is_signed_in(client: OAuthClient) -> bool:
    response = await client.authorize(prompt="none")
    return "code" in parameters_of(response.headers["Location"])


async def test_a_client_signs_its_user_out_and_gets_the_browser_back(client: OAuthClient) -> None:
    hint = (await client.tokens())["id_token"]

    response = await end_session(
        client, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT_URI, state="bye"
    )

    assert response.status_code == 303
    assert response.headers["Location"] == f"{SIGNED_OUT_URI}?state=bye"
    assert not await is_signed_in(client)


async def test_without_an_address_to_return_to_the_page_says_signed_out(client: OAuthClient) -> None:
    response = await end_session(client, id_token_hint=(await client.tokens())["id_token"])

    assert response.status_code == 200
    assert "Signed out" in response.text
    assert not await is_signed_in(client)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        f"{SIGNED_OUT_URI}/",
        f"{SIGNED_OUT_URI}?x=1",
        f"{SIGNED_OUT_URI}#x",
        SIGNED_OUT_URI.upper(),
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        REDIRECT_URI,
    ],
)
async def test_sign_out_leads_nowhere_but_to_registered_addresses(client: OAuthClient, address: str) -> None:
    hint = (await client.tokens())["id_token"]

    response = await end_session(client, id_token_hint=hint, post_logout_redirect_uri=address)

    assert response.status_code == 400
    assert "Location" not in response.headers
    assert await is_signed_in(client)


async def test_without_knowing_the_client_nobody_is_redirected(client: OAuthClient) -> None:
    response = await end_session(client, post_logout_redirect_uri=SIGNED_OUT_URI)

    assert response.status_code == 400
    assert "Location" not in response.headers


async def test_without_a_hint_the_user_is_asked(client: OAuthClient) -> None:
    await client.tokens()
    parameters = {"client_id": "doorward-web", "post_logout_redirect_uri": SIGNED_OUT_URI, "state": "<bye>"}

    page = await end_session(client, **parameters)
    still_signed_in = await is_signed_in(client)
    response = await submit(client.browser, page)

    assert "Sign out?" in page.text
    assert still_signed_in
    assert response.headers["Location"] == f"{SIGNED_OUT_URI}?state=%3Cbye%3E"
    assert not await is_signed_in(client)


async def test_the_question_cannot_be_answered_by_another_site(client: OAuthClient) -> None:
    await client.tokens()
    await end_session(client)

    response = await client.browser.post(
        f"{client.provider.issuer}/end-session/confirm", data={"client_id": "x"}
    )

    assert response.status_code == 403
    assert await is_signed_in(client)


async def test_a_hint_of_somebody_else_is_no_consent(client: OAuthClient) -> None:
    hint_of_bob = (await client.tokens(BOB))["id_token"]
    await client.tokens(prompt="login")

    page = await end_session(client, id_token_hint=hint_of_bob)

    assert "Sign out?" in page.text
    assert await is_signed_in(client)


@pytest.mark.parametrize("hint", ["garbage", "a.b.c", "é.é.é", "access_token", "changed"])
async def test_a_hint_that_is_no_id_token_of_ours_is_refused(client: OAuthClient, hint: str) -> None:
    tokens = await client.tokens()
    hint = {"access_token": tokens["access_token"], "changed": f"{tokens['id_token'][:-4]}AAAA"}.get(
        hint, hint
    )

    response = await end_session(client, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT_URI)

    assert response.status_code == 400
    assert await is_signed_in(client)


async def test_a_hint_given_to_another_client_is_refused(client: OAuthClient) -> None:
    hint = (await client.tokens())["id_token"]

    assert (await end_session(client, id_token_hint=hint, client_id="doorward-cli")).status_code == 400


async def test_a_sign_out_by_post_is_continued_by_get(client: OAuthClient) -> None:
    form = {"id_token_hint": (await client.tokens())["id_token"], "post_logout_redirect_uri": SIGNED_OUT_URI}

    response = await client.browser.post(client.metadata["end_session_endpoint"], data=form)
    continued = await client.browser.get(f"{client.provider.issuer}{response.headers['Location']}")

    assert continued.headers["Location"] == SIGNED_OUT_URI
    assert not await is_signed_in(client)


async def test_signing_out_twice_still_returns(client: OAuthClient) -> None:
    hint = (await client.tokens())["id_token"]
    parameters = {"id_token_hint": hint, "post_logout_redirect_uri": SIGNED_OUT_URI}
    await end_session(client, **parameters)

    assert (await end_session(client, **parameters)).headers["Location"] == SIGNED_OUT_URI


async def test_clients_with_a_session_are_sent_a_logout_token(
    client: OAuthClient, receiver: LogoutReceiver
) -> None:
    tokens = await client.tokens()
    identity = await client.verified(tokens["id_token"], "doorward-web")

    await end_session(client, id_token_hint=tokens["id_token"])
    async with asyncio.timeout(5):
        logout_token = await receiver.tokens.get()
    claims = await client.verified(logout_token, "doorward-web")

    assert jwt.get_unverified_header(logout_token)["typ"] == "logout+jwt"
    assert set(claims) == {"iss", "aud", "sub", "sid", "iat", "exp", "jti", "events"}
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert (claims["sub"], claims["sid"]) == (identity["sub"], identity["sid"])


async def test_a_login_as_somebody_else_tells_the_clients_of_the_one_before(
    client: OAuthClient, receiver: LogoutReceiver
) -> None:
    alice = await client.verified((await client.tokens())["id_token"], "doorward-web")

    await client.tokens(BOB, prompt="login")
    async with asyncio.timeout(5):
        claims = await client.verified(await receiver.tokens.get(), "doorward-web")

    assert claims["sid"] == alice["sid"]


async def test_a_client_that_redeemed_no_code_is_told_nothing(
    client: OAuthClient, receiver: LogoutReceiver
) -> None:
    await client.log_in()
    await submit(client.browser, await end_session(client))
    tokens = await client.tokens()

    await end_session(client, id_token_hint=tokens["id_token"])
    async with asyncio.timeout(5):
        first = await client.verified(await receiver.tokens.get(), "doorward-web")

    assert first["sid"] == (await client.verified(tokens["id_token"], "doorward-web"))["sid"]
    assert receiver.tokens.empty()


async def test_a_logout_token_is_no_hint(client: OAuthClient, receiver: LogoutReceiver) -> None:
    await end_session(client, id_token_hint=(await client.tokens())["id_token"])
    async with asyncio.timeout(5):
        logout_token = await receiver.tokens.get()

    assert (await end_session(client, id_token_hint=logout_token)).status_code == 400


@pytest.mark.parametrize(("scope", "status"), [("openid", 400), ("openid offline_access", 200)])
async def test_signing_out_ends_refresh_tokens_that_are_not_for_offline_use(
    client: OAuthClient, scope: str, status: int
) -> None:
    tokens = await client.tokens(scope=scope)

    await end_session(client, id_token_hint=tokens["id_token"])

    assert (await client.refresh(tokens["refresh_token"])).status_code == status
