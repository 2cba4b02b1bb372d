"""What holds for PostgreSQL alone: its address, a server that goes away, connections, deadlocks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import ConstraintError, Storage, Transaction
from apiserver.storage.location import PostgresAddress
from apiserver.storage.postgresql import MOST_CONNECTIONS
from apiserver.storage.sql import open_storage
from apiserver.tenants.users import Profile, UserId
from common.env import SettingsError
from tests.apiserver.storage.databases import PostgresDatabase, start
from tests.apiserver.storage.pauses import TaskPause
from tests.apiserver.storage.rows import ALICE, BOB, a_user, add_user, find
from tests.fakes.postgres_servers import USER
from tests.fakes.redis_servers import free_port
from tests.fakes.relay import Relay
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.postgresql

LOCK_WAIT = timedelta(milliseconds=500)


@pytest.fixture
def database(migrated_postgresql: PostgresDatabase) -> Iterator[PostgresDatabase]:
    yield migrated_postgresql
    migrated_postgresql.empty()


@pytest.fixture
async def storage(database: PostgresDatabase) -> AsyncIterator[Storage]:
    async with AsyncExitStack() as stack:
        yield await open_storage(stack, database.location, lock_wait=LOCK_WAIT)


@pytest.fixture
async def patient_storage(database: PostgresDatabase) -> AsyncIterator[Storage]:
    """Waits for locks longer than the second after which PostgreSQL looks for deadlocks."""
    async with AsyncExitStack() as stack:
        yield await open_storage(stack, database.location)


@pytest.fixture
def pause(storage: Storage) -> Iterator[TaskPause]:
    pause = TaskPause()
    yield pause
    pause.go_on()


async def fault_of(url: str) -> str:
    with pytest.raises(SettingsError) as refused:
        await start(PostgresAddress(url))
    (fault,) = refused.value.faults
    return fault


async def test_options_of_the_address_are_the_drivers(database: PostgresDatabase) -> None:
    await start(PostgresAddress(f"{database.location.url}?sslmode=disable"))


async def test_a_server_without_tls_is_refused_where_the_address_asks_for_it(
    database: PostgresDatabase,
) -> None:
    assert (await fault_of(f"{database.location.url}?sslmode=require")).startswith("DATABASE_URL ")


async def test_a_wrong_login_is_told_without_the_password(database: PostgresDatabase) -> None:
    place = database.location.url.rpartition("@")[2]
    fault = await fault_of(f"postgresql://{USER}:a-wrong-password@{place}")

    assert fault.startswith("DATABASE_URL ")
    assert "InvalidPasswordError" in fault
    assert "a-wrong-password" not in fault


async def test_a_server_that_is_away_is_told_at_the_start() -> None:
    assert "ConnectionRefusedError" in await fault_of(f"postgresql://{USER}@127.0.0.1:{free_port()}/doorward")


async def test_a_killed_server_is_an_outage_until_it_is_back_and_loses_nothing(
    database: PostgresDatabase, storage: Storage, pause: TaskPause
) -> None:
    async def stop_half_way(tx: Transaction) -> None:
        await tx.users.add(a_user("usr_2", BOB))
        await pause.stand_still()
        await tx.users.set_profile(UserId("usr_2"), Profile("Bob"))

    await add_user(storage, a_user())
    half_way = asyncio.create_task(storage.write(stop_half_way))
    await pause.reached()
    database.server.kill()
    try:
        pause.go_on()
        with pytest.raises(StorageUnavailableError):
            await half_way
        for attempt in (storage.ping(), find(storage), add_user(storage, a_user("usr_2", BOB))):
            with pytest.raises(StorageUnavailableError):
                await attempt
    finally:
        database.server.start()

    assert await find(storage) == a_user()
    assert await find(storage, BOB) is None
    assert await add_user(storage, a_user("usr_2", BOB))


async def test_a_connection_on_which_nothing_arrives_any_more_is_given_up(database: PostgresDatabase) -> None:
    async with Relay.to(database.server.port) as relay, AsyncExitStack() as stack:
        url = database.location.url.replace(f":{database.server.port}/", f":{relay.port}/")
        storage = await open_storage(stack, PostgresAddress(url), lock_wait=LOCK_WAIT)
        await add_user(storage, a_user())
        relay.silence()
        with pytest.raises(StorageUnavailableError):
            await find(storage)

        assert await find(storage) == a_user()


async def test_a_storage_that_was_opened_and_is_closed_while_the_server_is_away_ends(
    database: PostgresDatabase,
) -> None:
    async with Relay.to(database.server.port) as relay:
        url = database.location.url.replace(f":{database.server.port}/", f":{relay.port}/")
        async with asyncio.timeout(LOCK_WAIT.total_seconds() * 4), AsyncExitStack() as stack:
            storage = await open_storage(stack, PostgresAddress(url), lock_wait=LOCK_WAIT)
            await storage.ping()
            relay.silence()


async def test_of_two_units_that_hold_what_the_other_wants_both_succeed_in_the_end(
    patient_storage: Storage,
) -> None:
    barrier = asyncio.Barrier(2)
    tries: list[str] = []

    async def rename(tx: Transaction, name: str, first: str, second: str) -> None:
        await tx.users.set_profile(UserId(first), Profile(name))
        tries.append(name)
        if len(tries) <= 2:
            await barrier.wait()
        await tx.users.set_profile(UserId(second), Profile(name))

    await add_user(patient_storage, a_user("usr_1", ALICE))
    await add_user(patient_storage, a_user("usr_2", BOB))
    await asyncio.gather(
        patient_storage.write(lambda tx: rename(tx, "one", "usr_1", "usr_2")),
        patient_storage.write(lambda tx: rename(tx, "other", "usr_2", "usr_1")),
    )
    alice, bob = await find(patient_storage, ALICE), await find(patient_storage, BOB)

    assert len(tries) == 3
    assert alice is not None
    assert bob is not None
    assert alice.profile.name == bob.profile.name == tries[-1]


async def test_a_wait_for_a_lock_is_ended_by_the_server_before_the_connection_is_given_up(
    storage: Storage, pause: TaskPause
) -> None:
    async def hold(tx: Transaction) -> None:
        await tx.users.add(a_user())
        await pause.stand_still()

    holding = asyncio.create_task(storage.write(hold))
    await pause.reached()
    with pytest.raises(StorageUnavailableError) as refused:
        await add_user(storage, a_user("usr_2"))
    pause.go_on()
    await holding

    assert refused.value.cause == "LockNotAvailableError"


async def test_who_gets_no_connection_in_time_is_told_so(storage: Storage, pause: TaskPause) -> None:
    holding = [
        asyncio.create_task(storage.read(lambda _: pause.stand_still())) for _ in range(MOST_CONNECTIONS)
    ]
    with pytest.raises(StorageUnavailableError):
        await eventually(lambda: find(storage), lambda _: False)
    pause.go_on()
    await asyncio.gather(*holding)

    assert await add_user(storage, a_user())


async def test_who_only_reads_does_not_wait_for_those_who_write(storage: Storage, pause: TaskPause) -> None:
    """A flood with one registration token, whose writers wait for each other, holds up nobody's look-ups."""
    holding = [
        asyncio.create_task(storage.write(lambda _: pause.stand_still())) for _ in range(MOST_CONNECTIONS)
    ]
    await pause.reached()
    waiting = asyncio.create_task(add_user(storage, a_user()))

    assert await find(storage) is None
    with pytest.raises(StorageUnavailableError):
        await waiting
    pause.go_on()
    done = await asyncio.gather(*holding, return_exceptions=True)
    assert None in done
    assert await add_user(storage, a_user())


