"""Registration tokens over PostgreSQL: the statements whose effects the other files show on SQLite."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from tests.apiserver.callers import Caller, holder, user
from tests.apiserver.server import ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

pytestmark = pytest.mark.postgresql
TOKENS = "/registration-tokens"
DEVICES = "/devices"
SERVER_KEY = base64.b64encode(bytes(range(32))).decode()
ASKED = {
    "label": "lab",
    "max_uses": 3,
    "expires_at": "2999-01-01T00:00:00Z",
    "idle_s": 3600,
    "taints": ["prod"],
    "labels": {"site": "zurich"},
    "source_networks": ["127.0.0.0/8", "::1/128"],
    "rate_per_minute": 1000,
}


@pytest.fixture
async def server(issuer: FakeIssuer, postgres_url: str, clock: FakeClock) -> AsyncIterator[ApiServer]:
    async with api_server(issuer, postgres_url, clock, SERVER_KEY=SERVER_KEY) as server:
        yield server


@pytest.fixture
def alice(server: ApiServer, issuer: FakeIssuer) -> Caller:
    return user(server, issuer, "alice")


async def test_a_token_lives_as_on_sqlite(server: ApiServer, alice: Caller) -> None:
    key = {"Idempotency-Key": "key-1"}
    lost = await alice.call("POST", TOKENS, ASKED, headers=key)
    made = await alice.call("POST", TOKENS, ASKED, headers=key)
    path = f"{TOKENS}/{made.body['id']}"
    device = await holder(server, made.body["token"]).done("POST", DEVICES, {"name": "a"})
    rotated = await alice.done("POST", f"{path}/rotate")
    replies = [
        await holder(server, secret).call("POST", DEVICES, {"name": "b"})
        for secret in (lost.body["token"], made.body["token"], rotated["token"], made.body["token"])
    ]
    changed = await alice.done("PATCH", path, {"label": "other"})
    counts = []
    for choice in ("keep", "suspend", "revoke"):
        for dry_run in (True, False):
            told = await alice.done("POST", f"{path}/revoke", {"devices": choice, "dry_run": dry_run})
            counts.append(told["devices"]["count"])
    (listed,) = (await alice.done("GET", TOKENS))["items"]

    assert (lost.status, made.status) == (201, 200)
    assert [reply.status for reply in replies] == [401, 201, 201, 401]
    assert made.body | ASKED == made.body
    assert (changed["label"], changed["uses"]) == ("other", 3)
    assert counts == [3] * 6
    assert (listed["state"], listed["label"]) == ("revoked", "other")
    assert (await holder(server, device["device_token"]).call("GET", f"{DEVICES}/me")).status == 401


async def test_n_uses_are_n_devices_however_many_try_at_once(server: ApiServer, alice: Caller) -> None:
    made = await alice.done("POST", TOKENS, ASKED)
    machine = holder(server, made["token"])

    replies = await asyncio.gather(
        *(machine.call("POST", DEVICES, {"name": f"d{number}"}) for number in range(8))
    )

    refusals = [reply.refusal for reply in replies if reply.status != 201]
    assert refusals == [(403, "registration_token_used_up")] * 5
    assert (await alice.done("GET", f"{TOKENS}/{made['id']}"))["uses"] == 3
