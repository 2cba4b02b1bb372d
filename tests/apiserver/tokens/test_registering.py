"""What a registration token allows, forces and refuses when a device registers with it."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apiserver.tenants.tenants import DeviceApproval, Role
from tests.apiserver.callers import Caller, Reply, holder, id_of, shared_tenant, user
from tests.apiserver.server import ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

TOKENS = "/registration-tokens"
DEVICES = "/devices"
FORGED: list[dict[str, Any]] = [
    {"taints": ["root"]},
    {"tags": ["root"]},
    {"owner_id": "usr_1"},
    {"ipv4": "100.64.0.1"},
    {"ephemeral_s": None},
    {"state": "active"},
    {"registration_token_id": None},
    {"pre_approved": True},
]


def at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def make(caller: Caller, **fields: Any) -> dict[str, Any]:
    return dict(await caller.done("POST", TOKENS, {"label": "lab", **fields}))


async def register(
    server: ApiServer,
    made: dict[str, Any],
    name: str = "web",
    forwarded_for: str | None = None,
    **fields: Any,
) -> Reply:
    headers = {} if forwarded_for is None else {"X-Forwarded-For": forwarded_for}
    body = {"name": name, **fields}
    return await holder(server, made["token"]).call("POST", DEVICES, body, headers=headers)


async def uses_of(caller: Caller, made: dict[str, Any]) -> int:
    shown = await caller.done("GET", f"{TOKENS}/{made['id']}")
    return int(shown["uses"])


# When and how often


async def test_a_token_ends_at_the_second_it_expires(
    server: ApiServer, alice: Caller, clock: FakeClock
) -> None:
    made = await make(alice, expires_at=at(clock.now() + timedelta(hours=1)))
    clock.advance(seconds=3599)
    before = await register(server, made, "a")
    clock.advance(seconds=1)
    after = await register(server, made, "b")

    assert before.status == 201
    assert after.refusal == (401, "registration_token_expired")


async def test_a_token_begins_at_the_second_it_is_valid_from(
    server: ApiServer, alice: Caller, clock: FakeClock
) -> None:
    made = await make(alice, not_before=at(clock.now() + timedelta(hours=1)))
    clock.advance(seconds=3599)
    before = await register(server, made, "a")
    clock.advance(seconds=1)
    after = await register(server, made, "b")

    assert before.refusal == (403, "registration_token_not_yet_valid")
    assert after.status == 201


async def test_each_use_keeps_an_idle_token_alive_and_a_refused_one_does_not(
    server: ApiServer, alice: Caller, clock: FakeClock
) -> None:
    made = await make(alice, idle_s=120, name_pattern="ci-*")
    clock.advance(seconds=119)
    used = await register(server, made, "ci-1")
    clock.advance(seconds=119)
    refused = await register(server, made, "web")
    clock.advance(seconds=1)
    late = await register(server, made, "ci-2")

    assert used.status == 201
    assert refused.refusal == (403, "name_not_allowed")
    assert late.refusal == (401, "registration_token_expired")
    assert (await alice.done("GET", f"{TOKENS}/{made['id']}"))["state"] == "expired"


async def test_a_use_does_not_come_back_when_its_device_goes(server: ApiServer, alice: Caller) -> None:
    left, revoked = await make(alice, max_uses=1), await make(alice, max_uses=1)
    device = (await register(server, left)).body
    await holder(server, device["device_token"]).done("DELETE", f"{DEVICES}/me")
    device = (await register(server, revoked)).body
    await alice.done("POST", f"{DEVICES}/{device['id']}/revoke")

    for made in (left, revoked):
        assert (await register(server, made, "again")).refusal == (403, "registration_token_used_up")


async def test_n_uses_are_n_devices_however_many_try_at_once(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, max_uses=3)

    replies = await asyncio.gather(*(register(server, made, f"d{number}") for number in range(8)))

    refusals = [reply.refusal for reply in replies if reply.status != 201]
    assert refusals == [(403, "registration_token_used_up")] * 5
    assert await uses_of(alice, made) == 3
    assert len((await alice.done("GET", f"{DEVICES}?registration_token_id={made['id']}"))["items"]) == 3


async def test_too_fast_is_told_when_to_come_back_and_spends_nothing(
    server: ApiServer, alice: Caller, clock: FakeClock
) -> None:
    made = await make(alice, rate_per_minute=2, max_uses=3)
    at_once = [(await register(server, made, name)).status for name in ("a", "b")]

    refused = await register(server, made, "c")
    uses = await uses_of(alice, made)
    clock.advance(seconds=int(refused.headers["Retry-After"]))
    later = await register(server, made, "c")

    assert at_once == [201, 201]
    assert refused.refusal == (429, "too_many_requests")
    assert (refused.headers["Retry-After"], uses) == ("30", 2)
    assert later.status == 201


# Where from, under which name


async def test_a_header_of_the_client_does_not_move_it_into_the_source_networks(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice, source_networks=["10.0.0.0/8"], max_uses=1)

    for forged in (None, "10.1.2.3", "127.0.0.1, 10.1.2.3", "10.1.2.3, 10.1.2.3"):
        reply = await register(server, made, forwarded_for=forged)

        assert reply.refusal == (403, "source_not_allowed")
    assert await uses_of(alice, made) == 0


async def test_a_configured_proxy_tells_where_the_client_is(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    """What stands left of the address that the proxy saw was written by the client."""
    within = ["10.1.2.3", "192.0.2.1, 10.1.2.3"]
    outside = ["10.1.2.3, 192.0.2.1", "192.0.2.1", "10.1.2.3.4", ""]
    async with api_server(issuer, database, clock, TRUSTED_PROXIES="127.0.0.1/32") as server:
        made = await make(user(server, issuer, "alice"), source_networks=["10.0.0.0/8"])

        let_in = [await register(server, made, forwarded_for=told) for told in within]
        refused = [await register(server, made, forwarded_for=told) for told in outside]

    assert [reply.status for reply in let_in] == [201] * 2
    assert [reply.refusal for reply in refused] == [(403, "source_not_allowed")] * 4


async def test_a_source_within_the_networks_is_let_in(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, source_networks=["10.0.0.0/8", "127.0.0.1"])

    assert (await register(server, made)).status == 201


async def test_a_name_outside_the_pattern_is_told_the_pattern(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, name_pattern="ci-??-*", max_uses=1)

    refused = await register(server, made, "ci-1-web")
    fitting = await register(server, made, "CI-01-web")

    assert refused.refusal == (403, "name_not_allowed")
    assert "ci-??-*" in refused.body["detail"]
    assert (fitting.status, await uses_of(alice, made)) == (201, 1)


# What is forced


async def test_what_the_token_forces_the_client_cannot_change(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, taints=["prod"], labels={"site": "zurich"}, ephemeral_s=600)

    registered = await register(server, made, labels={"site": "moon", "rack": "7"})
    device = await alice.done("GET", f"{DEVICES}/{registered.body['id']}")

    assert device["taints"] == ["prod"]
    assert device["labels"] == {"rack": "7", "site": "zurich"}
    assert device["ephemeral_s"] == 600
    assert (device["tenant_id"], device["owner_id"]) == (made["tenant_id"], await id_of(alice))
    assert device["registration_token_id"] == made["id"]


async def test_what_is_not_the_clients_to_say_is_refused(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, max_uses=1)

    replies = [(forged, await register(server, made, **forged)) for forged in FORGED]

    assert [forged for forged, reply in replies if reply.refusal != (422, "invalid_body")] == []
    assert await uses_of(alice, made) == 0


async def test_too_many_labels_together_are_refused_and_spend_nothing(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice, labels={f"forced{number}": "x" for number in range(32)}, max_uses=1)

    reply = await register(server, made, labels={"one-more": "x"})

    assert reply.refusal == (422, "invalid_body")
    assert await uses_of(alice, made) == 0


async def test_a_token_joins_its_own_tenant_alone(server: ApiServer, alice: Caller, bob: Caller) -> None:
    made = await make(alice)
    foreign = (await bob.done("GET", "/users/me"))["personal_tenant_id"]

    replies = [
        await register(server, made, tenant_id=tenant_id)
        for tenant_id in (foreign, "ten_0000000000000000000000")
    ]
    own = await register(server, made, tenant_id=made["tenant_id"])

    assert [reply.refusal for reply in replies] == [(403, "forbidden")] * 2
    assert replies[0].body["detail"] == replies[1].body["detail"]
    assert own.status == 201


@pytest.mark.parametrize(("pre_approved", "state"), [(False, "pending"), (True, "active")])
async def test_devices_of_a_token_wait_for_approval_unless_it_vouches_for_them(
    server: ApiServer, alice: Caller, pre_approved: bool, state: str
) -> None:
    members = {alice: Role.ADMIN}
    tenant_id = await shared_tenant(server, members, approval=DeviceApproval.REQUIRED)
    made = await make(alice, tenant_id=tenant_id, pre_approved=pre_approved)

    assert (await register(server, made)).body["state"] == state


# What else it may do


async def test_a_registration_token_does_nothing_but_register(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)
    device = (await register(server, made)).body
    one = f"{DEVICES}/{device['id']}"

    for method, path in [
        ("GET", "/users/me"),
        ("GET", DEVICES),
        ("GET", one),
        ("PATCH", one),
        ("POST", f"{one}/approve"),
        ("POST", f"{one}/suspend"),
        ("POST", f"{one}/revoke"),
        ("POST", f"{one}/rotate-token"),
        ("GET", f"{DEVICES}/me"),
        ("DELETE", f"{DEVICES}/me"),
        ("POST", f"{DEVICES}/me/rotate-token"),
    ]:
        reply = await holder(server, made["token"]).call(method, path)

        assert reply.refusal == (403, "forbidden"), (method, path)
    assert (await alice.done("GET", one))["state"] == "active"


async def test_a_device_token_registers_nothing(server: ApiServer, alice: Caller) -> None:
    device = (await register(server, await make(alice))).body

    reply = await holder(server, device["device_token"]).call("POST", DEVICES, {"name": "web"})

    assert reply.refusal == (403, "forbidden")
