"""`/authz`: what a proxy is told about who calls, and what it is never told."""

from datetime import timedelta

import pytest
from yarl import URL

from common.identity import IDENTITY_HEADERS
from tests.apiserver.callers import holder
from tests.apiserver.credentials import Office, claims_of, office
from tests.apiserver.edge.answers import NAMED, NOBODY, identity, jwt_in, refused
from tests.apiserver.server import api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer
from tests.raw_client import connect


@pytest.mark.parametrize("form", ["named", "path", "root"])
async def test_a_device_becomes_a_jwt(desk: Office, form: str) -> None:
    path, more = {"named": ("/authz", NAMED), "path": ("/authz/x?y=1", {}), "root": ("/authz/", {})}[form]

    answer = await desk.authz(desk.secret("device"), path, **more)

    assert answer.status == 200
    assert await answer.read() == b""
    token = jwt_in(answer)
    assert identity(answer) == {
        "Authorization": f"Bearer {token}",
        "X-User": "alice",
        "X-Auth-Kind": "device",
        "X-Auth-Subject": f"device:{desk.device['id']}",
        "X-Auth-Tenant": desk.tenant_id,
        "X-Auth-Taints": "edge,lab",
        "X-Auth-Scopes": "",
        "X-Auth-Roles": "",
    }
    assert claims_of(token)["sub"] == f"device:{desk.device['id']}"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
async def test_whatever_the_method(desk: Office, method: str) -> None:
    assert (await desk.authz(desk.secret("device"), method=method)).status == 200
    assert (await desk.authz(None, method=method)).status == 401


async def test_a_registration_token_becomes_a_jwt(desk: Office) -> None:
    answer = await desk.authz(desk.secret("registration"))

    assert answer.status == 200
    told = identity(answer)
    assert (told["X-Auth-Kind"], told["X-User"]) == ("registration", "alice")
    assert told["X-Auth-Subject"] == f"registration-token:{desk.registration['id']}"


async def test_a_service_token_becomes_a_jwt_with_its_scopes(desk: Office) -> None:
    told = identity(await desk.authz(desk.secret("service")))

    assert (told["X-Auth-Kind"], told["X-Auth-Scopes"]) == ("service", "devices:read,tokens:introspect")
    assert told["X-Auth-Subject"] == f"service-token:{desk.service['id']}"


async def test_a_user_goes_on_as_they_came(desk: Office) -> None:
    bearer = desk.issuer.access_token("bób, the 1st", scope="openid devices:read")

    told = identity(await desk.authz(bearer))

    assert told == NOBODY | {
        "Authorization": f"Bearer {bearer}",
        "X-User": "b%C3%B3b,%20the%201st",
        "X-Auth-Kind": "user",
        "X-Auth-Subject": "b%C3%B3b,%20the%201st",
        "X-Auth-Scopes": "openid,devices:read",
    }


async def test_a_jwt_of_ours_goes_on_as_it_came(desk: Office) -> None:
    token = await desk.jwt("device", scope="self:read")

    answer = await desk.authz(token)

    assert (answer.status, jwt_in(answer)) == (200, token)
    assert identity(answer)["X-Auth-Scopes"] == "self:read"


async def test_a_jwt_of_ours_for_another_audience_goes_nowhere(desk: Office) -> None:
    token = await desk.jwt("device", audience="reports")

    assert (await desk.authz(token)).status == 401
    assert (await desk.authz(token, X_Authz_Audience="reports")).status == 200


async def test_headers_of_devices(desk: Office) -> None:
    by_device = await desk.authz(X_Device_Key=desk.secret("device"))
    by_registration = await desk.authz(X_Provisioning_Key=desk.secret("registration"))

    assert identity(by_device)["X-Auth-Kind"] == "device"
    assert identity(by_registration)["X-Auth-Kind"] == "registration"


async def test_the_proxy_names_the_audience(desk: Office) -> None:
    named = await desk.authz(desk.secret("device"), X_Authz_Audience="reports")
    other = await desk.authz(desk.secret("device"))

    assert claims_of(jwt_in(named))["aud"] == "reports"
    assert claims_of(jwt_in(other))["aud"] == "doorward-api"


