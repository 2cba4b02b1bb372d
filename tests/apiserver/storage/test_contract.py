"""What `apiserver.storage.contracts` promises, on every engine."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.exc import IntegrityError, StatementError

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import Storage
from apiserver.tenants.tenants import Membership, Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import Identity, Profile, User, UserId
from tests.apiserver.storage.conftest import OpenStorage

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ALICE = Identity("https://issuer.example", "alice")


def a_user(
    user_id: str = "usr_1",
    identity: Identity = ALICE,
    profile: Profile | None = None,
    created_at: datetime = NOW,
) -> User:
    return User(UserId(user_id), identity, profile or Profile(), created_at)


def a_tenant(tenant_id: str = "ten_1", personal_of: UserId | None = None) -> Tenant:
    return Tenant(TenantId(tenant_id), f"Tenant {tenant_id}", TenantKind.PRIVATE, personal_of, NOW)


async def add_user(storage: Storage, user: User) -> bool:
    async with storage.transaction() as transaction:
        return await transaction.users.add(user)


async def find(storage: Storage, identity: Identity = ALICE) -> User | None:
    async with storage.reading() as view:
        return await view.users.by_identity(identity)


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

    async with storage.transaction() as transaction:
        await transaction.users.set_profile(user.id, Profile("After", None))

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
    with pytest.raises(StatementError, match="without a zone"):
        await add_user(storage, a_user(created_at=NOW.replace(tzinfo=None)))


async def test_memberships_are_the_personal_tenant_and_then_as_they_were_joined(storage: Storage) -> None:
    user = a_user()
    late, early, personal = a_tenant("ten_1"), a_tenant("ten_2"), a_tenant("ten_3", personal_of=user.id)
    async with storage.transaction() as transaction:
        await transaction.users.add(user)
        for tenant, role, days in (
            (late, Role.VIEWER, 2),
            (early, Role.ADMIN, 1),
            (personal, Role.OWNER, 3),
        ):
            await transaction.tenants.add(tenant)
            await transaction.tenants.add_member(
                tenant.id, user.id, role, joined_at=NOW + timedelta(days=days)
            )

    async with storage.reading() as view:
        memberships = await view.tenants.memberships_of(user.id)
        of_nobody = await view.tenants.memberships_of(UserId("usr_2"))

    assert memberships == [
        Membership(personal, Role.OWNER),
        Membership(early, Role.ADMIN),
        Membership(late, Role.VIEWER),
    ]
    assert of_nobody == []


async def test_a_user_has_one_personal_tenant(storage: Storage) -> None:
    user = a_user()
    async with storage.transaction() as transaction:
        await transaction.users.add(user)
        await transaction.tenants.add(a_tenant("ten_1", personal_of=user.id))

    with pytest.raises(IntegrityError):
        async with storage.transaction() as transaction:
            await transaction.tenants.add(a_tenant("ten_2", personal_of=user.id))


async def test_a_member_must_be_a_user_of_a_tenant(storage: Storage) -> None:
    await add_user(storage, a_user())

    with pytest.raises(IntegrityError):
        async with storage.transaction() as transaction:
            await transaction.tenants.add_member(
                TenantId("ten_none"), UserId("usr_1"), Role.OWNER, joined_at=NOW
            )


async def test_an_error_in_a_transaction_leaves_no_trace(storage: Storage) -> None:
    async def fail_after_writing() -> None:
        async with storage.transaction() as transaction:
            await transaction.users.add(a_user())
            raise LookupError

    with pytest.raises(LookupError):
        await fail_after_writing()

    assert await find(storage) is None
    assert await add_user(storage, a_user())


async def test_a_transaction_that_is_cancelled_leaves_no_trace_and_holds_nobody_up(storage: Storage) -> None:
    has_written = asyncio.Event()

    async def write_for_ever() -> None:
        async with storage.transaction() as transaction:
            await transaction.users.add(a_user())
            has_written.set()
            await asyncio.Event().wait()

    writer = asyncio.create_task(write_for_ever())
    await has_written.wait()
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer

    assert await find(storage) is None
    assert await add_user(storage, a_user())


async def test_a_writer_that_is_cancelled_in_a_statement_holds_nobody_up(storage: Storage) -> None:
    writers = [asyncio.create_task(add_user(storage, a_user(f"usr_{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)

    await add_user(storage, a_user("usr_9"))
    assert await find(storage) is not None


async def test_what_is_not_committed_is_seen_by_nobody_and_readers_do_not_wait(storage: Storage) -> None:
    async with storage.transaction() as transaction:
        await transaction.users.add(a_user())

        assert await transaction.users.by_identity(ALICE) is not None
        assert await find(storage) is None

    assert await find(storage) is not None


async def test_a_view_does_not_change_while_it_is_looked_at(storage: Storage) -> None:
    async with storage.reading() as view:
        assert await view.users.by_identity(ALICE) is None
        await add_user(storage, a_user())

        assert await view.users.by_identity(ALICE) is None


async def test_a_view_cannot_write(storage: Storage) -> None:
    with pytest.raises(StorageUnavailableError):
        async with storage.reading() as view:
            await view.users.add(a_user())

    assert await find(storage) is None


async def test_writers_of_one_server_wait_for_each_other(storage: Storage) -> None:
    added = await asyncio.gather(
        *(add_user(storage, a_user(f"usr_{number}", Identity("i", str(number)))) for number in range(50))
    )

    assert all(added)


async def test_who_reads_first_and_writes_later_is_not_overtaken(open_another: OpenStorage) -> None:
    slow, quick = await open_another(), await open_another()
    async with slow.transaction() as transaction:
        await transaction.users.by_identity(ALICE)
        overtaking = asyncio.create_task(add_user(quick, a_user("usr_2", Identity("i", "s"))))
        await asyncio.wait({overtaking}, timeout=0.1)

        assert await transaction.users.add(a_user())

    assert await overtaking


async def test_a_writer_that_waits_too_long_is_told_so(open_another: OpenStorage) -> None:
    holder, waiting = await open_another(), await open_another()
    async with holder.transaction() as transaction:
        await transaction.users.add(a_user())

        with pytest.raises(StorageUnavailableError):
            await add_user(waiting, a_user("usr_2", Identity("i", "s")))

    assert await add_user(waiting, a_user("usr_2", Identity("i", "s")))


async def test_a_storage_that_works_answers(storage: Storage) -> None:
    await storage.ping()
