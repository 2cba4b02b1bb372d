"""A machine that was never here becomes a device: what it gets, what its token forces, when it is refused."""

import base64
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from apiserver.tenants.tenants import DeviceApproval
from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import DEVICES, Machine, Person, World, my_device
from tests.apiserver.made import change_token
from tests.apiserver.server import api_server
from tests.fakes.hpke_opener import open_base

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]


async def test_a_machine_with_a_key_gets_its_token_sealed(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()

    answer = await token.register(machine)
    seen = await my_device(world, machine.opened(answer))

    assert answer.status == 201
    assert answer.body["id"].startswith("dev_")
    assert answer.body["device_token_id"].startswith("dtk_")
    assert answer.body["tenant_id"] == alice.tenant_id
    assert answer.body["state"] == "active"
    assert answer.body["ipv4"] is not None
    assert answer.body["ipv6"] is not None
    assert "device_token" not in answer.body
    assert seen.body["id"] == answer.body["id"]
    assert seen.body["public_key"] == machine.public_key


async def test_a_machine_without_a_key_gets_its_token_in_clear_and_no_address(
    world: World, alice: Person
) -> None:
    answer = await (await alice.token()).register()
    seen = await my_device(world, answer.body["device_token"])

    assert answer.status == 201
    assert "sealed_device_token" not in answer.body
    assert (answer.body["ipv4"], answer.body["ipv6"]) == (None, None)
    assert seen.body["id"] == answer.body["id"]


async def test_the_answer_is_kept_by_no_cache(alice: Person) -> None:
    answer = await (await alice.token()).register()

    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("ids", [("dev_other", None), (None, "dtk_other")], ids=["device", "device token"])
async def test_a_sealed_token_does_not_open_under_another_id(
    alice: Person, ids: tuple[str | None, str | None]
) -> None:
    machine = Machine()
    body = (await (await alice.token()).register(machine)).device()
    device_id, token_id = ids[0] or body["id"], ids[1] or body["device_token_id"]
    sealed = base64.urlsafe_b64decode(body["sealed_device_token"] + "==")

    with pytest.raises(InvalidTag):
        open_base(
            sealed,
            machine.private_key.private_bytes_raw(),
            f"doorward/device-token/v1|{device_id}|{token_id}".encode(),
        )


async def test_a_sealed_token_does_not_open_with_another_key(alice: Person) -> None:
    answer = await (await alice.token()).register(Machine())

    with pytest.raises(InvalidTag):
        Machine().opened(answer)


async def test_a_user_registers_a_device_of_their_own(world: World, alice: Person) -> None:
    machine = Machine()
    answer = await alice.register(machine)
    device = await alice.device(answer.body["id"])

    assert answer.status == 201
    assert device["owner_id"] == alice.id
    assert device["tenant_id"] == alice.tenant_id
    assert device["registration_token_id"] is None
    assert (await my_device(world, machine.opened(answer))).status == 200


async def test_a_use_is_spent(world: World, alice: Person) -> None:
    token = await alice.token(max_uses=2)
    await token.register(Machine())

    assert await token.uses() == 1


async def test_a_used_up_token_lets_nobody_new_in(alice: Person) -> None:
    token = await alice.token(max_uses=1)
    first = await token.register(Machine())
    second = await token.register(Machine())

    assert first.status == 201
    assert second.refusal == (403, "registration_token_used_up")
    assert len(await alice.devices()) == 1


async def test_a_revoked_device_gives_no_use_back(alice: Person) -> None:
    token = await alice.token(max_uses=1)
    device = (await token.register(Machine())).device()
    await alice.do("revoke", device["id"])

    assert (await token.register(Machine())).refusal == (403, "registration_token_used_up")


CLOSED = {
    "expired by a second": ({"expires_at": -1}, (401, "registration_token_expired")),
    "expires this moment": ({"expires_at": 0}, (401, "registration_token_expired")),
    "not yet valid": ({"not_before": 60}, (403, "registration_token_not_yet_valid")),
    "suspended": ({"suspended_at": -1}, (403, "registration_token_suspended")),
    "revoked": ({"revoked_at": -1}, (401, "registration_token_revoked")),
}


@pytest.mark.parametrize(("times", "refusal"), CLOSED.values(), ids=CLOSED)
async def test_a_closed_token_lets_nobody_in_and_says_why(
    world: World, alice: Person, times: dict[str, int], refusal: tuple[int, str]
) -> None:
    now = world.clock.now()
    limits: dict[str, Any] = {name: now + timedelta(seconds=seconds) for name, seconds in times.items()}
    token = await alice.token(**limits)

    answer = await token.register(Machine())

    assert answer.refusal == refusal
    assert await token.uses() == 0
    assert await alice.devices() == []


async def test_a_token_that_was_idle_too_long_has_expired(world: World, alice: Person) -> None:
    token = await alice.token(idle_s=60)
    world.clock.advance(seconds=61)

    assert (await token.register()).refusal == (401, "registration_token_expired")


async def test_use_keeps_a_token_from_being_idle(world: World, alice: Person) -> None:
    token = await alice.token(idle_s=60)
    world.clock.advance(seconds=40)
    await token.register(name="first")
    world.clock.advance(seconds=40)

    assert (await token.register(name="second")).status == 201


async def test_a_token_is_valid_until_its_last_second(world: World, alice: Person) -> None:
    token = await alice.token(expires_at=world.clock.now() + timedelta(seconds=1))

    assert (await token.register()).status == 201


async def test_a_token_without_an_expiry_does_not_expire(world: World, alice: Person) -> None:
    token = await alice.token()
    world.clock.advance(days=4000)

    assert (await token.register()).status == 201


async def test_more_than_the_rate_is_refused_and_burns_nothing(world: World, alice: Person) -> None:
    token = await alice.token(rate_per_minute=2)
    statuses = [(await token.register(name=f"web-{number}")).status for number in range(3)]
    refused = await token.register()
    world.clock.advance(seconds=int(refused.headers["Retry-After"]))
    later = await token.register()

    assert statuses == [201, 201, 429]
    assert refused.refusal == (429, "too_many_requests")
    assert later.status == 201
    assert await token.uses() == 3


async def test_what_the_token_forces_wins_over_what_the_machine_says(world: World, alice: Person) -> None:
    token = await alice.token(
        taints=("lab",), labels={"site": "north"}, ephemeral_s=3600, name_pattern="node-*"
    )
    answer = await token.register(Machine(), name="node-1", labels={"site": "south", "rack": "4"})
    device = await alice.device(answer.body["id"])

    assert answer.body["taints"] == ["lab"]
    assert answer.body["labels"] == {"site": "north", "rack": "4"}
    assert device["owner_id"] == alice.id
    assert device["ephemeral_s"] == 3600
    assert device["registration_token_id"] == token.made.id


@pytest.mark.parametrize(
    "field",
    [
        {"taints": ["admin"]},
        {"owner_id": "usr_x"},
        {"state": "active"},
        {"ipv4": "100.64.0.9"},
        {"ipv6": "fd00::9"},
        {"approved_at": "2026-01-01T00:00:00Z"},
        {"ephemeral_s": None},
        {"registration_token_id": None},
        {"id": "dev_1"},
        {"Name": "x"},
    ],
    ids=lambda field: next(iter(field)),
)
async def test_what_a_machine_may_not_choose_is_refused(alice: Person, field: dict[str, Any]) -> None:
    token = await alice.token(max_uses=1)

    assert (await token.register(**field)).refusal == (422, "invalid_body")
    assert await token.uses() == 0


async def test_a_machine_may_name_its_tokens_own_tenant_alone(alice: Person, bob: Person) -> None:
    token = await alice.token()
    own = await token.register(name="own", tenant_id=alice.tenant_id)
    others = await token.register(tenant_id=bob.tenant_id)
    unknown = await token.register(tenant_id="ten_0000000000000000000000")

    assert own.status == 201
    assert others.refusal == (403, "forbidden")
    assert {**others.body, "request_id": ""} == {**unknown.body, "request_id": ""}
    assert await bob.devices() == []


async def test_forced_and_own_labels_together_may_be_too_many(alice: Person) -> None:
    token = await alice.token(labels={"site": "north"})
    own = {f"label-{number}": "x" for number in range(32)}

    assert (await token.register(labels=own)).refusal == (422, "invalid_body")
    assert await token.uses() == 0


async def test_a_name_outside_the_pattern_burns_nothing(alice: Person) -> None:
    token = await alice.token(name_pattern="node-*", max_uses=1)

    assert (await token.register(name="web")).refusal == (403, "name_not_allowed")
    assert await token.uses() == 0


async def test_a_source_outside_the_networks_burns_nothing(alice: Person) -> None:
    token = await alice.token(source_networks=(ip_network("192.0.2.0/24"),), max_uses=1)

    assert (await token.register()).refusal == (403, "source_not_allowed")
    assert await token.uses() == 0


async def test_a_source_that_a_client_only_claims_does_not_count(world: World, alice: Person) -> None:
    token = await alice.token(source_networks=(ip_network("192.0.2.0/24"),))
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1", "Forwarded": "for=192.0.2.1"}

    answer = await world.call("POST", DEVICES, token.made.secret, json={"name": "web"}, headers=headers)

    assert answer.refusal == (403, "source_not_allowed")


async def test_a_source_that_a_trusted_proxy_names_counts(world: World, tmp_path: Path) -> None:
    settings = {"TRUSTED_PROXIES": "127.0.0.0/8"}
    async with api_server(world.issuer, tmp_path / "doorward.db", world.clock, **settings) as server:
        behind = World(server, world.issuer, world.clock)
        token = await (await behind.person()).token(source_networks=(ip_network("192.0.2.0/24"),))
        statuses = []
        for forwarded in ("192.0.2.1", "192.0.2.1, 203.0.113.1", "192.0.2.1, junk", ""):
            headers, body = {"X-Forwarded-For": forwarded}, {"name": "web"}
            answer = await behind.call("POST", DEVICES, token.made.secret, json=body, headers=headers)
            statuses.append(answer.status)

    assert statuses == [201, 403, 403, 403]


async def test_a_source_inside_the_networks_is_let_in(alice: Person) -> None:
    token = await alice.token(source_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))

    assert (await token.register()).status == 201