async def test_without_a_credential(desk: Office) -> None:
    answer = await desk.authz()

    assert await refused(answer) == (401, "missing_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("audience", ["elsewhere", "", "doorward-api,reports"])
async def test_an_audience_that_is_not_allowed(desk: Office, audience: str) -> None:
    assert await refused(await desk.authz(desk.secret("device"), X_Authz_Audience=audience)) == (
        403,
        "forbidden",
    )


async def test_more_than_one_credential(desk: Office) -> None:
    device, registration = desk.secret("device"), desk.secret("registration")

    for answer in (
        await desk.authz(device, X_Device_Key=device),
        await desk.authz(desk.issuer.access_token("alice"), X_Provisioning_Key=registration),
        await desk.authz(X_Device_Key=device, X_Provisioning_Key=registration),
    ):
        assert await refused(answer) == (401, "invalid_token")


@pytest.mark.parametrize("name", ["Authorization", "X-Device-Key", "X-Authz-Audience"])
async def test_a_header_that_stands_there_twice(desk: Office, name: str) -> None:
    device = desk.secret("device")
    value = {"Authorization": f"Bearer {device}", "X-Device-Key": device, "X-Authz-Audience": "reports"}[name]
    headers = [(name, value), (name, value)]
    if name == "X-Authz-Audience":
        headers.append(("Authorization", f"Bearer {device}"))

    answer = await desk.server.private.get("/authz/x", headers=headers)

    assert (await refused(answer))[0] in {401, 403}


async def test_a_secret_in_the_wrong_header(desk: Office) -> None:
    device, registration = desk.secret("device"), desk.secret("registration")

    for headers in ({"X_Device_Key": registration}, {"X_Provisioning_Key": device}, {"X_Device_Key": ""}):
        assert await refused(await desk.authz(**headers)) == (401, "invalid_token")


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer  x", "Bearer x y", "DPoP x"])
async def test_an_authorization_that_is_no_bearer(desk: Office, authorization: str) -> None:
    answer = await desk.server.private.get("/authz/x", headers={"Authorization": authorization})

    assert await refused(answer) == (401, "invalid_token")


async def test_a_secret_of_nobody(desk: Office) -> None:
    secret = desk.secret("device")
    other = secret[:-1] + ("0" if secret[-1] != "0" else "1")

    assert await refused(await desk.authz(other)) == (401, "invalid_token")
    assert await refused(await desk.authz("dwi_" + secret[4:])) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("deed", "refusal"), [("revoke", (401, "device_revoked")), ("suspend", (403, "device_suspended"))]
)
async def test_a_device_that_is_shut_out_is_refused_from_the_next_request_on(
    desk: Office, deed: str, refusal: tuple[int, str]
) -> None:
    """Whatever was signed for it before."""
    assert (await desk.authz(desk.secret("device"))).status == 200
    token = await desk.jwt("device")
    await desk.alice.done("POST", f"/devices/{desk.device['id']}/{deed}")

    assert await refused(await desk.authz(desk.secret("device"))) == refusal
    assert await refused(await desk.authz(token)) == refusal


async def test_a_device_that_nobody_approved(desk: Office) -> None:
    machines = holder(desk.server, desk.secret("registration"))
    await machines.done("POST", "/devices", {"name": "one", "fingerprint": "machine-1"})
    clone = await machines.done("POST", "/devices", {"name": "two", "fingerprint": "machine-1"})

    assert await refused(await desk.authz(clone["device_token"])) == (403, "device_not_approved")


async def test_a_registration_token_that_lets_nobody_in(desk: Office) -> None:
    once = await desk.alice.done("POST", "/registration-tokens", {"label": "once", "max_uses": 1})
    await holder(desk.server, once["token"]).done("POST", "/devices", {"name": "first"})
    soon = (desk.clock.now() + timedelta(minutes=1)).isoformat()
    brief = await desk.alice.done("POST", "/registration-tokens", {"label": "brief", "expires_at": soon})
    there = await desk.alice.done(
        "POST", "/registration-tokens", {"label": "there", "source_networks": ["10.0.0.0/8"]}
    )
    desk.clock.advance(minutes=1)

    assert await refused(await desk.authz(once["token"])) == (401, "invalid_token")
    assert await refused(await desk.authz(brief["token"])) == (401, "registration_token_expired")
    assert await refused(await desk.authz(there["token"])) == (403, "source_not_allowed")
    await desk.revoke_registration()
    assert await refused(await desk.authz(desk.secret("registration"))) == (401, "registration_token_revoked")


@pytest.mark.parametrize("left_out", NAMED)
async def test_a_proxy_that_does_not_name_the_request(desk: Office, left_out: str) -> None:
    named = {name: value for name, value in NAMED.items() if name != left_out}

    assert await refused(await desk.authz(desk.secret("device"), "/authz", **named)) == (400, "bad_request")


async def test_a_request_that_is_named_twice(desk: Office) -> None:
    headers = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/a"), ("X-Forwarded-Uri", "/b")]

    assert await refused(await desk.server.private.get("/authz", headers=headers)) == (400, "bad_request")


