"""What `apiserver.storage.contracts` promises, on every engine."""

import asyncio
from datetime import UTC, timedelta, timezone

import pytest

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import ConstraintError, OvertakenError, Storage, Transaction
from apiserver.tenants.tenants import Membership, Role, TenantId
from apiserver.tenants.users import Identity, Profile, User, UserId
from tests.apiserver.storage.conftest import OpenStorage
from tests.apiserver.storage.pauses import Pause
from tests.apiserver.storage.rows import ALICE, BOB, NOW, a_tenant, a_user, add_user, find


async def test_a_user_comes_back_as_it_was_kept(storage: Storage) -> None:
    user = a_user(profile=Profile("Zoë", "zoe@example.test"))

    assert await add_user(storage, user)
    assert await find(storage) == user


async def test_an_unknown_identity_is_none(storage: Storage) -> None:
    assert await find(storage) is None


@pytest.mark.parametrize(
    "other",
    [
        Identity("https://issuer.example", "Alice"),
        Identity("https://issuer.example", "alice "),
        Identity("https://issuer.example", "alic"),
        Identity("https://issuer.example", "%"),
        Identity("https://issuer.example/", "alice"),
        Identity("https://ISSUER.example", "alice"),
        Identity("https://other.example", "alice"),
    ],
)
async def test_identities_compare_exactly(storage: Storage, other: Identity) -> None:
    await add_user(storage, a_user())

    assert await find(storage, other) is None
    assert await add_user(storage, a_user("usr_2", other))


async def test_an_identity_is_added_once_and_the_first_one_stays(storage: Storage) -> None:
    first = a_user("usr_1", profile=Profile("First"))

    assert await add_user(storage, first)
    assert not await add_user(storage, a_user("usr_2", profile=Profile("Second")))
    assert await find(storage) == first


async def test_of_two_servers_that_add_an_identity_at_once_one_does(open_another: OpenStorage) -> None:
    servers = [await open_another() for _ in range(2)]
    barrier = asyncio.Barrier(2)

    async def add(storage: Storage, user: User) -> bool:
        await barrier.wait()
        return await add_user(storage, user)

    added = await asyncio.gather(
        *(add(storage, a_user(f"usr_{number}")) for number, storage in enumerate(servers))
    )

    assert sorted(added) == [False, True]
    assert await find(servers[0]) == await find(servers[1])


async def test_a_profile_is_replaced(storage: Storage) -> None:
    user = a_user(profile=Profile("Before", "before@example.test"))
    await add_user(storage, user)

    await storage.write(lambda tx: tx.users.set_profile(user.id, Profile("After", None)))

    found = await find(storage)
    assert found is not None
    assert found.profile == Profile("After", None)


async def test_a_time_of_any_zone_comes_back_in_utc(storage: Storage) -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    await add_user(storage, a_user(created_at=NOW.astimezone(elsewhere)))

    found = await find(storage)
    assert found is not None
    assert found.created_at == NOW
    assert found.created_at.tzinfo is UTC


async def test_a_time_without_a_zone_is_not_kept(storage: Storage) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        await add_user(storage, a_user(created_at=NOW.replace(tzinfo=None)))


async def test_memberships_are_the_personal_tenant_and_then_as_they_were_joined(storage: Storage) -> None:
    user = a_user()
    late, early, personal = a_tenant("ten_1"), a_tenant("ten_2"), a_tenant("ten_3", personal_of=user.id)

    async def join_all(tx: Transaction) -> None:
        await tx.users.add(user)
        for tenant, role, days in (
            (late, Role.VIEWER, 2),
            (early, Role.ADMIN, 1),
            (personal, Role.OWNER, 3),
        ):
            await tx.tenants.add(tenant)
            await tx.tenants.add_member(tenant.id, user.id, role, joined_at=NOW + timedelta(days=days))

    await storage.write(join_all)

    assert await storage.read(lambda view: view.tenants.memberships_of(user.id)) == [
        Membership(personal, Role.OWNER),
        Membership(early, Role.ADMIN),
        Membership(late, Role.VIEWER),
    ]
    assert await storage.read(lambda view: view.tenants.memberships_of(UserId("usr_2"))) == []


async def test_a_user_has_one_personal_tenant(storage: Storage) -> None:
    user = a_user()
    await add_user(storage, user)
    await storage.write(lambda tx: tx.tenants.add(a_tenant("ten_1", personal_of=user.id)))

    with pytest.raises(ConstraintError):
        await storage.write(lambda tx: tx.tenants.add(a_tenant("ten_2", personal_of=user.id)))


async def test_a_member_must_be_a_user_of_a_tenant(storage: Storage) -> None:
    user = a_user()
    await add_user(storage, user)

    with pytest.raises(ConstraintError):
        await storage.write(
            lambda tx: tx.tenants.add_member(TenantId("ten_none"), user.id, Role.OWNER, joined_at=NOW)
        )


async def test_an_error_in_a_unit_leaves_no_trace(storage: Storage) -> None:
    async def fail_after_writing(tx: Transaction) -> None:
        await tx.users.add(a_user())
        raise LookupError

    with pytest.raises(LookupError):
        await storage.write(fail_after_writing)

    assert await find(storage) is None
    assert await add_user(storage, a_user())


async def test_a_broken_constraint_leaves_no_trace(storage: Storage) -> None:
    async def break_it_after_writing(tx: Transaction) -> None:
        await tx.users.add(a_user())
        await tx.tenants.add_member(TenantId("ten_none"), UserId("usr_1"), Role.OWNER, joined_at=NOW)

    with pytest.raises(ConstraintError):
        await storage.write(break_it_after_writing)

    assert await find(storage) is None


