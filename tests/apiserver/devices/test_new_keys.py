"""The same machine with a new key: a rotation for its owner, a quarantine for whoever has but the token."""

import pytest

from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import Machine, Person, World, my_device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

FINGERPRINT = "machine-id:0123456789abcdef"


async def test_the_owner_signed_in_rotates_the_key(world: World, alice: Person) -> None:
    before, after = Machine(), Machine()
    first = await alice.register(before, fingerprint=FINGERPRINT)
    old = before.opened(first)
    await my_device(world, old)
    rotated = await alice.register(after, fingerprint=FINGERPRINT)
    device = await alice.device(first.body["id"])
    meanwhile = await my_device(world, old)
    await my_device(world, after.opened(rotated))

    assert rotated.status == 200
    assert rotated.body["id"] == first.body["id"]
    assert device["public_key"] == after.public_key
    assert (device["name"], device["ipv4"]) == (first.body["name"], first.body["ipv4"])
    assert meanwhile.status == 200
    assert (await my_device(world, old)).refusal == (401, "invalid_token")


async def test_the_owner_rotates_the_key_of_a_device_that_joined_by_token(alice: Person) -> None:
    first = await (await alice.token()).register(Machine(), fingerprint=FINGERPRINT)
    rotated = await alice.register(Machine(), fingerprint=FINGERPRINT)

    assert rotated.device()["id"] == first.body["id"]


async def test_a_rotated_key_is_the_devices_and_the_former_one_is_nobodys(alice: Person) -> None:
    token, before, after = await alice.token(), Machine(), Machine()
    first = await token.register(before, fingerprint=FINGERPRINT)
    await alice.register(after, fingerprint=FINGERPRINT)

    assert (await token.register(after)).device()["id"] == first.body["id"]
    assert (await token.register(before)).device()["id"] != first.body["id"]


async def test_a_repeated_request_does_not_bring_a_rotated_key_back(alice: Person) -> None:
    """Its private part may be why the key was rotated; a recording of the old request is enough to try."""
    token, before, after = await alice.token(), Machine(), Machine()
    first = await token.register(before, key="one", fingerprint=FINGERPRINT)
    await alice.register(after, fingerprint=FINGERPRINT)
    again = await token.register(before, key="one", fingerprint=FINGERPRINT)

    assert (await alice.device(first.body["id"]))["public_key"] == after.public_key
    assert after.opened(again)


async def test_the_owners_repeated_request_does_not_either(alice: Person) -> None:
    before, after = Machine(), Machine()
    first = await alice.register(before, key="one", fingerprint=FINGERPRINT)
    await alice.register(after, key="two", fingerprint=FINGERPRINT)
    await alice.register(before, key="one", fingerprint=FINGERPRINT)

    assert (await alice.device(first.body["id"]))["public_key"] == after.public_key


async def test_a_new_key_by_token_is_quarantined_with_the_evidence(alice: Person) -> None:
    token = await alice.token()
    incumbent = (await token.register(Machine(), fingerprint=FINGERPRINT)).device()
    newcomer = (await token.register(Machine(), fingerprint=FINGERPRINT)).device()
    seen = await alice.device(newcomer["id"])

    assert newcomer["id"] != incumbent["id"]
    assert newcomer["state"] == seen["state"] == "quarantined"
    assert seen["evidence"] == {"same_fingerprint_as": incumbent["id"], "fingerprint": FINGERPRINT}
    assert newcomer["ipv4"] != incumbent["ipv4"]
    assert newcomer["name"] != incumbent["name"]


async def test_the_device_that_was_there_notices_nothing(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    device_token = machine.opened(await token.register(machine, fingerprint=FINGERPRINT))
    before = await my_device(world, device_token)
    kept = await alice.device(before.body["id"])
    await token.register(Machine(), fingerprint=FINGERPRINT)

    assert (await my_device(world, device_token)).body == before.body
    assert await alice.device(before.body["id"]) == kept


async def test_pre_approval_is_no_way_round_the_quarantine(alice: Person) -> None:
    token = await alice.token(pre_approved=True)
    await token.register(Machine(), fingerprint=FINGERPRINT)

    assert (await token.register(Machine(), fingerprint=FINGERPRINT)).body["state"] == "quarantined"


async def test_a_quarantined_device_that_comes_again_stays_so(alice: Person) -> None:
    token, newcomer = await alice.token(), Machine()
    await token.register(Machine(), fingerprint=FINGERPRINT)
    await token.register(newcomer, fingerprint=FINGERPRINT)

    assert (await token.register(newcomer, fingerprint=FINGERPRINT)).body["state"] == "quarantined"


async def test_a_suspension_is_no_way_out_of_the_quarantine(alice: Person) -> None:
    token = await alice.token()
    await token.register(Machine(), fingerprint=FINGERPRINT)
    newcomer = (await token.register(Machine(), fingerprint=FINGERPRINT)).device()
    await alice.do("suspend", newcomer["id"])

    assert (await alice.do("resume", newcomer["id"])).body["state"] == "quarantined"


async def test_a_quarantined_device_is_let_in_by_an_admin_alone(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(admin=alice, member=bob)
    token = await bob.token(tenant_id)
    await token.register(Machine(), fingerprint=FINGERPRINT)
    newcomer = (await token.register(Machine(), fingerprint=FINGERPRINT)).device()
    by_member = await bob.do("approve", newcomer["id"])

    assert by_member.refusal == (403, "forbidden")
    assert (await alice.do("approve", newcomer["id"])).body["state"] == "active"


async def test_another_member_with_the_same_fingerprint_is_quarantined(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(owner=alice, admin=bob)
    first = await alice.register(Machine(), tenant_id=tenant_id, fingerprint=FINGERPRINT)
    second = await bob.register(Machine(), tenant_id=tenant_id, fingerprint=FINGERPRINT)

    assert second.body["id"] != first.body["id"]
    assert second.body["state"] == "quarantined"


async def test_the_fingerprint_of_a_device_that_ended_is_free(alice: Person) -> None:
    token = await alice.token()
    first = (await token.register(Machine(), fingerprint=FINGERPRINT)).device()
    await alice.do("revoke", first["id"])

    assert (await token.register(Machine(), fingerprint=FINGERPRINT)).body["state"] == "active"


async def test_the_fingerprint_of_another_tenants_device_says_nothing(alice: Person, bob: Person) -> None:
    await (await bob.token()).register(Machine(), fingerprint=FINGERPRINT)

    answer = await (await alice.token()).register(Machine(), fingerprint=FINGERPRINT)

    assert answer.body["state"] == "active"
