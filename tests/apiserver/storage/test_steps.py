"""What is done to many devices goes in steps: nobody waits for all, and a repeat does what was broken off."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from apiserver.audit.chain import AuditEvent, audit_key
from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.devices.device import DeviceId, DeviceState, resume
from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import Storage, Transaction, Work
from apiserver.storage.records import AuditPage, Step, StoredSecret
from apiserver.tenants.acting import in_person
from apiserver.tenants.members import Members
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import Identity, UserId
from apiserver.tokens.lifecycle import RegistrationTokenLifecycle
from apiserver.tokens.registration_token import DeviceChoice, RegistrationTokenId
from common.problems import ProblemError
from common.randomness import SystemRandomness
from tests.apiserver.builders import a_device, a_token
from tests.apiserver.storage.conftest import OpenStorage
from tests.apiserver.storage.rows import NOW, a_tenant, a_user

T = TypeVar("T")
RANDOMNESS = SystemRandomness()
AUDITOR = Auditor(audit_key(bytes(32)), RANDOMNESS)
TENANT = TenantId("ten_1")
ALICE, BOB = UserId("usr_1"), UserId("usr_2")
ACTOR = Actor("user", ALICE, NOW)
TOKEN, OTHER = RegistrationTokenId("rgt_1"), RegistrationTokenId("rgt_2")
MANY, STEP = 1200, 500
STATES = {DeviceChoice.SUSPEND: DeviceState.SUSPENDED, DeviceChoice.REVOKE: DeviceState.REVOKED}
VERBS = {DeviceChoice.SUSPEND: "devices_suspended", DeviceChoice.REVOKE: "devices_revoked"}
both_choices = pytest.mark.parametrize("choice", STATES)


class Watched:
    """A storage that does something between its units of work: before each one but the first."""

    def __init__(self, storage: Storage, between: Callable[[], Awaitable[Any]]) -> None:
        self._storage, self._between = storage, between
        self.read, self.ping = storage.read, storage.ping
        self.units = 0

    async def write(self, work: Work[T]) -> T:
        self.units += 1
        if self.units > 1:
            await self._between()
        return await self._storage.write(work)


async def crash() -> None:
    raise StorageUnavailableError("the server is gone")


def device_id(number: int) -> DeviceId:
    return DeviceId(f"dev_{number:05}")


def ids(numbers: range) -> list[str]:
    return [device_id(number) for number in numbers]


async def add_devices(storage: Storage, numbers: range, token_id: RegistrationTokenId = TOKEN) -> None:
    """Bob's, with a token and addresses each."""

    async def add(tx: Transaction) -> None:
        for number in numbers:
            device = a_device(
                id=device_id(number),
                owner_id=BOB,
                registration_token_id=token_id,
                name=f"web-{number}",
                ipv4=f"100.64.{number >> 8}.{number & 255}",
                ipv6=f"fd00::{number:x}",
            )
            assert await tx.devices.add(device)
            await tx.devices.add_token(device.id, StoredSecret(f"dtk_{number:05}", b"hash", NOW))

    await storage.write(add)


@pytest.fixture
async def storage(open_another: OpenStorage) -> Storage:
    """With Alice's tenant, of which Bob is a member with two registration tokens."""
    storage = await open_another()

    async def add(tx: Transaction) -> None:
        await tx.tenants.add(a_tenant(TENANT))
        for user_id, role in ((ALICE, Role.OWNER), (BOB, Role.MEMBER)):
            await tx.users.add(a_user(user_id, Identity("issuer", user_id)))
            await tx.tenants.add_member(TENANT, user_id, role, joined_at=NOW)
        for token_id in (TOKEN, OTHER):
            await tx.registration_tokens.add(a_token(id=token_id, tenant_id=TENANT, owner_id=BOB))

    await storage.write(add)
    return storage


async def revoke(storage: Storage, choice: DeviceChoice, step: int) -> int:
    lifecycle = RegistrationTokenLifecycle(storage, AUDITOR, RANDOMNESS, devices_at_once=step)
    return (await lifecycle.revoke(in_person(ALICE), TOKEN, choice, ACTOR)).devices


async def remove(storage: Storage, step: int) -> None:
    await Members(storage, AUDITOR, devices_at_once=step).remove(ALICE, TENANT, BOB, ACTOR)


async def leave(storage: Storage, step: int) -> None:
    await Members(storage, AUDITOR, devices_at_once=step).leave(BOB, TENANT, replace(ACTOR, id=BOB))


