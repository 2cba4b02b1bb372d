"""Both providers of `tests/fakes/providers.py` give the same journeys: end-to-end tests may use either."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.oauth_client import REDIRECT_URI, SIGNED_OUT_URI, OAuthClient, client_of, parameters_of
from tests.fakes.providers import (
    ALICE,
    certified_provider,
    development_provider,
    follow_to,
    submit,
)

MAKERS = {"development": development_provider, "certified": certified_provider}


@pytest.fixture(params=["development", pytest.param("certified", marks=pytest.mark.node)])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[OAuthClient]:
    make = MAKERS[request.param]
    async with (
        make([REDIRECT_URI], post_logout_redirect_uris=[SIGNED_OUT_URI]) as provider,
        client_of(provider) as client,
    ):
        yield client


async def test_a_user_logs_in_refreshes_and_logs_out(client: OAuthClient) -> None:
    tokens = await client.tokens(scope="openid profile email offline_access")
    identity = await client.verified(tokens["id_token"], client.provider.web_client_id)
    access = await client.verified(tokens["access_token"], client.provider.audience)
    refreshed = (await client.refresh(tokens["refresh_token"])).json()
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SIGNED_OUT_URI}
    page = await client.browser.get(client.metadata["end_session_endpoint"], params=parameters)
    if not page.has_redirect_location:
        page = await follow_to(
            client.browser, await submit(client.browser, page, logout="yes"), SIGNED_OUT_URI
        )
    silent = await client.authorize(prompt="none")

    assert (identity["name"], identity["email"]) == (ALICE.name, ALICE.email)
    assert identity["sub"] == access["sub"]
    assert await client.verified(refreshed["access_token"], client.provider.audience)
    assert page.headers["Location"] == SIGNED_OUT_URI
    assert parameters_of(silent.headers["Location"])["error"] == "login_required"


async def test_naming_the_resource_gives_the_same_audience(client: OAuthClient) -> None:
    answer = await client.log_in(resource=client.provider.resource)
    tokens = (await client.redeem(answer["code"], resource=client.provider.resource)).json()

    assert await client.verified(tokens["access_token"], client.provider.audience)


async def test_a_rotated_refresh_token_ends_the_family(client: OAuthClient) -> None:
    tokens = await client.tokens()
    second = (await client.refresh(tokens["refresh_token"])).json()

    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await client.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_wrong_password_and_a_missing_challenge_are_refused(client: OAuthClient) -> None:
    page = await follow_to(client.browser, await client.authorize(), REDIRECT_URI)
    again = await submit(client.browser, page, username=ALICE.username, password="wrong")
    without_pkce = await client.authorize(code_challenge=None, code_challenge_method=None)

    assert again.status_code == 401
    assert parameters_of(without_pkce.headers["Location"])["error"] == "invalid_request"


async def test_a_device_logs_in(client: OAuthClient) -> None:
    device = (await client.start_device()).json()
    pending = await client.poll_device(device["device_code"])
    page = await client.browser.get(device["verification_uri_complete"])
    # The certified provider's first page submits itself, and its confirmation comes before the login.
    for fields in ({}, {}, {"username": ALICE.username, "password": ALICE.password}, {"decision": "allow"}):
        if "<form" in page.text and ("password" in page.text) == ("password" in fields):
            page = await follow_to(client.browser, await submit(client.browser, page, **fields), REDIRECT_URI)
    tokens = (await client.poll_device(device["device_code"])).json()

    assert pending.json()["error"] == "authorization_pending"
    assert await client.verified(tokens["access_token"], client.provider.audience)
    assert tokens["refresh_token"]
