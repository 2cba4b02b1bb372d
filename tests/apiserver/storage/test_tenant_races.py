"""Members who come, go and act at the same moment, on several servers over one database."""

import asyncio

import pytest

from apiserver.audit.chain import audit_key
from apiserver.audit.trail import Actor, Auditor
from apiserver.auth.permissions import Deed
from apiserver.devices.device import DeviceId, DeviceState
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants.acting import in_person
from apiserver.tenants.lifecycle import TenantLifecycle
from apiserver.tenants.members import Members
from apiserver.tenants.membership import membership_for
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import Identity, UserId
from apiserver.tokens.registration_token import RegistrationTokenId
from common.problems import ProblemCode, ProblemError
from common.randomness import SystemRandomness
from tests.apiserver.builders import a_device, a_token
from tests.apiserver.storage.conftest import OpenStorage
from tests.apiserver.storage.pauses import Pause
from tests.apiserver.storage.rows import NOW, a_tenant, a_user

RANDOMNESS = SystemRandomness()
AUDITOR = Auditor(audit_key(bytes(32)), RANDOMNESS)
TENANT = TenantId("ten_1")
ALICE, BOB = UserId("usr_1"), UserId("usr_2")
DEVICE = DeviceId("dev_1")
TOKEN = RegistrationTokenId("rgt_1")
ROUNDS = 5
# Within it whoever does not wait has done harm, and whoever waits is not given up yet.
A_MOMENT_S = 0.2


@pytest.fixture
async def storage(open_another: OpenStorage) -> Storage:
    """With a tenant of two owners."""
    storage = await open_another()

    async def add(tx: Transaction) -> None:
        await tx.tenants.add(a_tenant(TENANT))
        for user_id in (ALICE, BOB):
            await tx.users.add(a_user(user_id, Identity("issuer", user_id)))
        await tx.registration_tokens.add(a_token(id=TOKEN, tenant_id=TENANT, owner_id=BOB))

    await storage.write(add)
    await _make_both_owners(storage)
    return storage


def actor(user_id: UserId) -> Actor:
    return Actor("user", user_id, NOW)


async def as_member(tx: Transaction) -> None:
    """What lets Bob register a device, signed in."""
    await membership_for(tx, TENANT, in_person(BOB), Deed.REGISTER_DEVICES)


async def with_token(tx: Transaction) -> None:
    """What lets a machine register with Bob's registration token."""
    assert await tx.registration_tokens.locked(TOKEN) is not None


@pytest.fixture(params=[as_member, with_token])
async def registering(
    request: pytest.FixtureRequest, open_another: OpenStorage, storage: Storage, pause: Pause
) -> asyncio.Task[None]:
    """A device is being registered on another server: its transaction stands still before its end."""

    async def register(tx: Transaction) -> None:
        await request.param(tx)
        await tx.devices.add(a_device(id=DEVICE, tenant_id=TENANT, owner_id=BOB, registration_token_id=None))
        await pause.stand_still()

    task = asyncio.create_task((await open_another()).write(register))
    await pause.reached()
    return task


async def test_of_two_owners_who_leave_at_once_one_stays(open_another: OpenStorage, storage: Storage) -> None:
    both = [Members(server, AUDITOR) for server in (storage, await open_another())]
    for _ in range(ROUNDS):
        barrier = asyncio.Barrier(2)

        async def leave(
            members: Members, user_id: UserId, barrier: asyncio.Barrier = barrier
        ) -> ProblemCode | None:
            await barrier.wait()
            try:
                await members.leave(user_id, TENANT, actor(user_id))
            except ProblemError as problem:
                return problem.code
            return None

        told = await asyncio.gather(*map(leave, both, (ALICE, BOB)))

        assert set(told) == {None, ProblemCode.LAST_OWNER}
        assert await storage.read(lambda view: view.tenants.count_owners(TENANT)) == 1
        await _make_both_owners(storage)


async def test_of_two_owners_who_make_each_other_members_one_stays(
    open_another: OpenStorage, storage: Storage
) -> None:
    both = [Members(server, AUDITOR) for server in (storage, await open_another())]
    barrier = asyncio.Barrier(2)

    async def demote(members: Members, user_id: UserId, other_id: UserId) -> bool:
        await barrier.wait()
        try:
            await members.set_role(user_id, TENANT, other_id, Role.MEMBER, actor(user_id))
        except ProblemError:
            return False
        return True

    done = await asyncio.gather(*map(demote, both, (ALICE, BOB), (BOB, ALICE)))

    assert sorted(done) == [False, True]
    assert await storage.read(lambda view: view.tenants.count_owners(TENANT)) == 1


async def test_who_is_removed_while_registering_a_device_leaves_it_suspended(
    storage: Storage, pause: Pause, registering: asyncio.Task[None]
) -> None:
    removing = asyncio.create_task(Members(storage, AUDITOR).remove(ALICE, TENANT, BOB, actor(ALICE)))
    await asyncio.wait({removing}, timeout=A_MOMENT_S)
    pause.go_on()
    await asyncio.gather(registering, removing)

    device = await storage.read(lambda view: view.devices.by_id(DEVICE))
    assert device is not None
    assert (device.state, device.state_reason) == (DeviceState.SUSPENDED, "owner_left")


async def test_a_tenant_is_not_deleted_while_a_device_is_registered(
    storage: Storage, pause: Pause, registering: asyncio.Task[None]
) -> None:
    lifecycle = TenantLifecycle(storage, AUDITOR, RANDOMNESS)
    deleting = asyncio.create_task(lifecycle.delete(ALICE, TENANT, actor(ALICE)))
    await asyncio.wait({deleting}, timeout=A_MOMENT_S)
    pause.go_on()
    await registering

    with pytest.raises(ProblemError, match="tenant_in_use"):
        await deleting


async def _make_both_owners(storage: Storage) -> None:
    async def add(tx: Transaction) -> None:
        for user_id in (ALICE, BOB):
            await tx.tenants.add_member(TENANT, user_id, Role.OWNER, joined_at=NOW)

    await storage.write(add)