async def in_state(storage: Storage, state: DeviceState, numbers: range) -> list[str]:
    async def look(view: Transaction) -> list[str]:
        found = [await view.devices.by_id(device_id(number)) for number in numbers]
        return [device.id for device in found if device is not None and device.state is state]

    return await storage.read(look)


async def events(storage: Storage) -> Sequence[AuditEvent]:
    page = AuditPage(tenant_id=TENANT, limit=100, is_newest_first=False)
    return await storage.read(lambda view: view.audit.page(page))


async def told_of_token(storage: Storage) -> list[tuple[str, int, list[str]]]:
    """Action, count and devices of each event about the token."""
    told = []
    for event in await events(storage):
        if event.target_id == TOKEN:
            devices = json.loads(event.after or "")["devices"]
            told.append((event.action.removeprefix("registration_token."), devices["count"], devices["ids"]))
    return told


async def told_of_bob(storage: Storage) -> list[tuple[str, int, list[str]]]:
    told = []
    for event in await events(storage):
        if event.target_id == BOB:
            after = json.loads(event.after or "")
            told.append((event.action, after["suspended_devices"], after["suspended_device_ids"]))
    return told


async def is_revoked(storage: Storage) -> bool:
    token = await storage.read(lambda view: view.registration_tokens.by_id(TOKEN))
    assert token is not None
    return token.revoked_at is not None


@both_choices
async def test_many_devices_of_a_token_go_in_steps_with_an_event_each(
    storage: Storage, choice: DeviceChoice
) -> None:
    await add_devices(storage, range(MANY))
    lifecycle = RegistrationTokenLifecycle(storage, AUDITOR, RANDOMNESS)
    revocation = await lifecycle.revoke(in_person(ALICE), TOKEN, choice, ACTOR)

    assert revocation.devices == MANY
    assert await told_of_token(storage) == [
        ("revoked", STEP, ids(range(STEP))),
        (VERBS[choice], STEP, ids(range(STEP, 2 * STEP))),
        (VERBS[choice], MANY - 2 * STEP, ids(range(2 * STEP, MANY))),
    ]
    assert await in_state(storage, STATES[choice], range(MANY)) == ids(range(MANY))


async def test_devices_of_each_step_lose_their_tokens_and_their_addresses(storage: Storage) -> None:
    await add_devices(storage, range(6))
    await revoke(storage, DeviceChoice.REVOKE, 2)

    async def tokens(view: Transaction) -> list[StoredSecret]:
        return [token for number in range(6) for token in await view.devices.tokens_of(device_id(number))]

    assert await storage.read(tokens) == []
    freed = [await storage.write(lambda tx: tx.addresses.take_freed(TENANT)) for _ in range(7)]
    assert len(set(freed) - {None}) == 6


@both_choices
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4], ids=str)
async def test_no_device_is_forgotten_at_the_end_of_a_step(
    storage: Storage, choice: DeviceChoice, count: int
) -> None:
    await add_devices(storage, range(count))
    await add_devices(storage, range(10, 13), OTHER)

    assert await revoke(storage, choice, 2) == count
    assert await in_state(storage, STATES[choice], range(13)) == ids(range(count))


@both_choices
async def test_others_write_between_two_steps(
    storage: Storage, open_another: OpenStorage, choice: DeviceChoice
) -> None:
    """On another server, and into the same tenant's chain of events."""
    await add_devices(storage, range(7))
    other = await open_another()

    async def write() -> None:
        deed = Deed(TENANT, "tenant.changed", "tenant", TENANT)
        await other.write(lambda tx: AUDITOR.record(tx, ACTOR, deed))

    watched = Watched(storage, write)
    count = await revoke(watched, choice, 2)

    assert (count, watched.units) == (7, 4)
    assert [event.action.partition(".")[2] for event in await events(storage)] == [
        "revoked", "changed", VERBS[choice], "changed", VERBS[choice], "changed", VERBS[choice],
    ]  # fmt: skip


@both_choices
async def test_what_broke_off_after_a_step_is_done_by_a_repeat(
    storage: Storage, choice: DeviceChoice
) -> None:
    await add_devices(storage, range(7))
    with pytest.raises(ProblemError, match="store_unavailable"):
        await revoke(Watched(storage, crash), choice, 2)
    was_revoked = await is_revoked(storage)
    done = await in_state(storage, STATES[choice], range(7))
    count = await revoke(storage, choice, 3)

    assert was_revoked
    assert done == ids(range(2))
    assert count == 5
    assert await in_state(storage, STATES[choice], range(7)) == ids(range(7))
    assert await told_of_token(storage) == [
        ("revoked", 2, ids(range(2))),
        (VERBS[choice], 3, ids(range(2, 5))),
        (VERBS[choice], 2, ids(range(5, 7))),
    ]


