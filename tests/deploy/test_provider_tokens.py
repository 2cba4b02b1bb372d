"""The development provider's token, userinfo, revocation and introspection endpoints."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.oauth_client import NO_AUTH, REDIRECT_URI, OAuthClient, client_of
from tests.fakes.providers import ALICE, RunningProvider, development_provider

RESOURCE = "https://api.example"
WEB_CLIENT = {
    "client_id": RunningProvider.web_client_id,
    "client_secret": RunningProvider.web_client_secret,
    "redirect_uris": [REDIRECT_URI],
}
OTHER_CLIENT = {
    "client_id": "other",
    "client_secret": "other-secret",
    "redirect_uris": [REDIRECT_URI],
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[OAuthClient]:
    changes = {"resources": [RESOURCE]}
    async with (
        development_provider([REDIRECT_URI], clock=clock, changes=changes) as provider,
        client_of(provider) as client,
    ):
        yield client


def assert_refused(response: httpx.Response, status: int, error: str) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert "access_token" not in response.text


async def test_an_access_token_is_a_jwt_for_the_audience(client: OAuthClient) -> None:
    token = (await client.tokens())["access_token"]
    claims = await client.verified(token, "doorward-api")

    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert jwt.get_unverified_header(token)["alg"] == "ES256"
    assert set(claims) >= {"iss", "aud", "sub", "client_id", "iat", "exp", "jti", "scope"}
    assert claims["client_id"] == "doorward-web"
    assert claims["scope"] == "openid profile email"


async def test_an_id_token_tells_who_signed_in_and_when(client: OAuthClient, clock: FakeClock) -> None:
    tokens = await client.tokens()
    claims = await client.verified(tokens["id_token"], "doorward-web")

    digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert claims["nonce"] == "nonce-1"
    assert claims["auth_time"] == int(clock.now().timestamp())
    assert claims["name"] == ALICE.name
    assert claims["preferred_username"] == "alice"
    assert claims["email"] == ALICE.email
    assert claims["sid"]


async def test_claims_follow_the_scopes(client: OAuthClient) -> None:
    claims = await client.verified((await client.tokens(scope="openid"))["id_token"], "doorward-web")

    assert not {"name", "preferred_username", "email", "groups"} & set(claims)


async def test_groups_are_told_to_who_asks_for_them(clock: FakeClock) -> None:
    changes = {"users": [{**vars(ALICE), "groups": ["staff"]}]}
    async with (
        development_provider([REDIRECT_URI], clock=clock, changes=changes) as provider,
        client_of(provider) as client,
    ):
        tokens = await client.tokens(scope="openid groups")

        assert (await client.verified(tokens["id_token"], "doorward-web"))["groups"] == ["staff"]


async def test_without_the_openid_scope_there_is_no_id_token(client: OAuthClient) -> None:
    assert "id_token" not in await client.tokens(scope="profile")


async def test_unknown_scopes_are_ignored(client: OAuthClient) -> None:
    assert (await client.tokens(scope="openid devices:read"))["scope"] == "openid"


async def test_a_listed_resource_becomes_the_audience(client: OAuthClient) -> None:
    tokens = await client.tokens(resource=RESOURCE)
    refreshed = await client.refresh(tokens["refresh_token"])

    assert (await client.verified(tokens["access_token"], RESOURCE))["aud"] == RESOURCE
    assert (await client.verified(refreshed.json()["access_token"], RESOURCE))["aud"] == RESOURCE


async def test_a_resource_that_was_not_granted_is_refused_and_spends_nothing(client: OAuthClient) -> None:
    code = (await client.log_in(resource=RESOURCE))["code"]

    assert_refused(await client.redeem(code, resource="doorward-api"), 400, "invalid_target")
    assert (await client.redeem(code)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"code_verifier": "x" * 43}, "invalid_grant", id="wrong verifier"),
        pytest.param({"code_verifier": ""}, "invalid_request", id="no verifier"),
        pytest.param({"code_verifier": "short"}, "invalid_request", id="malformed verifier"),
        pytest.param({"redirect_uri": "http://localhost:9/other"}, "invalid_grant", id="wrong redirect"),
        pytest.param({"redirect_uri": ""}, "invalid_grant", id="no redirect"),
        pytest.param({"code": "guessed"}, "invalid_grant", id="guessed code"),
        pytest.param({"code": ""}, "invalid_request", id="no code"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="password grant"),
        pytest.param({"grant_type": 'o"\\dd'}, "unsupported_grant_type", id="odd grant type"),
    ],
)
async def test_a_code_is_not_redeemed_with_anything_wrong(
    client: OAuthClient, changes: dict[str, str], error: str
) -> None:
    code = (await client.log_in())["code"]

    assert_refused(await client.redeem(code, **changes), 400, error)


async def test_a_code_used_twice_takes_back_what_it_gave(client: OAuthClient) -> None:
    code = (await client.log_in())["code"]
    tokens = (await client.redeem(code)).json()

    assert_refused(await client.redeem(code), 400, "invalid_grant")
    assert_refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert await client.introspect(tokens["access_token"]) == {"active": False}
    assert (await client.userinfo(tokens["access_token"])).status_code == 401


async def test_a_code_ends_after_a_minute(client: OAuthClient, clock: FakeClock) -> None:
    code = (await client.log_in())["code"]
    clock.advance(seconds=61)

    assert_refused(await client.redeem(code), 400, "invalid_grant")


async def test_a_refresh_rotates_the_token_and_tells_the_same_user(client: OAuthClient) -> None:
    tokens = await client.tokens()
    first = await client.verified(tokens["id_token"], "doorward-web")

    refreshed = (await client.refresh(tokens["refresh_token"])).json()
    second = await client.verified(refreshed["id_token"], "doorward-web")

    assert refreshed["refresh_token"] != tokens["refresh_token"]
    assert refreshed["access_token"] != tokens["access_token"]
    assert (second["sub"], second["sid"]) == (first["sub"], first["sid"])
    assert "nonce" not in second


async def test_a_rotated_refresh_token_ends_the_whole_family(client: OAuthClient) -> None:
    tokens = await client.tokens()
    second = (await client.refresh(tokens["refresh_token"])).json()
    third = (await client.refresh(second["refresh_token"])).json()

    assert_refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")
    assert_refused(await client.refresh(third["refresh_token"]), 400, "invalid_grant")
    assert await client.introspect(third["access_token"]) == {"active": False}


async def test_a_refresh_may_narrow_the_scope_and_not_widen_it(client: OAuthClient) -> None:
    tokens = await client.tokens(scope="openid profile")

    assert_refused(await client.refresh(tokens["refresh_token"], scope="openid email"), 400, "invalid_scope")
    assert (await client.refresh(tokens["refresh_token"], scope="openid")).json()["scope"] == "openid"


async def test_a_refresh_token_ends_with_its_lifetime(client: OAuthClient, clock: FakeClock) -> None:
    tokens = await client.tokens()
    clock.advance(days=8)

    assert_refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")


async def test_a_token_of_one_client_is_worth_nothing_to_another(clock: FakeClock) -> None:
    changes = {"clients": [WEB_CLIENT, OTHER_CLIENT]}
    other = httpx.BasicAuth("other", "other-secret")
    async with (
        development_provider([REDIRECT_URI], clock=clock, changes=changes) as provider,
        client_of(provider) as client,
    ):
        code = (await client.log_in())["code"]
        stolen_code = await client.redeem(code, other)
        tokens = (await client.redeem(code)).json()
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        stolen_token = await client.post("token_endpoint", form, other)
        revoked = await client.post("revocation_endpoint", {"token": tokens["refresh_token"]}, other)
        looked_at = await client.post("introspection_endpoint", {"token": tokens["refresh_token"]}, other)

        assert_refused(stolen_code, 400, "invalid_grant")
        assert_refused(stolen_token, 400, "invalid_grant")
        assert_refused(revoked, 400, "invalid_grant")
        assert looked_at.json() == {"active": False}
        refreshed = (await client.refresh(tokens["refresh_token"])).json()
        assert_refused(await client.post("token_endpoint", form, other), 400, "invalid_grant")
        still_good = await client.refresh(refreshed["refresh_token"])
        assert still_good.status_code == 200, "a stranger with a rotated token must not end the family"


async def test_the_secret_may_come_in_the_form(client: OAuthClient) -> None:
    code = (await client.log_in())["code"]
    form = {
        "client_id": client.provider.web_client_id,
        "client_secret": client.provider.web_client_secret,
    }

    response = await client.redeem(code, NO_AUTH, **form)

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        pytest.param(None, {"client_id": "doorward-web"}, id="no secret"),
        pytest.param(None, {}, id="no client"),
        pytest.param(None, {"client_id": "doorward-web", "client_secret": "wrong"}, id="wrong secret"),
        pytest.param("Basic ZG9vcndhcmQtd2ViOndyb25n", {}, id="wrong secret in the header"),
        pytest.param("Basic !!!", {}, id="not base64"),
        pytest.param("Basic /////w==", {}, id="not UTF-8"),
        pytest.param("Basic ZG9vcndhcmQtY2xpOg==", {}, id="public client with an empty secret"),
        pytest.param("Bearer ZG9vcndhcmQ", {}, id="bearer"),
    ],
)
async def test_a_confidential_client_must_show_its_secret(
    client: OAuthClient, authorization: str | None, form: dict[str, str]
) -> None:
    code = (await client.log_in())["code"]
    headers = {} if authorization is None else {"Authorization": authorization}
    body = {"grant_type": "authorization_code", "code": code, **form}

    response = await client.browser.post(client.metadata["token_endpoint"], data=body, headers=headers)

    assert response.status_code in {400, 401}
    assert response.json()["error"] == "invalid_client"


async def test_two_ways_of_authentication_at_once_are_refused(client: OAuthClient) -> None:
    code = (await client.log_in())["code"]

    response = await client.redeem(code, client_secret=client.provider.web_client_secret)

    assert_refused(response, 400, "invalid_request")


async def test_a_repeated_form_parameter_is_refused(client: OAuthClient) -> None:
    response = await client.browser.post(
        client.metadata["token_endpoint"],
        content="grant_type=authorization_code&code=a&code=b",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=client.basic,
    )

    assert_refused(response, 400, "invalid_request")


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b'{"grant_type": "authorization_code"}'),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(60))),
    ],
)
async def test_a_body_that_is_no_form_is_refused(
    client: OAuthClient, content_type: str, content: bytes
) -> None:
    headers = {"Content-Type": content_type}
    response = await client.browser.post(client.metadata["token_endpoint"], content=content, headers=headers)

    assert_refused(response, 400, "invalid_request")


async def test_a_huge_body_is_refused(client: OAuthClient) -> None:
    response = await client.browser.post(client.metadata["token_endpoint"], data={"code": "x" * 100_000})

    assert response.status_code == 413


async def test_userinfo_tells_what_the_scopes_allow(client: OAuthClient) -> None:
    tokens = await client.tokens(scope="openid email")
    user = (await client.userinfo(tokens["access_token"])).json()

    assert user["sub"] == (await client.verified(tokens["id_token"], "doorward-web"))["sub"]
    assert user["email"] == ALICE.email
    assert "name" not in user


async def test_userinfo_wants_an_access_token_with_openid(client: OAuthClient, clock: FakeClock) -> None:
    tokens = await client.tokens()
    without_openid = await client.tokens(scope="profile")

    assert (await client.browser.get(client.metadata["userinfo_endpoint"])).status_code == 401
    assert (await client.userinfo("garbage")).status_code == 401
    assert (await client.userinfo(tokens["id_token"])).status_code == 401
    assert (await client.userinfo(tokens["refresh_token"])).status_code == 401
    assert (await client.userinfo(without_openid["access_token"])).status_code == 403
    clock.advance(seconds=300)
    assert (await client.userinfo(tokens["access_token"])).status_code == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_the_authorization(client: OAuthClient, kind: str) -> None:
    tokens = await client.tokens()

    response = await client.post("revocation_endpoint", {"token": tokens[kind]}, client.basic)

    assert response.status_code == 200
    assert await client.introspect(tokens["access_token"]) == {"active": False}
    assert await client.introspect(tokens["refresh_token"]) == {"active": False}
    assert_refused(await client.refresh(tokens["refresh_token"]), 400, "invalid_grant")


async def test_revoking_an_unknown_token_is_no_error(client: OAuthClient) -> None:
    response = await client.post("revocation_endpoint", {"token": "unknown"}, client.basic)

    assert response.status_code == 200


async def test_introspection_tells_a_confidential_client_about_tokens(
    client: OAuthClient, clock: FakeClock
) -> None:
    tokens = await client.tokens()
    access, refresh = tokens["access_token"], tokens["refresh_token"]

    assert (await client.introspect(access))["active"] is True
    assert (await client.introspect(access))["aud"] == "doorward-api"
    assert (await client.introspect(refresh))["active"] is True
    assert await client.introspect(tokens["id_token"]) == {"active": False}
    clock.advance(seconds=300)
    assert await client.introspect(access) == {"active": False}


@pytest.mark.parametrize("endpoint", ["revocation_endpoint", "introspection_endpoint"])
async def test_a_token_hint_may_be_anything_and_the_token_must_be_there(
    client: OAuthClient, endpoint: str
) -> None:
    hinted = await client.post(endpoint, {"token": "x", "token_type_hint": "pigeon"}, client.basic)

    assert hinted.status_code == 200
    assert_refused(await client.post(endpoint, {}, client.basic), 400, "invalid_request")


async def test_introspection_is_not_for_public_clients(client: OAuthClient) -> None:
    form = {"token": "x", "client_id": client.provider.cli_client_id}

    assert_refused(await client.post("introspection_endpoint", form), 401, "invalid_client")


@pytest.mark.parametrize("change", ["signature", "algorithm none", "other key"])
async def test_a_forged_access_token_is_not_ours(client: OAuthClient, change: str) -> None:
    token = (await client.tokens())["access_token"]
    header, payload, signature = token.split(".")
    if change == "signature":
        forged = f"{header}.{payload}.{signature[:-4]}AAAA"
    elif change == "algorithm none":
        none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).decode()
        forged = f"{none.rstrip('=')}.{payload}."
    else:
        async with development_provider([REDIRECT_URI]) as stranger, client_of(stranger) as its_client:
            forged = (await its_client.tokens())["access_token"]

    assert await client.introspect(forged) == {"active": False}
    assert (await client.userinfo(forged)).status_code == 401


async def test_with_a_data_file_tokens_outlive_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    changes = {"data_file": str(tmp_path / "key.json")}
    async with (
        development_provider([REDIRECT_URI], clock=clock, changes=changes) as first,
        client_of(first) as client,
    ):
        tokens = await client.tokens()
        port = int(first.issuer.rpartition(":")[2])
    clock.advance(seconds=10)
    async with (
        development_provider([REDIRECT_URI], clock=clock, changes=changes, port=port) as second,
        client_of(second) as client,
    ):
        assert second.issuer == first.issuer
        assert await client.verified(tokens["access_token"], "doorward-api")
        assert (await client.introspect(tokens["access_token"]))["active"] is True
        assert (await client.userinfo(tokens["access_token"])).status_code == 200


async def test_without_a_data_file_a_restart_ends_all_tokens(clock: FakeClock) -> None:
    async with development_provider([REDIRECT_URI], clock=clock) as first, client_of(first) as client:
        tokens = await client.tokens()
        port = int(first.issuer.rpartition(":")[2])
    async with (
        development_provider([REDIRECT_URI], clock=clock, port=port) as second,
        client_of(second) as client,
    ):
        assert await client.introspect(tokens["access_token"]) == {"active": False}
