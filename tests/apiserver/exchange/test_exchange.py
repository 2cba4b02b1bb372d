"""RFC 8693 at `POST /api/v1/token`: what comes out for which secret."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.apiserver.callers import holder
from tests.apiserver.credentials import PUBLIC_URL, SETTINGS, Office, a_service, claims_of, header_of
from tests.apiserver.server import api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
KINDS = ("device", "registration", "service")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_secret_becomes_a_jwt_of_five_minutes(desk: Office, kind: str) -> None:
    reply = await desk.exchange(desk.secret(kind))

    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.body["token_type"] == "Bearer"
    assert reply.body["issued_token_type"] == ACCESS_TOKEN
    assert reply.body["expires_in"] == 300
    claims = claims_of(reply.body["access_token"])
    assert claims["exp"] - claims["iat"] == 300
    assert claims["iat"] == int(desk.clock.now().timestamp())


async def test_the_header_says_how_it_is_verified(desk: Office) -> None:
    (published,) = await desk.keys()

    assert header_of(await desk.jwt()) == {"alg": "ES256", "kid": published["kid"], "typ": "at+jwt"}


def told(desk: Office, token: str) -> dict[str, Any]:
    """The claims, without those that say when and for whom."""
    claims = claims_of(token)
    return {name: claims[name] for name in claims if name not in {"iss", "aud", "iat", "exp", "jti"}}


async def test_what_is_said_of_a_device(desk: Office) -> None:
    assert told(desk, await desk.jwt("device")) == {
        "kind": "device",
        "sub": f"device:{desk.device['id']}",
        "owner": desk.owner_id,
        "user": "alice",
        "tenant": desk.tenant_id,
        "taints": ["edge", "lab"],
        "credential": desk.device["device_token_id"],
    }


async def test_what_is_said_of_a_registration_token(desk: Office) -> None:
    claims = told(desk, await desk.jwt("registration"))

    assert claims.pop("credential").startswith("rts_")
    assert claims == {
        "kind": "registration",
        "sub": f"registration-token:{desk.registration['id']}",
        "owner": desk.owner_id,
        "user": "alice",
        "tenant": desk.tenant_id,
        "taints": ["edge", "lab"],
    }


async def test_what_is_said_of_a_service(desk: Office) -> None:
    assert told(desk, await desk.jwt("service")) == {
        "kind": "service",
        "sub": f"service-token:{desk.service['id']}",
        "owner": desk.owner_id,
        "user": "alice",
        "tenant": desk.tenant_id,
        "taints": [],
        "credential": desk.service["id"],
        "scope": "devices:read tokens:introspect",
    }


async def test_who_made_it_and_for_whom(desk: Office) -> None:
    assert (claims_of(await desk.jwt())["iss"], claims_of(await desk.jwt())["aud"]) == (
        PUBLIC_URL,
        "doorward-api",
    )
    assert claims_of(await desk.jwt(audience="reports"))["aud"] == "reports"


async def test_no_two_have_one_id(desk: Office) -> None:
    ids = {claims_of(await desk.jwt())["jti"] for _ in range(3)}

    assert len(ids) == 3


async def test_a_stock_library_that_knows_the_address_of_the_keys_alone_verifies_it(desk: Office) -> None:
    """PyJWT, as a third party uses it."""
    token = await desk.jwt(audience="reports")
    url = str(desk.server.public.make_url("/.well-known/jwks.json"))

    def verified() -> Any:
        key = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
        return jwt.decode(
            token, key, algorithms=["ES256"], audience="reports", issuer=PUBLIC_URL,
            options={"verify_exp": False, "verify_iat": False},
        )  # fmt: skip

    claims = await asyncio.to_thread(verified)

    assert claims == claims_of(token)


@pytest.mark.parametrize("kind", KINDS)
async def test_its_type_may_be_named(desk: Office, kind: str) -> None:
    named = f"urn:doorward:token-type:{kind}"

    assert (await desk.exchange(desk.secret(kind), subject_token_type=named)).status == 200


async def test_a_jwt_may_be_asked_for_by_name(desk: Office) -> None:
    reply = await desk.exchange(desk.secret("device"), requested_token_type=JWT)

    assert (reply.status, reply.body["issued_token_type"]) == (200, JWT)


async def test_what_oauth_does_not_know_here_is_passed_over(desk: Office) -> None:
    assert (await desk.exchange(desk.secret("device"), client_id="x", of_tomorrow="y")).status == 200


async def test_a_parameter_without_a_value_is_left_out(desk: Office) -> None:
    reply = await desk.exchange(desk.secret("device"), audience="", scope="", actor_token="", resource="")

    assert reply.status == 200
    assert "scope" not in reply.body


@pytest.mark.parametrize(
    ("kind", "asked", "given"),
    [
        ("device", "self:read", "self:read"),
        ("device", "self:write self:read", "self:read self:write"),
        ("registration", "devices:register", "devices:register"),
        ("service", "devices:read", "devices:read"),
        ("service", "devices:read devices:read", "devices:read"),
    ],
)
async def test_a_jwt_may_be_narrowed(desk: Office, kind: str, asked: str, given: str) -> None:
    reply = await desk.exchange(desk.secret(kind), scope=asked)

    assert (reply.status, reply.body["scope"]) == (200, given)
    assert claims_of(reply.body["access_token"])["scope"] == given


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("device", "devices:read"),
        ("device", "self:read self:admin"),
        ("registration", "self:read"),
        ("service", "devices:write"),
        ("service", "devices:read tenants:admin"),
    ],
)
async def test_a_jwt_never_gets_more_than_its_secret_has(desk: Office, kind: str, asked: str) -> None:
    reply = await desk.exchange(desk.secret(kind), scope=asked)

    assert (reply.status, reply.body["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("at_edge", [False, True], ids=["exchange", "edge"])
async def test_to_exchange_a_new_secret_of_a_registration_token_ends_the_old_one(
    desk: Office, at_edge: bool
) -> None:
    """Where all machines register by JWTs, nothing else would."""
    rotated = await desk.alice.done("POST", f"/registration-tokens/{desk.registration['id']}/rotate")
    assert (await desk.exchange(desk.secret("registration"))).status == 200
    new = str(rotated["token"])
    assert (await desk.authz(new) if at_edge else await desk.exchange(new)).status == 200

    assert (await desk.exchange(desk.secret("registration"))).status == 400
    assert (await desk.exchange(new)).status == 200


async def test_an_exchange_that_is_refused_ends_no_old_secret(desk: Office) -> None:
    rotated = await desk.alice.done("POST", f"/registration-tokens/{desk.registration['id']}/rotate")
    assert (await desk.exchange(str(rotated["token"]), scope="self:read")).status == 400

    assert (await desk.exchange(desk.secret("registration"))).status == 200


async def test_a_jwt_never_outlives_a_registration_token(desk: Office) -> None:
    ends = desk.clock.now() + timedelta(seconds=90)
    made = await desk.alice.done(
        "POST", "/registration-tokens", {"label": "short", "expires_at": ends.isoformat()}
    )

    reply = await desk.exchange(made["token"])

    assert reply.body["expires_in"] == 90
    assert claims_of(reply.body["access_token"])["exp"] == int(ends.timestamp())


async def test_a_jwt_never_outlives_the_idleness_of_a_registration_token(desk: Office) -> None:
    made = await desk.alice.done("POST", "/registration-tokens", {"label": "idle", "idle_s": 120})

    assert (await desk.exchange(made["token"])).body["expires_in"] == 120


async def test_a_jwt_never_outlives_a_service_token(desk: Office) -> None:
    service = await a_service(desk.alice, desk.clock, desk.tenant_id, "devices:read")
    desk.clock.advance(days=30, seconds=-30)

    assert (await desk.exchange(service["token"])).body["expires_in"] == 30


async def test_a_jwt_never_outlives_a_device(desk: Office) -> None:
    await desk.let_device_expire(in_=timedelta(seconds=45))

    assert (await desk.exchange(desk.secret("device"))).body["expires_in"] == 45


async def test_a_device_that_is_about_to_expire_gets_none(desk: Office) -> None:
    await desk.let_device_expire(in_=timedelta(milliseconds=900))

    reply = await desk.exchange(desk.secret("device"))

    assert (reply.status, reply.body["error"]) == (400, "invalid_request")


async def test_a_jwt_never_outlives_the_silence_after_which_a_device_leaves(desk: Office) -> None:
    made = await desk.alice.done("POST", "/registration-tokens", {"label": "brief", "ephemeral_s": 120})
    device = await holder(desk.server, made["token"]).done("POST", "/devices", {"name": "brief"})

    assert (await desk.exchange(device["device_token"])).body["expires_in"] == 120


async def test_whom_another_provider_knows_has_no_name_of_this_one(
    issuer: FakeIssuer, database: Path, clock: FakeClock, desk: Office
) -> None:
    """Two providers may give two people the same `sub`: services would take one for the other."""
    before = claims_of(await desk.jwt("device"))["user"]
    async with (
        FakeIssuer.start() as another,
        api_server(another, database, clock, **SETTINGS) as server,
    ):
        after = claims_of(await replace(desk, server=server).jwt("device"))["user"]

    assert (before, after) == ("alice", desk.owner_id)
