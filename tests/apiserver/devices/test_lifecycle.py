"""What people do to devices over HTTP: every deed in every state, and what it means to the device."""

from collections.abc import Awaitable, Callable
from itertools import product

import pytest

from apiserver.tenants.tenants import DeviceApproval
from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import DEVICES, Answer, Machine, Person, World, my_device
from tests.apiserver.made import device_of, expire_device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

FINGERPRINT = "machine-id:0123456789abcdef"
Bring = Callable[[World, Person], Awaitable[str]]


async def pending(world: World, person: Person) -> str:
    tenant_id = await world.tenant(DeviceApproval.REQUIRED, owner=person)
    token = await person.token(tenant_id)
    return str((await token.register(Machine())).device()["id"])


async def active(_world: World, person: Person) -> str:
    return str((await person.register(Machine())).device()["id"])


async def suspended(world: World, person: Person) -> str:
    device_id = await active(world, person)
    await person.do("suspend", device_id)
    return device_id


async def quarantined(_world: World, person: Person) -> str:
    token = await person.token()
    await token.register(Machine(), fingerprint=FINGERPRINT)
    return str((await token.register(Machine(), fingerprint=FINGERPRINT)).device()["id"])


async def revoked(world: World, person: Person) -> str:
    device_id = await active(world, person)
    await person.do("revoke", device_id)
    return device_id


async def expired(world: World, person: Person) -> str:
    device_id = await active(world, person)
    await expire_device(world.storage, device_id, world.clock.now())
    return device_id


STATES: dict[str, Bring] = {
    "pending": pending,
    "active": active,
    "suspended": suspended,
    "quarantined": quarantined,
    "revoked": revoked,
    "expired": expired,
}
DEEDS = ("approve", "suspend", "resume", "revoke", "take-over", "rotate-token", "change")
# The state that follows; what is not here is refused.
FOLLOWS = {
    ("pending", "approve"): "active",
    ("quarantined", "approve"): "active",
    ("pending", "suspend"): "suspended",
    ("active", "suspend"): "suspended",
    ("quarantined", "suspend"): "suspended",
    ("suspended", "resume"): "active",
    **{(state, "revoke"): "revoked" for state in STATES},
    **{(state, "take-over"): state for state in STATES},
    **{
        (state, deed): state
        for state in ("pending", "active", "suspended", "quarantined")
        for deed in ("rotate-token", "change")
    },
}


async def do(person: Person, deed: str, device_id: str) -> Answer:
    if deed == "change":
        return await person.call("PATCH", f"{DEVICES}/{device_id}", json={"name": "changed"})
    return await person.do(deed, device_id)


@pytest.mark.parametrize(("state", "deed"), [*product(STATES, DEEDS)])
async def test_every_deed_in_every_state(world: World, alice: Person, state: str, deed: str) -> None:
    device_id = await STATES[state](world, alice)
    before = await alice.device(device_id)
    answer = await do(alice, deed, device_id)
    after = await alice.device(device_id)

    assert before["state"] == state
    if (follows := FOLLOWS.get((state, deed))) is None:
        assert answer.refusal == (409, "wrong_state")
        assert after == before
    else:
        assert answer.status == 200
        assert after["state"] == follows


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    "device_id", ["dev_0000000000000000000000", "me", "x", "%00", "'%20OR%201=1--", "%ff"]
)
async def test_a_device_that_never_was(alice: Person, deed: str, device_id: str) -> None:
    answer = await do(alice, deed, device_id)

    assert answer.status in {403, 404, 405} if device_id == "me" else answer.refusal == (404, "not_found")


async def test_a_deed_that_is_none(alice: Person, world: World) -> None:
    assert (await alice.do("delete", await active(world, alice))).refusal == (404, "not_found")


async def test_a_revoked_device_is_out_at_the_very_next_request(world: World, alice: Person) -> None:
    machine = Machine()
    answer = await alice.register(machine)
    device_token = machine.opened(answer)
    before = await my_device(world, device_token)
    await alice.do("revoke", answer.body["id"])

    assert before.status == 200
    assert (await my_device(world, device_token)).refusal == (401, "device_revoked")


async def test_a_revoked_device_stays_as_it_is(world: World, alice: Person) -> None:
    device_id = await revoked(world, alice)
    before = await alice.device(device_id)
    await alice.do("revoke", device_id)

    assert await alice.device(device_id) == before