async def test_an_answer_does_not_say_that_nothing_was_changed_where_a_step_was_done(
    storage: Storage,
) -> None:
    await add_devices(storage, range(3))

    with pytest.raises(ProblemError) as told:
        await revoke(Watched(storage, crash), DeviceChoice.REVOKE, 2)
    assert told.value.detail.startswith("The storage cannot do the rest of it now; what was done stays so.")
    assert "Retry-After" in told.value.headers


async def test_a_device_that_is_resumed_between_two_steps_stays_so(storage: Storage) -> None:
    """Somebody has looked at it meanwhile; and a step that began anew each time might never end."""
    await add_devices(storage, range(4))

    async def resumed(tx: Transaction) -> None:
        device = await tx.devices.locked(device_id(0))
        assert device is not None
        if device.state is DeviceState.SUSPENDED:
            await tx.devices.update(resume(device), former_version=device.version)

    await revoke(Watched(storage, lambda: storage.write(resumed)), DeviceChoice.SUSPEND, 2)

    assert await in_state(storage, DeviceState.SUSPENDED, range(4)) == ids(range(1, 4))


@pytest.mark.parametrize(("end", "action"), [(leave, "member.left"), (remove, "member.removed")])
async def test_many_devices_of_who_is_gone_are_suspended_in_steps(
    storage: Storage, end: Callable[[Storage, int], Awaitable[None]], action: str
) -> None:
    await add_devices(storage, range(MANY))
    await end(storage, STEP)

    assert await told_of_bob(storage) == [
        (action, STEP, ids(range(STEP))),
        ("member.devices_suspended", STEP, ids(range(STEP, 2 * STEP))),
        ("member.devices_suspended", MANY - 2 * STEP, ids(range(2 * STEP, MANY))),
    ]
    assert await in_state(storage, DeviceState.SUSPENDED, range(MANY)) == ids(range(MANY))


@pytest.mark.parametrize("end", [leave, remove])
async def test_an_administrator_finishes_a_departure_that_broke_off(
    storage: Storage, end: Callable[[Storage, int], Awaitable[None]]
) -> None:
    await add_devices(storage, range(7))
    with pytest.raises(ProblemError, match="store_unavailable"):
        await end(Watched(storage, crash), 2)
    member = await storage.read(lambda view: view.tenants.member(TENANT, BOB))
    done = await in_state(storage, DeviceState.SUSPENDED, range(7))
    await remove(storage, 3)

    assert member is None
    assert done == ids(range(2))
    assert [told[1:] for told in await told_of_bob(storage)] == [
        (2, ids(range(2))),
        (3, ids(range(2, 5))),
        (2, ids(range(5, 7))),
    ]
    with pytest.raises(ProblemError, match="not_found"):
        await remove(storage, 3)


async def test_who_is_gone_suspends_nothing_any_more(storage: Storage) -> None:
    """Or they could shut out, from outside, what an administrator has resumed."""
    await add_devices(storage, range(3))
    with pytest.raises(ProblemError, match="store_unavailable"):
        await leave(Watched(storage, crash), 2)

    with pytest.raises(ProblemError, match="not_found"):
        await leave(storage, 2)
    assert await in_state(storage, DeviceState.ACTIVE, range(3)) == ids(range(2, 3))


async def test_who_comes_back_between_two_steps_keeps_the_other_devices(storage: Storage) -> None:
    await add_devices(storage, range(5))

    async def come_back() -> None:
        await storage.write(lambda tx: tx.tenants.add_member(TENANT, BOB, Role.MEMBER, joined_at=NOW))

    await leave(Watched(storage, come_back), 2)

    assert await in_state(storage, DeviceState.ACTIVE, range(5)) == ids(range(2, 5))


async def test_a_step_passes_over_what_ended_meanwhile_and_is_no_shorter_for_it(storage: Storage) -> None:
    await add_devices(storage, range(6))

    async def step(tx: Transaction, after: DeviceId | None) -> Sequence[DeviceId]:
        devices = tx.device_sets.of_registration_token(TENANT, TOKEN)
        return await devices.revoke("x", NOW, Step(2, after))

    await storage.write(lambda tx: step(tx, device_id(0)))

    assert await storage.write(lambda tx: step(tx, None)) == ids(range(1)) + ids(range(3, 4))