async def test_units_that_are_cancelled_leave_no_trace_and_give_their_connections_back(
    storage: Storage,
) -> None:
    for _ in range(MOST_CONNECTIONS + 1):
        pause = TaskPause()

        async def stop_half_way(tx: Transaction, pause: TaskPause = pause) -> None:
            await tx.users.add(a_user())
            await pause.stand_still()

        writer = asyncio.create_task(storage.write(stop_half_way))
        await pause.reached()
        writer.cancel()
        await asyncio.wait({writer})

    assert await find(storage) is None
    assert await add_user(storage, a_user())


async def test_units_that_are_cancelled_while_they_wait_for_a_lock_give_their_connections_back(
    storage: Storage, pause: TaskPause
) -> None:
    async def hold(tx: Transaction) -> None:
        await tx.users.add(a_user())
        await pause.stand_still()

    holding = asyncio.create_task(storage.write(hold))
    await pause.reached()
    for _ in range(MOST_CONNECTIONS):
        waiting = asyncio.create_task(add_user(storage, a_user("usr_2")))
        await asyncio.wait({waiting}, timeout=0.02)
        waiting.cancel()
        await asyncio.wait({waiting})
    pause.go_on()
    await holding

    assert await find(storage) == a_user()
    assert await add_user(storage, a_user("usr_2", BOB))


@pytest.mark.parametrize("name", ["a\0b", "\ud800"], ids=["nul", "half a pair"])
async def test_a_text_that_postgresql_cannot_keep_is_a_mistake_and_no_outage(
    storage: Storage, name: str
) -> None:
    with pytest.raises(ConstraintError):
        await add_user(storage, a_user(profile=Profile(name)))

    assert await add_user(storage, a_user())