async def test_only_one_is_revoked(world: World, alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    first = await token.register(Machine())
    second = await token.register(machine)
    await alice.do("revoke", first.body["id"])

    assert (await my_device(world, machine.opened(second))).status == 200


async def test_a_suspended_device_may_nothing_until_it_is_resumed(world: World, alice: Person) -> None:
    machine = Machine()
    answer = await alice.register(machine)
    device_token = machine.opened(answer)
    await alice.do("suspend", answer.body["id"])
    meanwhile = await my_device(world, device_token)
    await alice.do("resume", answer.body["id"])

    assert meanwhile.refusal == (403, "device_suspended")
    assert (await my_device(world, device_token)).status == 200


async def test_a_suspended_device_does_not_leave_or_rotate(world: World, alice: Person) -> None:
    machine = Machine()
    answer = await alice.register(machine)
    device_token = machine.opened(answer)
    await alice.do("suspend", answer.body["id"])

    left = await world.call("DELETE", f"{DEVICES}/me", device_token)
    rotated = await world.call("POST", f"{DEVICES}/me/rotate-token", device_token)
    assert {left.refusal, rotated.refusal} == {(403, "device_suspended")}


async def test_a_resumed_device_is_what_it_was(world: World, alice: Person) -> None:
    for bring in (pending, quarantined):
        device_id = await bring(world, alice)
        before = (await alice.device(device_id))["state"]
        await alice.do("suspend", device_id)

        assert (await alice.do("resume", device_id)).body["state"] == before


async def test_approval_is_dated(world: World, alice: Person) -> None:
    device_id = await pending(world, alice)
    await alice.do("approve", device_id)

    assert (await device_of(world.storage, device_id)).approved_at == world.clock.now()


async def test_taking_over_makes_an_owner(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(admin=alice, member=bob)
    device = (await bob.register(tenant_id=tenant_id)).device()
    refused = await bob.do("take-over", device["id"])
    answer = await alice.do("take-over", device["id"])

    assert refused.refusal == (403, "forbidden")
    assert answer.body["owner_id"] == alice.id
    assert (await bob.call("GET", f"{DEVICES}/{device['id']}")).refusal == (404, "not_found")


async def test_every_answer_has_the_tag_of_what_it_shows(world: World, alice: Person) -> None:
    device_id = await active(world, alice)
    for deed in ("suspend", "resume", "take-over", "revoke"):
        answer = await alice.do(deed, device_id)
        shown = await alice.call("GET", f"{DEVICES}/{device_id}")

        assert answer.headers["ETag"] == shown.headers["ETag"]
        assert answer.body == shown.body


# Suspensions by somebody else than the owner


async def of_member(world: World, admin: Person, member: Person) -> tuple[str, str]:
    """A device of the member's registration token, and the token."""
    tenant_id = await world.tenant(admin=admin, member=member)
    token = await member.token(tenant_id)
    return str((await token.register()).device()["id"]), token.made.id


async def suspends_it(person: Person, device_id: str, _token_id: str) -> None:
    assert (await person.do("suspend", device_id)).status == 200


async def revokes_the_token(person: Person, _device_id: str, token_id: str) -> None:
    path = f"/api/v1/registration-tokens/{token_id}/revoke"
    assert (await person.call("POST", path, json={"devices": "suspend"})).status == 200


Suspend = Callable[[Person, str, str], Awaitable[None]]
BOTH_WAYS = pytest.mark.parametrize("suspend", [suspends_it, revokes_the_token])


@BOTH_WAYS
async def test_a_member_does_not_resume_what_an_administrator_suspended(
    world: World, alice: Person, bob: Person, suspend: Suspend
) -> None:
    device_id, token_id = await of_member(world, alice, bob)
    await suspend(alice, device_id, token_id)
    before = await bob.device(device_id)
    refused = await bob.do("resume", device_id)

    assert (before["state"], before["state_reason"]) == ("suspended", "by_administrator")
    assert refused.refusal == (403, "forbidden")
    assert refused.body["detail"] == "An administrator suspended this device. Ask one of them to resume it."
    assert await bob.device(device_id) == before


@BOTH_WAYS
async def test_an_administrator_resumes_what_one_suspended(
    world: World, alice: Person, bob: Person, suspend: Suspend
) -> None:
    device_id, token_id = await of_member(world, alice, bob)
    await suspend(alice, device_id, token_id)
    resumed = (await alice.do("resume", device_id)).device()

    assert (resumed["state"], resumed["state_reason"]) == ("active", None)


@BOTH_WAYS
async def test_a_member_resumes_what_they_suspended(
    world: World, alice: Person, bob: Person, suspend: Suspend
) -> None:
    device_id, token_id = await of_member(world, alice, bob)
    await suspend(bob, device_id, token_id)

    assert (await bob.do("resume", device_id)).device()["state"] == "active"


async def test_an_administrator_resumes_their_own_that_another_one_suspended(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(owner=alice, admin=bob)
    device_id = (await bob.register(tenant_id=tenant_id)).device()["id"]
    await alice.do("suspend", device_id)

    assert (await bob.do("resume", device_id)).device()["state"] == "active"


async def test_a_take_over_lifts_no_suspension_by_an_administrator(
    world: World, alice: Person, bob: Person
) -> None:
    device_id, _ = await of_member(world, alice, bob)
    await alice.do("suspend", device_id)
    taken = (await alice.do("take-over", device_id)).device()

    assert (taken["state"], taken["state_reason"]) == ("suspended", "by_administrator")
