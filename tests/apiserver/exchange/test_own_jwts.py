"""A JWT of ours at our own API: what it may do, when it ends, and every way to forge one."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt
import pytest

from tests.apiserver.callers import holder
from tests.apiserver.credentials import PUBLIC_URL, Office, a_service, claims_of, header_of
from tests.fakes.tokens import SigningKey, b64url, compact

ABSENT: Final = object()


async def test_a_device_is_known_by_it(desk: Office) -> None:
    reply = await desk.me(await desk.jwt("device"))

    assert (reply.status, reply.body["id"]) == (200, desk.device["id"])


async def test_a_registration_token_registers_by_it_and_spends_a_use(desk: Office) -> None:
    made = await desk.alice.done("POST", "/registration-tokens", {"label": "once", "max_uses": 1})
    token = (await desk.exchange(made["token"])).body["access_token"]

    first = await holder(desk.server, token).call("POST", "/devices", {"name": "first"})
    second = await holder(desk.server, token).call("POST", "/devices", {"name": "second"})

    assert first.status == 201
    assert second.refusal == (403, "registration_token_used_up")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/devices"), ("GET", "/devices/me"), ("GET", "/users/me"), ("GET", "/registration-tokens"),
        ("GET", "/tenants"), ("GET", "/audit-events"), ("GET", "/service-tokens"),
    ],
)  # fmt: skip
async def test_a_registration_token_does_nothing_else_by_it(desk: Office, method: str, path: str) -> None:
    reply = await holder(desk.server, await desk.jwt("registration")).call(method, path)

    assert reply.refusal == (403, "forbidden")


async def test_a_service_acts_by_it_within_its_scope(desk: Office) -> None:
    able = await a_service(desk.alice, desk.clock, desk.tenant_id, "devices:read", "tokens:read")
    token = (await desk.exchange(able["token"], scope="devices:read")).body["access_token"]
    service = holder(desk.server, token)

    assert (await service.call("GET", f"/devices?tenant_id={desk.tenant_id}")).status == 200
    assert (await service.call("GET", f"/registration-tokens?tenant_id={desk.tenant_id}")).refusal == (
        403,
        "insufficient_scope",
    )


async def test_a_device_that_may_only_read_itself_writes_nothing(desk: Office) -> None:
    device = holder(desk.server, await desk.jwt("device", scope="self:read"))

    assert (await device.call("GET", "/devices/me")).status == 200
    for method, path in (("POST", "/devices/me/rotate-token"), ("DELETE", "/devices/me")):
        assert (await device.call(method, path)).refusal == (403, "insufficient_scope")


async def test_a_device_that_may_only_write_reads_nothing(desk: Office) -> None:
    device = holder(desk.server, await desk.jwt("device", scope="self:write"))

    assert (await device.call("GET", "/devices/me")).refusal == (403, "insufficient_scope")
    assert (await device.call("DELETE", "/devices/me")).status == 204


async def test_it_is_never_exchanged_for_a_device_token(desk: Office) -> None:
    """Any service that was shown it would have the device for ever, and could shut the device itself out."""
    device = holder(desk.server, await desk.jwt("device"))

    assert (await device.call("POST", "/devices/me/rotate-token")).refusal == (403, "forbidden")
    assert (await device.call("GET", "/devices/me")).status == 200


@pytest.mark.parametrize("kind", ["device", "registration", "service"])
async def test_for_another_audience_it_lets_nobody_in(desk: Office, kind: str) -> None:
    token = await desk.jwt(kind, audience="reports")

    for path in ("/devices/me", "/devices", "/users/me"):
        assert (await holder(desk.server, token).call("GET", path)).refusal == (401, "invalid_token")


async def test_it_ends_after_five_minutes_and_the_leeway(desk: Office) -> None:
    token = await desk.jwt()
    desk.clock.advance(seconds=329)
    assert (await desk.me(token)).status == 200
    desk.clock.advance(seconds=1)

    assert (await desk.me(token)).refusal == (401, "invalid_token")


@pytest.mark.parametrize(
    ("deed", "refusal"),
    [("revoke", (401, "device_revoked")), ("suspend", (403, "device_suspended"))],
)
async def test_it_ends_here_with_its_device(desk: Office, deed: str, refusal: tuple[int, str]) -> None:
    token = await desk.jwt()
    await desk.alice.done("POST", f"/devices/{desk.device['id']}/{deed}")

    assert (await desk.me(token)).refusal == refusal


async def test_it_ends_here_with_the_very_secret_that_it_was_made_of(desk: Office) -> None:
    token = await desk.jwt()
    rotated = await desk.alice.done("POST", f"/devices/{desk.device['id']}/rotate-token")
    assert (await desk.me(token)).status == 200
    assert (await desk.me(rotated["device_token"])).status == 200

    assert (await desk.me(token)).refusal == (401, "invalid_token")


async def test_it_ends_here_with_its_registration_token(desk: Office) -> None:
    token = await desk.jwt("registration")
    await desk.revoke_registration()

    reply = await holder(desk.server, token).call("POST", "/devices", {"name": "late"})

    assert reply.refusal == (401, "registration_token_revoked")


async def test_it_ends_here_with_its_service_token(desk: Office) -> None:
    token = await desk.jwt("service")
    await desk.alice.done("POST", f"/service-tokens/{desk.service['id']}/revoke")

    reply = await holder(desk.server, token).call("GET", f"/devices?tenant_id={desk.tenant_id}")

    assert reply.refusal == (401, "service_token_revoked")


async def test_to_exchange_a_device_token_is_a_use_of_it(desk: Office) -> None:
    rotated = await desk.alice.done("POST", f"/devices/{desk.device['id']}/rotate-token")
    await desk.exchange(rotated["device_token"])

    assert (await desk.me(desk.secret("device"))).refusal == (401, "invalid_token")


Forgery = Callable[[Mapping[str, Any], Mapping[str, Any], Office, Mapping[str, Any]], str]


def with_key_of(
    header: Mapping[str, Any], claims: Mapping[str, Any], key: SigningKey | None = None, **changes: Any
) -> str:
    """Signed by somebody else, who is called as we are; changes are of the header."""
    changed = {**header, **changes}
    sent = {name: value for name, value in changed.items() if value is not ABSENT}
    return compact(sent, dict(claims), (key or SigningKey("x")).sign)


def hs256(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    return compact(
        {**header, "alg": "HS256"}, dict(claims), lambda signed: hmac.digest(secret, signed, hashlib.sha256)
    )


def jwk_bytes(jwk: Mapping[str, Any]) -> bytes:
    return json.dumps(jwk).encode()


FORGERIES: dict[str, Forgery] = {
    "another key by our name": lambda h, c, d, k: with_key_of(h, c),
    "alg none": lambda h, c, d, k: compact({**h, "alg": "none"}, dict(c), lambda _: b""),
    "alg None": lambda h, c, d, k: compact({**h, "alg": "None"}, dict(c), lambda _: b""),
    "HS256 with the published key": lambda h, c, d, k: hs256(h, c, jwk_bytes(k)),
    "HS256 with its x": lambda h, c, d, k: hs256(h, c, k["x"].encode()),
    "alg ES384": lambda h, c, d, k: with_key_of(h, c, alg="ES384"),
    "alg EdDSA": lambda h, c, d, k: with_key_of(h, c, alg="EdDSA"),
    "no alg": lambda h, c, d, k: with_key_of(h, c, alg=ABSENT),
    "unknown kid": lambda h, c, d, k: with_key_of(h, c, kid="unknown"),
    "no kid": lambda h, c, d, k: with_key_of(h, c, kid=ABSENT),
    "kid is a number": lambda h, c, d, k: with_key_of(h, c, kid=1),
    "kid is a path": lambda h, c, d, k: with_key_of(h, c, kid="../../dev/null"),
    "jwk": lambda h, c, d, k: with_key_of(h, c, key=(key := SigningKey("x")), jwk=key.as_jwk()),
    "jku": lambda h, c, d, k: with_key_of(h, c, jku="https://evil.example.com/jwks.json"),
    "x5u": lambda h, c, d, k: with_key_of(h, c, x5u="https://evil.example.com/cert.pem"),
    "crit": lambda h, c, d, k: with_key_of(h, c, crit=["b64"], b64=False),
    "the provider's key": lambda h, c, d, k: with_key_of(h, c, key=d.issuer.key),
    "the provider's key and kid": lambda h, c, d, k: with_key_of(
        h, c, key=d.issuer.key, kid=d.issuer.key.kid
    ),
    "the provider's issuer": lambda h, c, d, k: with_key_of(h, {**c, "iss": d.issuer.url}),
    "two issuers": lambda h, c, d, k: with_key_of(h, {**c, "iss": [PUBLIC_URL, d.issuer.url]}),
    "no claims": lambda h, c, d, k: with_key_of(h, {}),
    "claims that are no object": lambda h, c, d, k: compact(h, [1], SigningKey("x").sign),
    "no signature": lambda h, c, d, k: compact(h, dict(c), lambda _: b""),
    "more than eight kilobytes": lambda h, c, d, k: with_key_of(h, {**c, "x": "y" * 8192}),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_one_lets_nobody_in(desk: Office, name: str) -> None:
    genuine = await desk.jwt()
    (published,) = await desk.keys()
    forged = FORGERIES[name](header_of(genuine), claims_of(genuine), desk, published)

    assert (await desk.me(forged)).refusal == (401, "invalid_token")
    assert await desk.introspect(forged) == {"active": False}
    assert (await desk.authz(forged)).status == 401


async def test_a_changed_one_lets_nobody_in(desk: Office) -> None:
    header, _, signature = (genuine := await desk.jwt()).split(".")
    other = b64url(json.dumps({**claims_of(genuine), "sub": "device:dev_0"}).encode())

    assert (await desk.me(f"{header}.{other}.{signature}")).refusal == (401, "invalid_token")


def signed_by_us(desk: Office, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """What no exchange gives, with our own signature."""
    pair = desk.server.parts.signing_keys.signer()
    now = int(desk.clock.now().timestamp())
    usual = {
        "iss": PUBLIC_URL, "aud": "doorward-api", "iat": now, "exp": now + 300, "jti": "x", "kind": "device",
        "sub": f"device:{desk.device['id']}", "owner": desk.owner_id, "tenant": desk.tenant_id, "taints": [],
        "credential": desk.device["device_token_id"],
    }  # fmt: skip
    sent = {name: value for name, value in (usual | claims).items() if value is not ABSENT}
    headers = {"kid": pair.id, "typ": "at+jwt", **(header or {})}
    return jwt.encode(sent, pair.private, algorithm="ES256", headers=headers)


async def test_what_the_next_test_signs_is_good_where_nothing_is_changed(desk: Office) -> None:
    assert (await desk.me(signed_by_us(desk))).status == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"header": {"typ": "JWT"}},
        {"header": {"typ": "application/at+jwt"}},
        {"header": {"typ": None}},
        {"header": {"jku": "https://door.example.com/.well-known/jwks.json"}},
        {"header": {"cty": "JWT"}},
        {"aud": "reports"},
        {"aud": ABSENT},
        {"exp": ABSENT},
        {"exp": 1},
        {"exp": "9999999999"},
        {"exp": 1e400},
        {"iat": 9_999_999_999, "exp": 9_999_999_999},
        {"iat": ABSENT},
        {"nbf": 9_999_999_999},
        {"jti": ABSENT},
        {"kind": "user"},
        {"kind": "service"},
        {"kind": "registration"},
        {"kind": ["device"]},
        {"sub": ABSENT},
        {"sub": "device:dev_0000000000000000000000"},
        {"sub": "alice"},
        {"credential": ABSENT},
        {"credential": "dtk_0000000000000000000000"},
        {"credential": ["x"]},
    ],
    ids=str,
)
async def test_what_we_never_sign_lets_nobody_in(desk: Office, changed: dict[str, Any]) -> None:
    assert (await desk.me(signed_by_us(desk, **changed))).refusal == (401, "invalid_token")


@pytest.mark.parametrize(
    "changed", [{"iss": "https://elsewhere.example"}, {"x": "y" * 8192}], ids=["iss", "size"]
)
async def test_what_we_never_sign_is_inactive(desk: Office, changed: dict[str, Any]) -> None:
    """Where no other check comes before: the API itself would not have taken it for ours."""
    assert (await desk.introspect(signed_by_us(desk)))["active"] is True
    assert await desk.introspect(signed_by_us(desk, **changed)) == {"active": False}


async def test_ours_is_never_taken_for_the_providers(desk: Office) -> None:
    token = signed_by_us(desk, iss=desk.issuer.url, sub="alice")

    assert (await holder(desk.server, token).call("GET", "/users/me")).refusal == (401, "invalid_token")


async def test_the_providers_is_never_taken_for_ours(desk: Office) -> None:
    claims = claims_of(await desk.jwt())

    assert (await desk.me(desk.issuer.access_token(**claims))).refusal == (401, "invalid_token")
    assert (await desk.me(desk.issuer.access_token(**{**claims, "iss": desk.issuer.url}))).refusal == (
        403,
        "forbidden",
    )