async def test_a_unit_that_is_overtaken_is_run_again_from_its_start(storage: Storage) -> None:
    tries = iter((1, 2, 3))

    async def be_overtaken_twice(tx: Transaction) -> bool:
        is_added = await tx.users.add(a_user())
        if next(tries) < 3:
            raise OvertakenError
        return is_added

    assert await storage.write(be_overtaken_twice)
    assert await find(storage) is not None


async def test_a_view_that_is_overtaken_is_looked_at_again(storage: Storage) -> None:
    tries = iter((1, 2))

    async def be_overtaken_once(view: Transaction) -> User | None:
        found = await view.users.by_identity(ALICE)
        if next(tries) < 2:
            raise OvertakenError
        return found

    await add_user(storage, a_user())

    assert await storage.read(be_overtaken_once) == a_user()


async def test_a_unit_that_is_overtaken_for_ever_is_given_up(storage: Storage) -> None:
    async def be_overtaken(tx: Transaction) -> None:
        await tx.users.add(a_user())
        raise OvertakenError

    with pytest.raises(StorageUnavailableError):
        await storage.write(be_overtaken)

    assert await find(storage) is None


async def test_a_writer_that_is_cancelled_in_its_unit_holds_nobody_up(storage: Storage, pause: Pause) -> None:
    async def stop_half_way(tx: Transaction) -> None:
        await tx.users.add(a_user())
        await pause.stand_still()

    writer = asyncio.create_task(storage.write(stop_half_way))
    await pause.reached()
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    pause.go_on()

    assert await add_user(storage, a_user("usr_2", BOB))


async def test_writers_that_are_cancelled_before_they_begin_hold_nobody_up(storage: Storage) -> None:
    writers = [asyncio.create_task(add_user(storage, a_user(f"usr_{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)

    await add_user(storage, a_user("usr_9"))
    assert await find(storage) is not None


async def test_what_is_not_committed_is_seen_by_nobody_and_readers_do_not_wait(
    storage: Storage, pause: Pause
) -> None:
    async def write_and_wait(tx: Transaction) -> User | None:
        await tx.users.add(a_user())
        await pause.stand_still()
        return await tx.users.by_identity(ALICE)

    writer = asyncio.create_task(storage.write(write_and_wait))
    await pause.reached()
    seen_before = await find(storage)
    pause.go_on()

    assert seen_before is None
    assert await writer == a_user()
    assert await find(storage) == a_user()


async def test_a_view_does_not_change_while_it_is_looked_at(storage: Storage, pause: Pause) -> None:
    async def look_twice(view: Transaction) -> list[User | None]:
        before = await view.users.by_identity(ALICE)
        await pause.stand_still()
        return [before, await view.users.by_identity(ALICE)]

    reader = asyncio.create_task(storage.read(look_twice))
    await pause.reached()
    await add_user(storage, a_user())
    pause.go_on()

    assert await reader == [None, None]
    assert await find(storage) is not None


async def test_a_view_that_is_looked_at_for_long_holds_nobody_up(storage: Storage, pause: Pause) -> None:
    looking = asyncio.create_task(storage.read(lambda _: pause.stand_still()))
    await pause.reached()
    await add_user(storage, a_user())

    assert await find(storage) == a_user()
    pause.go_on()
    await looking


async def test_a_view_cannot_write(storage: Storage) -> None:
    with pytest.raises(StorageUnavailableError):
        await storage.read(lambda view: view.users.add(a_user()))

    assert await find(storage) is None


async def test_an_error_of_a_view_is_raised_and_the_next_view_works(storage: Storage) -> None:
    async def fail(view: Transaction) -> None:
        await view.users.by_identity(ALICE)
        raise LookupError

    with pytest.raises(LookupError):
        await storage.read(fail)

    assert await find(storage) is None


async def test_writers_of_one_server_wait_for_each_other(storage: Storage) -> None:
    added = await asyncio.gather(
        *(add_user(storage, a_user(f"usr_{number}", Identity("i", str(number)))) for number in range(50))
    )

    assert all(added)


async def test_who_reads_first_and_writes_later_is_not_overtaken(
    open_another: OpenStorage, pause: Pause
) -> None:
    slow, quick = await open_another(), await open_another()

    async def read_then_write(tx: Transaction) -> bool:
        await tx.users.by_identity(ALICE)
        await pause.stand_still()
        return await tx.users.add(a_user())

    slowly = asyncio.create_task(slow.write(read_then_write))
    await pause.reached()
    overtaking = asyncio.create_task(add_user(quick, a_user("usr_2", BOB)))
    await asyncio.wait({overtaking}, timeout=0.1)
    pause.go_on()

    assert await slowly
    assert await overtaking


async def test_a_writer_that_waits_too_long_is_told_so(open_another: OpenStorage, pause: Pause) -> None:
    holder, waiting = await open_another(), await open_another()

    async def hold(tx: Transaction) -> bool:
        await tx.users.add(a_user())
        await pause.stand_still()
        return True

    holding = asyncio.create_task(holder.write(hold))
    await pause.reached()
    with pytest.raises(StorageUnavailableError):
        await add_user(waiting, a_user("usr_2"))
    pause.go_on()

    assert await holding
    assert await add_user(waiting, a_user("usr_3", BOB))


async def test_a_storage_that_works_answers(storage: Storage) -> None:
    await storage.ping()