# Approval


@pytest.mark.parametrize(
    ("approval", "pre_approved", "state"),
    [
        (DeviceApproval.AUTOMATIC, False, "active"),
        (DeviceApproval.REQUIRED, False, "pending"),
        (DeviceApproval.REQUIRED, True, "active"),
    ],
)
async def test_who_waits_for_approval(
    world: World, alice: Person, approval: DeviceApproval, pre_approved: bool, state: str
) -> None:
    tenant_id = await world.tenant(approval, owner=alice)
    token = await alice.token(tenant_id, pre_approved=pre_approved)

    device = await alice.device((await token.register(Machine())).device()["id"])

    assert device["state"] == state
    assert (device["approved_at"] is None) == (state == "pending")


async def test_a_member_waits_for_approval_and_an_admin_does_not(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(DeviceApproval.REQUIRED, admin=alice, member=bob)

    of_admin = await alice.register(Machine(), tenant_id=tenant_id)
    of_member = await bob.register(Machine(), tenant_id=tenant_id, name="bobs")

    assert of_admin.body["state"] == "active"
    assert of_member.body["state"] == "pending"


async def test_a_pending_device_is_let_in_by_an_admin_alone(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(DeviceApproval.REQUIRED, admin=alice, member=bob)
    machine = Machine()
    answer = await bob.register(machine, tenant_id=tenant_id)
    device_token = machine.opened(answer)
    before = await my_device(world, device_token)
    by_member = await bob.do("approve", answer.body["id"])
    by_admin = await alice.do("approve", answer.body["id"])

    assert before.body["state"] == "pending"
    assert by_member.refusal == (403, "forbidden")
    assert by_admin.body["state"] == "active"
    assert (await my_device(world, device_token)).body["state"] == "active"


async def test_a_token_revoked_between_two_registrations_refuses_the_second(
    world: World, alice: Person
) -> None:
    token = await alice.token()
    first = await token.register()
    await change_token(world.storage, token.made.id, revoked_at=world.clock.now())

    assert first.status == 201
    assert (await token.register(name="two")).refusal == (401, "registration_token_revoked")
