"""What the exchange refuses, and in which words of OAuth (RFC 6749 section 5.2, RFC 8693 section 2.2.2)."""

from typing import Any
from urllib.parse import urlencode

import pytest

from apiserver.exchange.forms import LARGEST_FORM_BYTES
from apiserver.exchange.token import GRANT_TYPE
from apiserver.tokens.secret import SecretKind, mint
from common.randomness import SystemRandomness
from tests.apiserver.callers import holder
from tests.apiserver.credentials import Office, a_service

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": GRANT_TYPE.upper()}, "unsupported_grant_type"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:doorward:token-type:service"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"audience": "elsewhere"}, "invalid_target"),
        ({"audience": "doorward-api reports"}, "invalid_target"),
        ({"audience": "REPORTS"}, "invalid_target"),
        ({"resource": "https://reports.example.com"}, "invalid_target"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
    ],
)
async def test_a_form_that_asks_for_what_there_is_not(
    desk: Office, changed: dict[str, Any], error: str
) -> None:
    reply = await desk.exchange(desk.secret("device"), **changed)

    assert (reply.status, reply.body["error"]) == (400, error)
    assert set(reply.body) == {"error", "error_description"}
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("behind", "error"),
    [
        ("&scope=self:read&scope=self:read", "invalid_request"),
        ("&subject_token=x", "invalid_request"),
        ("&grant_type=", "invalid_request"),
        ("&unknown=1&unknown=1", "invalid_request"),
        ("&audience=reports&audience=doorward-api", "invalid_target"),
        ("&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb", "invalid_target"),
        ("&scope=%FF", "invalid_request"),
        ("&scope=\xe9", "invalid_request"),
        ("&scope", "invalid_request"),
        ("&x=1" + "".join(f"&p{number}=1" for number in range(30)), "invalid_request"),
    ],
)
async def test_a_form_that_two_readers_would_read_apart(desk: Office, behind: str, error: str) -> None:
    reply = await desk.exchange(desk.secret("device"), behind=behind)

    assert (reply.status, reply.body["error"]) == (400, error)


