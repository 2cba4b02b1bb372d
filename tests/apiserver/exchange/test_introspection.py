"""RFC 7662 at `POST /api/v1/introspect`: whether a token still holds, for services of its tenant alone."""

from datetime import timedelta
from typing import Any

import pytest

from tests.apiserver.callers import holder, user
from tests.apiserver.credentials import PUBLIC_URL, Office, a_service, claims_of

INACTIVE = {"active": False}
KINDS = ("device", "registration", "service")


@pytest.mark.parametrize("audience", ["doorward-api", "reports"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_jwt_of_any_audience_is_told_as_it_is(desk: Office, kind: str, audience: str) -> None:
    token = await desk.jwt(kind, audience=audience)

    told = await desk.introspect(token)

    assert told == {"active": True, "token_type": "Bearer", **claims_of(token)}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_secret_is_told_as_its_jwt_would_be(desk: Office, kind: str) -> None:
    told = await desk.introspect(desk.secret(kind))
    jwt = claims_of(await desk.jwt(kind))

    assert told.pop("active") is True
    in_thirty_days = int(desk.clock.now().timestamp()) + 30 * 86_400
    assert told.pop("exp", None) == (in_thirty_days if kind == "service" else None)
    assert told == {name: jwt[name] for name in jwt if name not in {"iss", "aud", "iat", "exp", "jti"}}


async def test_a_narrowed_jwt_has_its_scope(desk: Office) -> None:
    assert (await desk.introspect(await desk.jwt(scope="self:read")))["scope"] == "self:read"


async def test_a_hint_and_what_is_unknown_are_passed_over(desk: Office) -> None:
    told = await desk.introspect(desk.secret("device"), token_type_hint="refresh_token", of_tomorrow="x")

    assert told["active"] is True


async def test_of_others_nothing_is_told(desk: Office) -> None:
    bob = user(desk.server, desk.issuer, "bob")
    his_tenant = (await bob.done("GET", "/users/me"))["personal_tenant_id"]
    his = await a_service(bob, desk.clock, his_tenant, "tokens:introspect")

    for kind in KINDS:
        assert await desk.introspect(desk.secret(kind), by=his["token"]) == INACTIVE
        assert await desk.introspect(await desk.jwt(kind), by=his["token"]) == INACTIVE
    assert (await desk.introspect(his["token"], by=his["token"]))["active"] is True


@pytest.mark.parametrize("token", ["x", "dwd_" + "0" * 71, "a.b.c", "é", " ", "x" * 9000])
async def test_what_is_no_token_is_inactive(desk: Office, token: str) -> None:
    assert await desk.introspect(token) == INACTIVE


async def test_a_jwt_of_the_provider_is_inactive(desk: Office) -> None:
    assert await desk.introspect(desk.issuer.access_token("alice")) == INACTIVE


@pytest.mark.parametrize("deed", ["revoke", "suspend"])
async def test_a_device_that_was_shut_out_is_inactive_at_once(desk: Office, deed: str) -> None:
    token = await desk.jwt("device", audience="reports")
    await desk.alice.done("POST", f"/devices/{desk.device['id']}/{deed}")

    assert await desk.introspect(token) == INACTIVE
    assert await desk.introspect(desk.secret("device")) == INACTIVE


async def test_a_registration_token_that_was_revoked_is_inactive_at_once(desk: Office) -> None:
    token = await desk.jwt("registration")
    await desk.revoke_registration()

    assert await desk.introspect(token) == INACTIVE
    assert await desk.introspect(desk.secret("registration")) == INACTIVE


async def test_a_registration_token_that_is_used_up_is_inactive(desk: Office) -> None:
    made = await desk.alice.done("POST", "/registration-tokens", {"label": "once", "max_uses": 1})
    token = (await desk.exchange(made["token"])).body["access_token"]
    await holder(desk.server, made["token"]).done("POST", "/devices", {"name": "first"})

    assert await desk.introspect(token) == INACTIVE
    assert await desk.introspect(made["token"]) == INACTIVE


async def test_a_service_token_that_was_revoked_is_inactive_at_once(desk: Office) -> None:
    other = await a_service(desk.alice, desk.clock, desk.tenant_id, "devices:read")
    token = (await desk.exchange(other["token"])).body["access_token"]
    await desk.alice.done("POST", f"/service-tokens/{other['id']}/revoke")

    assert await desk.introspect(token) == INACTIVE
    assert await desk.introspect(other["token"]) == INACTIVE


async def test_a_jwt_that_has_expired_is_inactive(desk: Office) -> None:
    token = await desk.jwt()
    desk.clock.advance(seconds=331)

    assert await desk.introspect(token) == INACTIVE


async def test_a_device_whose_time_has_come_is_inactive_before_the_janitor_comes(desk: Office) -> None:
    await desk.let_device_expire(in_=timedelta(seconds=10))
    token = await desk.jwt("device")
    desk.clock.advance(seconds=10)

    assert await desk.introspect(desk.secret("device")) == INACTIVE
    assert await desk.introspect(token) == INACTIVE


async def test_a_device_in_quarantine_is_inactive(desk: Office) -> None:
    machines = holder(desk.server, desk.secret("registration"))
    await machines.done("POST", "/devices", {"name": "one", "fingerprint": "machine-1"})
    clone = await machines.done("POST", "/devices", {"name": "two", "fingerprint": "machine-1"})

    assert await desk.introspect(clone["device_token"]) == INACTIVE


async def test_to_be_asked_about_is_no_use(desk: Office) -> None:
    """Otherwise who is shown the next device token could end the one in use."""
    rotated = await desk.alice.done("POST", f"/devices/{desk.device['id']}/rotate-token")

    assert (await desk.introspect(rotated["device_token"]))["active"] is True
    assert (await desk.me(desk.secret("device"))).status == 200


async def refusal(desk: Office, bearer: str | None, **form: str) -> tuple[int, str, str | None]:
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    answer = await desk.server.public.post("/api/v1/introspect", data=form, headers=headers)
    body: dict[str, Any] = await answer.json()
    return answer.status, body["error"], answer.headers.get("WWW-Authenticate")


async def test_who_may_not_ask(desk: Office) -> None:
    unfit = await a_service(desk.alice, desk.clock, desk.tenant_id, "devices:read")
    revoked = await a_service(desk.alice, desk.clock, desk.tenant_id, "tokens:introspect")
    await desk.alice.done("POST", f"/service-tokens/{revoked['id']}/revoke")
    form = {"token": desk.secret("device")}

    assert await refusal(desk, None, **form) == (401, "invalid_token", "Bearer")
    for bearer in (revoked["token"], "x", await desk.jwt("service", audience="reports")):
        assert await refusal(desk, bearer, **form) == (
            401, "invalid_token", 'Bearer error="invalid_token"',
        )  # fmt: skip
    for bearer in (desk.secret("device"), desk.secret("registration"), desk.issuer.access_token("alice")):
        assert (await refusal(desk, bearer, **form))[:2] == (403, "access_denied")
    for bearer in (unfit["token"], await desk.jwt("service", scope="devices:read")):
        assert (await refusal(desk, bearer, **form))[:2] == (403, "insufficient_scope")


async def test_a_service_may_ask_with_its_jwt(desk: Office) -> None:
    told = await desk.introspect(desk.secret("device"), by=await desk.jwt("service"))

    assert told["active"] is True


async def test_a_question_without_a_token_is_refused(desk: Office) -> None:
    assert (await refusal(desk, desk.secret("service"), token=""))[:2] == (400, "invalid_request")


async def test_the_issuer_is_told(desk: Office) -> None:
    assert (await desk.introspect(await desk.jwt()))["iss"] == PUBLIC_URL
