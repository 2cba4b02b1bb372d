"""Who comes again gets the same device: the table of what comes again, in every state of token and device."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from apiserver.devices.device import DeviceId
from apiserver.storage.contracts import Transaction
from apiserver.tenants.tenants import DeviceApproval
from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import Answer, Machine, Person, World, my_device
from tests.apiserver.made import change_token, device_of, expire_device, make_pool

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

FINGERPRINT = "machine-id:0123456789abcdef"


async def test_the_same_key_with_the_same_token_is_the_same_device(alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    first = await token.register(machine)
    again = await token.register(machine)

    assert (first.status, again.status) == (201, 200)
    assert again.body["id"] == first.body["id"]
    assert again.body["device_token_id"] != first.body["device_token_id"]
    assert machine.opened(again) != machine.opened(first)
    assert await token.uses() == 1


async def test_what_the_device_is_stays_whatever_is_said_now(alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    first = (await token.register(machine, labels={"rack": "4"}, fingerprint=FINGERPRINT)).device()
    before = await alice.device(first["id"])

    await token.register(machine, name="other", labels={"rack": "5"}, fingerprint="another-fingerprint")

    assert await alice.device(first["id"]) == before


async def test_the_old_token_holds_until_the_new_one_is_used(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    old = machine.opened(await token.register(machine))
    await my_device(world, old)
    new = machine.opened(await token.register(machine))
    meanwhile = await my_device(world, old)
    with_new = await my_device(world, new)
    afterwards = await my_device(world, old)

    assert (meanwhile.status, with_new.status) == (200, 200)
    assert afterwards.refusal == (401, "invalid_token")
    assert (await my_device(world, new)).status == 200


async def test_an_answer_that_was_lost_ends_with_the_next_one(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    lost = machine.opened(await token.register(machine))
    await my_device(world, machine.opened(await token.register(machine)))

    assert (await my_device(world, lost)).refusal == (401, "invalid_token")


async def test_an_older_clock_keeps_no_old_token_alive(world: World, alice: Person) -> None:
    """The server that made the new token had a clock behind that of the one which made the old token."""
    token, machine = await alice.token(), Machine()
    old = machine.opened(await token.register(machine))
    await my_device(world, old)
    world.clock.advance(minutes=-1)
    try:
        new = machine.opened(await token.register(machine))
        await my_device(world, new)
    finally:
        world.clock.advance(minutes=1)

    assert (await my_device(world, old)).refusal == (401, "invalid_token")
    assert (await my_device(world, new)).status == 200


# The state of the token


async def test_a_used_up_token_lets_come_again(alice: Person) -> None:
    token, machine = await alice.token(max_uses=1), Machine()
    first = await token.register(machine)

    assert (await token.register(machine)).device()["id"] == first.body["id"]
    assert await token.uses() == 1


CLOSED: dict[str, tuple[Callable[[datetime], dict[str, Any]], tuple[int, str]]] = {
    "revoked": (lambda now: {"revoked_at": now}, (401, "registration_token_revoked")),
    "suspended": (lambda now: {"suspended_at": now}, (403, "registration_token_suspended")),
    "expired": (lambda now: {"expires_at": now}, (401, "registration_token_expired")),
}


@pytest.mark.parametrize(("change", "refusal"), CLOSED.values(), ids=CLOSED)
async def test_a_closed_token_lets_nobody_come_again(
    world: World,
    alice: Person,
    change: Callable[[datetime], dict[str, Any]],
    refusal: tuple[int, str],
) -> None:
    token, machine = await alice.token(), Machine()
    device_token = machine.opened(await token.register(machine))
    await change_token(world.storage, token.made.id, **change(world.clock.now()))

    assert (await token.register(machine)).refusal == refusal
    assert (await my_device(world, device_token)).status == 200


async def test_a_closed_token_says_the_same_of_every_key(world: World, alice: Person, bob: Person) -> None:
    """Or it would tell, for ever, which keys are registered here."""
    known = Machine()
    await (await bob.token()).register(known)
    token = await alice.token(expires_at=world.clock.now())
    used_up = await alice.token(max_uses=1)
    await used_up.register(name="the-one")

    assert (await token.register(known)).refusal == (await token.register(Machine())).refusal
    assert (await used_up.register(known)).refusal == (await used_up.register(Machine())).refusal


async def test_coming_again_counts_for_the_rate_and_spends_no_use(world: World, alice: Person) -> None:
    """A thief of the token who knows a public key writes rows as slowly as anybody."""
    token, machine = await alice.token(rate_per_minute=2, max_uses=1), Machine()
    statuses = [(await token.register(machine)).status for _ in range(3)]
    refused = await token.register(machine)
    world.clock.advance(seconds=int(refused.headers["Retry-After"]))
    later = [(await token.register(machine)).status for _ in range(2)]

    assert statuses == [201, 200, 429]
    assert refused.refusal == (429, "too_many_requests")
    assert later == [200, 429]
    assert await token.uses() == 1


async def test_who_comes_again_too_fast_gets_no_token(world: World, alice: Person) -> None:
    token, machine = await alice.token(rate_per_minute=1), Machine()
    device = (await token.register(machine)).device()
    for _ in range(3):
        await token.register(machine)

    tokens = await world.storage.read(lambda view: view.devices.tokens_of(DeviceId(device["id"])))
    assert len(tokens) == 1


async def test_coming_again_leaves_less_of_the_rate_to_new_devices(alice: Person) -> None:
    token, machine = await alice.token(rate_per_minute=2), Machine()
    await token.register(machine)
    await token.register(machine)

    assert (await token.register(Machine(), name="other")).refusal == (429, "too_many_requests")


# The state of the device


@pytest.mark.parametrize("deed", ["suspend", None], ids=["suspended", "active"])
async def test_a_device_keeps_its_state(alice: Person, deed: str | None) -> None:
    token, machine = await alice.token(), Machine()
    device = (await token.register(machine)).device()
    if deed:
        await alice.do(deed, device["id"])

    assert (await token.register(machine)).device()["state"] == ("suspended" if deed else "active")


async def test_a_suspended_device_comes_again_and_still_may_nothing(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    device = (await token.register(machine)).device()
    await alice.do("suspend", device["id"])
    again = await token.register(machine)

    assert (await my_device(world, machine.opened(again))).refusal == (403, "device_suspended")


async def test_a_pending_device_stays_pending(world: World, alice: Person) -> None:
    token = await alice.token(await world.tenant(DeviceApproval.REQUIRED, owner=alice))
    machine = Machine()
    await token.register(machine)

    assert (await token.register(machine)).device()["state"] == "pending"


async def test_a_revoked_device_does_not_come_back(alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    device = (await token.register(machine)).device()
    await alice.do("revoke", device["id"])

    assert (await token.register(machine)).refusal == (401, "device_revoked")
    assert (await alice.register(machine)).refusal == (401, "device_revoked")


async def test_a_device_that_left_does_not_come_back(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    device_token = machine.opened(await token.register(machine))
    await world.call("DELETE", "/api/v1/devices/me", device_token)

    assert (await token.register(machine)).refusal == (401, "device_revoked")


# A device that has expired


async def expired(world: World, answer: Answer) -> str:
    device_id: str = answer.device()["id"]
    await expire_device(world.storage, device_id, world.clock.now())
    return device_id


async def test_an_expired_device_comes_back_with_its_key(world: World, alice: Person) -> None:
    token, machine = await alice.token(ephemeral_s=60), Machine()
    first = await token.register(machine)
    old = machine.opened(first)
    device_id = await expired(world, first)
    while_away = await my_device(world, old)
    again = await token.register(machine)
    back_with_old = await my_device(world, old)

    assert while_away.refusal == (401, "device_expired")
    assert back_with_old.refusal == (401, "invalid_token")
    assert again.device()["id"] == device_id
    assert again.body["state"] == "active"
    assert again.body["ipv4"] is not None
    assert (await my_device(world, machine.opened(again))).status == 200
    assert await token.uses() == 1


async def test_an_expired_device_that_was_never_approved_waits_again(world: World, alice: Person) -> None:
    token = await alice.token(await world.tenant(DeviceApproval.REQUIRED, owner=alice))
    machine = Machine()
    await expired(world, await token.register(machine))

    assert (await token.register(machine)).device()["state"] == "pending"


async def test_an_expired_device_whose_owner_has_left_is_of_whoever_took_the_token_over(
    world: World, alice: Person, bob: Person
) -> None:
    """Else a device would act for somebody who is no member: those that were there are suspended."""
    tenant_id = await world.tenant(owner=alice, admin=bob)
    token, machine = await bob.token(tenant_id), Machine()
    device_id = await expired(world, await token.register(machine))
    await alice.call("DELETE", f"/api/v1/tenants/{tenant_id}/members/{bob.id}")
    await alice.call("POST", f"/api/v1/registration-tokens/{token.made.id}/take-over")

    assert (await token.register(machine)).device()["id"] == device_id
    assert (await alice.device(device_id))["owner_id"] == alice.id


async def test_an_expired_device_of_another_member_stays_theirs(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(owner=alice, admin=bob)
    token, machine = await bob.token(tenant_id), Machine()
    device_id = await expired(world, await token.register(machine))
    await alice.call("POST", f"/api/v1/registration-tokens/{token.made.id}/take-over")

    await token.register(machine)

    assert (await alice.device(device_id))["owner_id"] == bob.id


async def test_an_expired_device_begins_a_new_silence(world: World, alice: Person) -> None:
    token, machine = await alice.token(ephemeral_s=60), Machine()
    device_id = await expired(world, await token.register(machine))
    world.clock.advance(hours=1)
    await token.register(machine)

    device = await device_of(world.storage, device_id)
    assert not device.has_run_out(world.clock.now() + timedelta(seconds=50))


async def test_an_expired_device_whose_name_is_anothers_gets_another_one(world: World, alice: Person) -> None:
    token, machine = await alice.token(name_pattern="w*b"), Machine()
    await expired(world, await token.register(machine))
    await token.register(Machine())
    back = (await token.register(machine)).device()

    assert back["name"] != "web"
    assert back["name"].startswith("we")
    assert back["name"].endswith("b")


async def test_an_expired_device_comes_back_to_no_address_that_is_anothers(
    world: World, alice: Person
) -> None:
    await make_pool(world.storage, alice.tenant_id, "10.0.0.0/30")
    token, machine = await alice.token(), Machine()
    first = await token.register(machine)
    await expired(world, first)
    others = [(await token.register(Machine(), name=f"other-{number}")).device() for number in range(2)]

    assert {other["ipv4"] for other in others} == {"10.0.0.1", "10.0.0.2"}
    assert (await token.register(machine)).refusal == (409, "no_address_left")


async def test_a_device_whose_own_time_has_come_does_not_come_back(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    device_id = await expired(world, await token.register(machine))

    async def end(transaction: Transaction) -> None:
        device = await transaction.devices.locked(DeviceId(device_id))
        assert device is not None
        ending = replace(device, expires_at=world.clock.now())
        assert await transaction.devices.update(ending, former_version=device.version)

    await world.storage.write(end)

    assert (await token.register(machine)).refusal == (401, "device_expired")


# No key


async def test_without_a_key_and_without_an_idempotency_key_it_is_a_new_device(alice: Person) -> None:
    token = await alice.token()
    first, second = await token.register(), await token.register()

    assert (first.status, second.status) == (201, 201)
    assert first.body["id"] != second.body["id"]
    assert await token.uses() == 2


async def test_the_same_idempotency_key_is_the_same_device(world: World, alice: Person) -> None:
    token = await alice.token()
    first = await token.register(key="one")
    again = await token.register(key="one")

    assert (first.status, again.status) == (201, 200)
    assert again.body["id"] == first.body["id"]
    assert again.body["device_token"] != first.body["device_token"]
    assert (await my_device(world, again.body["device_token"])).status == 200
    assert await token.uses() == 1


# Somebody else's key


async def test_a_key_of_another_tenant_or_token_is_refused_and_gives_nothing_away(
    alice: Person, bob: Person
) -> None:
    machine = Machine()
    device = (await (await bob.token()).register(machine)).device()
    bobs_second, alices = await bob.token(max_uses=1), await alice.token(max_uses=1)

    answers = [
        await bobs_second.register(machine),
        await alices.register(machine),
        await alice.register(machine),
    ]

    assert {answer.refusal for answer in answers} == {(409, "key_in_use")}
    assert {answer.body["detail"] for answer in answers} == {answers[0].body["detail"]}
    assert not any(device[part] in str(answer.body) for answer in answers for part in ("id", "tenant_id"))
    assert (await bobs_second.uses(), await alices.uses()) == (0, 0)
    assert await bob.device(device["id"])


async def test_a_key_of_a_revoked_device_elsewhere_says_no_more(alice: Person, bob: Person) -> None:
    machine = Machine()
    device = (await (await bob.token()).register(machine)).device()
    await bob.do("revoke", device["id"])

    assert (await (await alice.token()).register(machine)).refusal == (409, "key_in_use")


async def test_a_colleagues_key_is_in_use(world: World, alice: Person, bob: Person) -> None:
    """Even for who administers the tenant: the answer would be the colleague's device."""
    tenant_id = await world.tenant(owner=alice, member=bob)
    machine = Machine()
    await bob.register(machine, tenant_id=tenant_id)

    assert (await alice.register(machine, tenant_id=tenant_id)).refusal == (409, "key_in_use")


async def test_my_own_key_in_another_tenant_of_mine_is_in_use(world: World, alice: Person) -> None:
    machine = Machine()
    await alice.register(machine)

    answer = await alice.register(machine, tenant_id=await world.tenant(owner=alice))

    assert answer.refusal == (409, "key_in_use")