@pytest.mark.parametrize("kind", ["device", "registration", "service"])
@pytest.mark.parametrize("scope", [" ", "   ", "\t", "\u00a0"])
async def test_a_jwt_for_nothing(desk: Office, kind: str, scope: str) -> None:
    """By its list of scopes, which is empty, it would look like one that was not narrowed."""
    reply = await desk.exchange(desk.secret(kind), scope=scope)

    assert (reply.status, reply.body["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("query", ["scope=self:read", "x=1", "subject_token=x"])
async def test_parameters_never_come_in_the_query(desk: Office, query: str) -> None:
    """There they would stand in logs, whatever is done with them."""
    secret = desk.secret("device")
    form = {"grant_type": GRANT_TYPE, "subject_token": secret, "subject_token_type": ACCESS_TOKEN}

    reply = await desk.send(urlencode(form), f"/api/v1/token?{query}")

    assert (reply.status, reply.body["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
async def test_a_body_that_is_no_plain_form(desk: Office, headers: dict[str, str]) -> None:
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": desk.secret("device"),
        "subject_token_type": ACCESS_TOKEN,
    }

    reply = await desk.send(urlencode(form), **headers)

    assert (reply.status, reply.body["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("size", [LARGEST_FORM_BYTES + 1, 65 * 1024, 1024 * 1024])
async def test_a_large_body(desk: Office, size: int) -> None:
    reply = await desk.send("x=" + "y" * (size - 2))

    assert reply.status in {400, 413}
    assert reply.body["error"] == "invalid_request"


async def test_a_large_body_that_did_not_say_so(desk: Office) -> None:
    async def chunks() -> "object":
        yield b"x="
        for _ in range(20):
            yield b"x" * 1024

    answer = await desk.server.public.post(
        "/api/v1/token", data=chunks(), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert "bytes" in (await answer.json())["error_description"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_are_answered_as_oauth_too(desk: Office, method: str) -> None:
    answer = await desk.server.public.request(method, "/api/v1/token")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert (await answer.json())["error"] == "invalid_request"


async def refused(desk: Office, subject_token: str) -> str:
    """How a subject token is refused."""
    reply = await desk.exchange(subject_token)
    assert (reply.status, reply.body["error"]) == (400, "invalid_request"), reply.text
    return str(reply.body["error_description"])


async def test_what_is_unknown_is_refused_without_a_reason(desk: Office) -> None:
    secret = desk.secret("device")
    unknown = [
        "x",
        "dwd_",
        secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        *(mint(kind, "0" * 22, SystemRandomness()).reveal() for kind in SecretKind),
        desk.issuer.access_token("alice"),
        await desk.jwt("device"),
        " " + secret,
    ]

    assert {await refused(desk, token) for token in unknown} == {"The subject_token is not accepted."}


async def test_a_jwt_of_ours_is_not_made_new(desk: Office) -> None:
    """Whoever once had a secret could go on for ever after it has ended."""
    assert await refused(desk, await desk.jwt("service")) == "The subject_token is not accepted."


async def test_a_device_that_waits_gets_none(desk: Office) -> None:
    asked = {"name": "Works", "kind": "private", "device_approval": "required"}
    works = await desk.alice.done("POST", "/tenants", asked)
    made = await desk.alice.done("POST", "/registration-tokens", {"label": "x", "tenant_id": works["id"]})
    waiting = await holder(desk.server, made["token"]).done("POST", "/devices", {"name": "waits"})
    assert waiting["state"] == "pending"

    assert "waits for its approval" in await refused(desk, waiting["device_token"])
    assert (await desk.me(waiting["device_token"])).status == 200
    await desk.alice.done("POST", f"/devices/{waiting['id']}/approve")
    assert (await desk.exchange(waiting["device_token"])).status == 200


async def test_a_device_in_quarantine_gets_none(desk: Office) -> None:
    machines = holder(desk.server, desk.secret("registration"))
    await machines.done("POST", "/devices", {"name": "one", "fingerprint": "machine-1"})
    clone = await machines.done("POST", "/devices", {"name": "two", "fingerprint": "machine-1"})
    assert clone["state"] == "quarantined"

    assert "is in quarantine" in await refused(desk, clone["device_token"])


@pytest.mark.parametrize(
    ("deed", "told"), [("suspend", "This device is suspended"), ("revoke", "This device was revoked")]
)
async def test_a_device_that_was_shut_out_gets_none(desk: Office, deed: str, told: str) -> None:
    await desk.alice.done("POST", f"/devices/{desk.device['id']}/{deed}")

    assert told in await refused(desk, desk.secret("device"))


async def test_a_device_token_that_was_replaced_gets_none(desk: Office) -> None:
    rotated = await desk.alice.done("POST", f"/devices/{desk.device['id']}/rotate-token")
    assert (await desk.exchange(rotated["device_token"])).status == 200

    assert "was replaced by a newer one" in await refused(desk, desk.secret("device"))


async def test_a_registration_token_that_was_revoked_gets_none(desk: Office) -> None:
    await desk.revoke_registration()

    assert "was revoked" in await refused(desk, desk.secret("registration"))


async def test_a_registration_token_that_is_used_up_gets_none(desk: Office) -> None:
    made = await desk.alice.done("POST", "/registration-tokens", {"label": "once", "max_uses": 1})
    await holder(desk.server, made["token"]).done("POST", "/devices", {"name": "first"})

    assert "uses of this registration token are spent" in await refused(desk, made["token"])


async def test_a_registration_token_that_has_expired_gets_none(desk: Office) -> None:
    made = await desk.alice.done("POST", "/registration-tokens", {"label": "idle", "idle_s": 120})
    desk.clock.advance(seconds=120)

    assert "has expired" in await refused(desk, made["token"])


async def test_a_registration_token_of_another_network_gets_none(desk: Office) -> None:
    made = await desk.alice.done(
        "POST", "/registration-tokens", {"label": "there", "source_networks": ["10.0.0.0/8"]}
    )

    assert "from this network" in await refused(desk, made["token"])


async def test_a_service_token_that_was_revoked_gets_none(desk: Office) -> None:
    await desk.alice.done("POST", f"/service-tokens/{desk.service['id']}/revoke")

    assert "was revoked" in await refused(desk, desk.secret("service"))


async def test_a_service_token_that_has_expired_gets_none(desk: Office) -> None:
    service = await a_service(desk.alice, desk.clock, desk.tenant_id, "devices:read")
    desk.clock.advance(days=30)

    assert "has expired" in await refused(desk, service["token"])
