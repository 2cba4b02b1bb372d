"""What holds for SQLite alone: units that are committed together, threads that live, a lock, a full disk."""

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import current_thread

import pytest

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import ConstraintError, Storage, Transaction
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import SqlTransaction, open_storage
from apiserver.storage.sqlite import READERS
from apiserver.storage.sqlite_threads import LONGEST_QUEUE, SqliteConnection, Waiting
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import Identity, UserId
from tests.apiserver.storage.databases import SqliteDatabase
from tests.apiserver.storage.pauses import ThreadPause
from tests.apiserver.storage.rows import ALICE, BOB, NOW, a_user, add_user, find

LOCK_WAIT = timedelta(milliseconds=500)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(migrated_sqlite: SqliteDatabase, tmp_path: Path) -> Path:
    return migrated_sqlite.copy_to(tmp_path / "doorward.db").location.path


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[Storage]:
    async with AsyncExitStack() as stack:
        yield await open_storage(stack, SqliteFile(path), lock_wait=LOCK_WAIT)


@pytest.fixture
def pause(storage: Storage) -> Iterator[ThreadPause]:
    pause = ThreadPause()
    yield pause
    pause.go_on()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """As another process does that writes for long."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


async def add_alice_and_fail(tx: Transaction) -> None:
    await tx.users.add(a_user())
    raise LookupError


async def break_a_constraint(tx: Transaction) -> None:
    await tx.users.add(a_user())
    await tx.tenants.add_member(TenantId("ten_none"), UserId("usr_1"), Role.OWNER, joined_at=NOW)


async def add_alice_and_sleep(tx: Transaction) -> None:
    await tx.users.add(a_user())
    await asyncio.sleep(0)


async def stand_still(pause: ThreadPause, _tx: Transaction) -> None:
    await pause.stand_still()


async def nothing(_tx: object) -> None: ...


async def test_units_that_fail_leave_no_trace_and_do_not_disturb_those_committed_with_them(
    storage: Storage, pause: ThreadPause
) -> None:
    def add(number: int) -> "asyncio.Task[bool]":
        return asyncio.create_task(add_user(storage, a_user(f"usr_{number}", Identity("i", str(number)))))

    holding = asyncio.create_task(storage.write(lambda _: pause.stand_still()))
    await pause.reached()
    # All that comes now waits for the one above, and is then committed at once.
    together = [
        add(2),
        asyncio.create_task(storage.write(add_alice_and_fail)),
        add(3),
        asyncio.create_task(storage.write(break_a_constraint)),
        asyncio.create_task(storage.write(add_alice_and_sleep)),
        add(4),
    ]
    await asyncio.sleep(0)
    pause.go_on()
    results = await asyncio.gather(*together, return_exceptions=True)
    await holding

    assert [results[place] for place in (0, 2, 5)] == [True, True, True]
    assert [type(results[place]) for place in (1, 3, 4)] == [LookupError, ConstraintError, RuntimeError]
    assert await find(storage) is None
    assert await find(storage, Identity("i", "4")) is not None


async def test_a_unit_that_awaits_something_else_is_refused(storage: Storage) -> None:
    with pytest.raises(RuntimeError, match="awaited something other"):
        await storage.write(add_alice_and_sleep)

    assert await find(storage) is None


async def test_a_unit_that_is_refused_is_ended_in_its_thread_and_before_what_follows(
    storage: Storage,
) -> None:
    ended_in: list[str] = []

    async def sleep(_tx: Transaction) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ended_in.append(current_thread().name)

    with pytest.raises(RuntimeError):
        await storage.write(sleep)
    assert ended_in == ["storage-writer"]


async def test_a_transaction_that_sqlite_itself_gives_up_keeps_nothing_and_the_next_one_works(
    storage: Storage, path: Path, pause: ThreadPause
) -> None:
    SqliteDatabase(SqliteFile(path)).execute(
        "CREATE TRIGGER give_up BEFORE INSERT ON users WHEN NEW.id = 'usr_bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'given up'); END"
    )
    holding = asyncio.create_task(storage.write(lambda _: pause.stand_still()))
    await pause.reached()
    together = [
        asyncio.create_task(add_user(storage, user))
        for user in (a_user("usr_1", ALICE), a_user("usr_bad", BOB))
    ]
    await asyncio.sleep(0)
    pause.go_on()
    results = await asyncio.gather(*together, return_exceptions=True)
    await holding

    assert [type(result) for result in results] == [StorageUnavailableError, StorageUnavailableError]
    assert await find(storage) is None
    assert await add_user(storage, a_user())


async def test_whatever_a_unit_leaves_of_its_transaction_the_next_one_works(storage: Storage) -> None:
    async def release(tx: Transaction) -> None:
        await tx.users.add(a_user())
        assert isinstance(tx, SqlTransaction)
        assert isinstance(tx.connection, SqliteConnection)
        tx.connection.raw.execute("RELEASE unit")

    with pytest.raises(StorageUnavailableError):
        await storage.write(release)

    assert await find(storage) is None
    assert await add_user(storage, a_user())


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), MemoryError()], ids=type)
async def test_no_error_ends_a_thread(storage: Storage, error: BaseException) -> None:
    async def fail(_tx: Transaction) -> None:
        raise error

    for run in (storage.write, storage.read, storage.read):
        with pytest.raises(type(error)):
            await run(fail)

    assert await add_user(storage, a_user())
    assert await find(storage) is not None


async def test_a_unit_that_nobody_waits_for_any_more_is_not_begun_and_those_behind_it_are(
    storage: Storage, pause: ThreadPause
) -> None:
    holding = asyncio.create_task(storage.write(lambda _: pause.stand_still()))
    await pause.reached()
    given_up = asyncio.create_task(add_user(storage, a_user()))
    behind = asyncio.create_task(add_user(storage, a_user("usr_2", BOB)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    pause.go_on()
    await holding

    assert await behind
    assert await find(storage) is None


async def test_a_view_that_nobody_waits_for_any_more_is_not_begun(storage: Storage) -> None:
    pauses = [ThreadPause() for _ in range(READERS)]
    holding = []
    for pause in pauses:
        holding.append(asyncio.create_task(storage.read(partial(stand_still, pause))))
        await pause.reached()
    begun: list[bool] = []

    async def look(_view: Transaction) -> None:
        begun.append(True)

    given_up = asyncio.create_task(storage.read(look))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    for pause in pauses:
        pause.go_on()
    await asyncio.gather(*holding)
    await find(storage)

    assert begun == []


def test_a_loop_that_is_gone_ends_no_thread(path: Path) -> None:
    pause = ThreadPause()

    async def leave_at_once() -> AsyncExitStack:
        stack = AsyncExitStack()
        storage = await open_storage(stack, SqliteFile(path))
        writing = asyncio.create_task(storage.write(lambda _: pause.stand_still()))
        await pause.reached()
        writing.cancel()
        return stack

    def leave_and_close() -> None:
        stack = asyncio.run(leave_at_once())
        pause.go_on()
        asyncio.run(stack.aclose())

    # In a thread of its own: the loop of this one is that of the tests.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(leave_and_close).result()


async def test_more_units_than_could_be_done_in_time_are_refused_at_once(
    storage: Storage, pause: ThreadPause
) -> None:
    holding = asyncio.create_task(storage.write(lambda _: pause.stand_still()))
    await pause.reached()
    waiting = [asyncio.create_task(storage.write(nothing)) for _ in range(LONGEST_QUEUE)]
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailableError) as refused:
        await storage.write(nothing)
    pause.go_on()
    await asyncio.gather(holding, *waiting)

    assert refused.value.cause == "queue_full"
    assert await add_user(storage, a_user())


async def test_all_who_wait_for_a_lock_that_another_process_keeps_are_told_together(
    storage: Storage, path: Path
) -> None:
    with locked(path):
        # Eight batches: one after the other they would wait for it eight times as long.
        everyone = [asyncio.create_task(add_user(storage, a_user())) for _ in range(1000)]
        async with asyncio.timeout(LOCK_WAIT.total_seconds() * 6):
            results = await asyncio.gather(*everyone, return_exceptions=True)

    assert {getattr(result, "cause", result) for result in results} == {"SQLITE_BUSY"}
    assert await add_user(storage, a_user())


async def test_a_lock_of_another_process_holds_no_reader_up(storage: Storage, path: Path) -> None:
    await add_user(storage, a_user())
    with locked(path):
        assert await find(storage) == a_user()


async def test_a_full_disk_is_told_and_leaves_nothing_by_half(path: Path) -> None:
    command = [sys.executable, "-m", "tests.apiserver.storage.filling", str(path)]
    filling = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)
    output, _ = await filling.communicate()
    told = output.decode().splitlines()[-1].split()
    kept = SqliteDatabase(SqliteFile(path)).execute("SELECT id FROM users").split()

    assert filling.returncode == 0
    assert told[:3] == ["unavailable", "readable", "writable"]
    assert sorted(told[3:]) == sorted(kept)


async def test_what_waits_is_handed_out_before_the_end_and_the_end_to_every_thread() -> None:
    waiting = Waiting()
    for _ in range(2):
        waiting.submit(nothing)
    waiting.close()

    assert [len(waiting.next_batch(8)) for _ in range(3)] == [2, 0, 0]


async def test_what_waits_at_the_end_is_still_kept_and_what_comes_after_is_refused(path: Path) -> None:
    async with AsyncExitStack() as stack:
        storage = await open_storage(stack, SqliteFile(path))
        adding = asyncio.create_task(add_user(storage, a_user()))
        await asyncio.sleep(0)
    refusals = await asyncio.gather(
        add_user(storage, a_user("usr_2", BOB)), find(storage), return_exceptions=True
    )

    assert await adding
    assert [getattr(refusal, "cause", refusal) for refusal in refusals] == ["closed", "closed"]
