"""`POST /api/v1/registration-tokens/{id}/rotate`: a new secret, and how long the old one holds."""

from datetime import timedelta
from typing import Any

import pytest

from tests.apiserver.callers import Caller, Reply, holder
from tests.apiserver.server import ApiServer
from tests.fakes.clock import FakeClock

TOKENS = "/registration-tokens"
DEVICES = "/devices"


async def make(caller: Caller, **fields: Any) -> dict[str, Any]:
    return dict(await caller.done("POST", TOKENS, {"label": "lab", **fields}))


async def rotate(caller: Caller, made: dict[str, Any]) -> str:
    rotated = await caller.done("POST", f"{TOKENS}/{made['id']}/rotate")
    return str(rotated["token"])


async def register(server: ApiServer, secret: str, name: str = "web") -> Reply:
    return await holder(server, secret).call("POST", DEVICES, {"name": name})


async def test_the_old_secret_holds_until_the_new_one_is_used(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)
    assert (await register(server, made["token"], "a")).status == 201

    new = await rotate(alice, made)
    before = await register(server, made["token"], "b")
    first = await register(server, new, "c")
    after = await register(server, made["token"], "d")

    assert (before.status, first.status) == (201, 201)
    assert after.refusal == (401, "invalid_token")
    assert (await register(server, new, "e")).status == 201


async def test_a_secret_that_nobody_has_used_yet_holds_as_well(server: ApiServer, alice: Caller) -> None:
    """It may lie in an image that is about to be rolled out."""
    made = await make(alice)

    new = await rotate(alice, made)

    assert (await register(server, made["token"], "a")).status == 201
    assert (await register(server, new, "b")).status == 201
    assert (await register(server, made["token"], "c")).refusal == (401, "invalid_token")


async def test_rotating_again_replaces_the_new_secret_that_was_not_used(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice)
    lost = await rotate(alice, made)

    new = await rotate(alice, made)

    assert (await register(server, lost)).refusal == (401, "invalid_token")
    assert (await register(server, made["token"], "a")).status == 201
    assert (await register(server, new, "b")).status == 201


async def test_a_use_that_is_refused_ends_no_old_secret(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, name_pattern="ci-*")
    new = await rotate(alice, made)

    refused = await register(server, new, "web")
    old = await register(server, made["token"], "ci-1")

    assert refused.refusal == (403, "name_not_allowed")
    assert old.status == 201


async def test_rotation_leaves_uses_and_devices_alone(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, max_uses=2)
    device = (await register(server, made["token"], "a")).body

    rotated = await alice.done("POST", f"{TOKENS}/{made['id']}/rotate")
    await register(server, rotated["token"], "b")
    third = await register(server, rotated["token"], "c")

    assert (rotated["uses"], rotated["max_uses"]) == (1, 2)
    assert third.refusal == (403, "registration_token_used_up")
    await holder(server, device["device_token"]).done("GET", f"{DEVICES}/me")


async def test_a_clock_that_steps_back_leaves_the_new_secret_the_newer_one(
    server: ApiServer, alice: Caller, clock: FakeClock
) -> None:
    made = await make(alice)
    clock.advance(seconds=-60)

    new = await rotate(alice, made)
    assert (await register(server, made["token"], "a")).status == 201

    assert (await register(server, new, "b")).status == 201
    assert (await register(server, made["token"], "c")).refusal == (401, "invalid_token")


async def test_a_used_up_token_may_be_rotated_since_its_devices_come_again_with_it(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice, max_uses=1)
    await register(server, made["token"])

    assert (await alice.call("POST", f"{TOKENS}/{made['id']}/rotate")).status == 200


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_a_token_that_has_ended_gets_no_new_secret(alice: Caller, clock: FakeClock, end: str) -> None:
    made = await make(alice, expires_at=(clock.now() + timedelta(hours=1)).isoformat())
    if end == "revoked":
        await alice.done("POST", f"{TOKENS}/{made['id']}/revoke", {"devices": "keep"})
    else:
        clock.advance(hours=1)

    reply = await alice.call("POST", f"{TOKENS}/{made['id']}/rotate")

    assert reply.refusal == (409, "wrong_state")