async def test_one_signature_does_for_many_requests(desk: Office) -> None:
    first = jwt_in(await desk.authz(desk.secret("device")))
    desk.clock.advance(seconds=149)
    assert jwt_in(await desk.authz(desk.secret("device"))) == first
    desk.clock.advance(seconds=1)

    assert jwt_in(await desk.authz(desk.secret("device"))) != first


async def test_another_one_is_signed_when_the_clock_was_put_back(desk: Office) -> None:
    await desk.authz(desk.secret("device"))
    desk.clock.advance(seconds=-3600)

    claims = claims_of(jwt_in(await desk.authz(desk.secret("device"))))

    assert (claims["iat"], claims["exp"]) == (now := int(desk.clock.now().timestamp()), now + 300)


async def test_another_one_is_signed_when_what_it_says_has_changed(desk: Office) -> None:
    first = jwt_in(await desk.authz(desk.secret("device")))
    await desk.alice.done("PATCH", f"/devices/{desk.device['id']}", {"taints": ["lab"]})

    second = await desk.authz(desk.secret("device"))

    assert jwt_in(second) != first
    assert (claims_of(jwt_in(second))["taints"], identity(second)["X-Auth-Taints"]) == (["lab"], "lab")


async def test_another_one_is_signed_when_it_would_outlive_its_registration_token(desk: Office) -> None:
    jwt_in(await desk.authz(desk.secret("registration")))
    ends = desk.clock.now() + timedelta(seconds=60)
    path = f"/registration-tokens/{desk.registration['id']}"
    await desk.alice.done("PATCH", path, {"expires_at": ends.isoformat()})

    token = jwt_in(await desk.authz(desk.secret("registration")))

    assert claims_of(token)["exp"] == int(ends.timestamp())


async def test_another_one_is_signed_once_its_key_was_withdrawn(desk: Office) -> None:
    first = jwt_in(await desk.authz(desk.secret("device")))
    await desk.rotate(compromised=True)

    assert jwt_in(await desk.authz(desk.secret("device"))) != first


async def test_the_public_listener_knows_nothing_of_it(desk: Office) -> None:
    headers = {"Authorization": f"Bearer {desk.secret('device')}"}

    for path in ("/authz", "/authz/", "/authz/x", "/signing-keys", "/signing-keys/rotate"):
        answer = await desk.server.public.get(path, headers=headers)
        assert answer.status == 404
        assert not set(answer.headers) & set(IDENTITY_HEADERS)


@pytest.mark.parametrize(
    "target",
    [
        "/authz/../healthz", "/authz//../../metrics", "/authz/%2e%2e/healthz", "/authz/./../readyz",
        "/authz/..", "/authz/;/../healthz", "/authz/\\..\\healthz", "/authz/http://x/healthz", "/authz/*",
        "/authz/%00", "/authz/%",
    ],
)  # fmt: skip
async def test_no_path_of_a_client_leads_elsewhere(desk: Office, target: str) -> None:
    """Envoy puts the client's path behind ours: one that led to `/healthz` would be a 200, and let in."""
    port = desk.server.private.port
    assert port is not None
    client = await connect(f"http://127.0.0.1:{port}")
    client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert (await client.answer()).status in {400, 401}
    client.close()


@pytest.mark.parametrize("path", ["/authz/%0a", "/authz/a%0Ab", "/authz/a%0d%0ab", "/authz/%E2%80%A8"])
async def test_whatever_is_in_a_path_is_judged(desk: Office, path: str) -> None:
    asked = URL(path, encoded=True)

    assert (await desk.authz(desk.secret("device"), asked)).status == 200
    assert await refused(await desk.authz(None, asked)) == (401, "missing_token")


async def test_a_body_is_never_waited_for(desk: Office) -> None:
    port = desk.server.private.port
    assert port is not None
    client = await connect(f"http://127.0.0.1:{port}")
    client.send(
        f"POST /authz/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        f"Authorization: Bearer {desk.secret('device')}\r\n\r\n".encode()
    )

    assert (await client.answer()).status == 200
    client.close()


async def test_where_a_registration_token_is_used_is_what_a_trusted_proxy_says(
    issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory, clock: FakeClock
) -> None:
    database = tmp_path_factory.mktemp("trusting") / "doorward.db"
    async with api_server(issuer, database, clock, TRUSTED_PROXIES="127.0.0.1/32") as server:
        desk = await office(server, issuer, clock)
        there = await desk.alice.done(
            "POST", "/registration-tokens", {"label": "there", "source_networks": ["10.0.0.0/8"]}
        )

        assert (await desk.authz(there["token"], X_Forwarded_For="10.1.2.3")).status == 200
        assert (await desk.authz(there["token"], X_Forwarded_For="11.1.2.3")).status == 403
