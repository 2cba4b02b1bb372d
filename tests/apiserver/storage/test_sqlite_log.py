"""SQLite's write-ahead log: it goes into the file while writers and readers go on, and does not grow on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.sql import SqlStorage
from apiserver.storage.sqlite import connect, open_sqlite
from apiserver.storage.sqlite_log import LogKeeper, LogLimits
from apiserver.tenants.users import Identity, Profile
from tests.apiserver.storage.databases import SqliteDatabase
from tests.apiserver.storage.pauses import ThreadPause
from tests.apiserver.storage.rows import ALICE, a_user, add_user
from tests.fakes.waiting import until

LIMITS = LogLimits(changes=20, pages=100)
PAGE_BYTES = 4096
NUMBERS = count(1)
WRITES = 1000


@pytest.fixture
def path(migrated_sqlite: SqliteDatabase, tmp_path: Path) -> Path:
    return migrated_sqlite.copy_to(tmp_path / "doorward.db").location.path


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[Storage]:
    async with AsyncExitStack() as stack:
        yield SqlStorage(
            await open_sqlite(stack, path, lock_wait=timedelta(milliseconds=500), log_limits=LIMITS)
        )


async def write_some(storage: Storage) -> None:
    for _ in range(LIMITS.changes):
        number = next(NUMBERS)
        await add_user(storage, a_user(f"usr_{number}", Identity("i", str(number)), Profile("x" * 1000)))


def size_of(path: Path) -> int:
    return path.stat().st_size


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def test_the_log_goes_into_the_file_while_the_storage_is_open(storage: Storage, path: Path) -> None:
    before = size_of(path)
    await write_some(storage)

    await until(lambda: size_of(path) > before)


async def test_the_log_begins_anew_while_writers_never_rest(storage: Storage, path: Path) -> None:
    await asyncio.gather(*(_write_often(storage) for _ in range(4)))

    # Some commits of five pages and more are together in one, hardly more than four.
    assert size_of(log_of(path)) < WRITES * 5 * PAGE_BYTES / 2


async def _write_often(storage: Storage) -> None:
    for _ in range(WRITES // LIMITS.changes):
        await write_some(storage)


async def test_a_view_that_is_looked_at_for_long_holds_up_neither_writers_nor_the_log_for_ever(
    storage: Storage, path: Path
) -> None:
    pause = ThreadPause()

    async def look(view: Transaction) -> None:
        await view.users.by_identity(ALICE)
        await pause.stand_still()

    looking = asyncio.create_task(storage.read(look))
    await pause.reached()
    for _ in range(10):
        await write_some(storage)
    pause.go_on()
    await looking
    before = size_of(path)
    await write_some(storage)

    await until(lambda: size_of(path) > before)


@contextmanager
def kept(connect_: Callable[[], sqlite3.Connection], limits: LogLimits) -> Iterator[LogKeeper]:
    keeper = LogKeeper(connect_, limits)
    try:
        yield keeper
    finally:
        keeper.close()
        keeper.join()


async def test_what_a_reader_had_kept_back_the_writer_brings_in_and_begins_anew(path: Path) -> None:
    with (
        closing(connect(path, timedelta())) as writer,
        closing(connect(path, timedelta())) as reader,
        kept(partial(connect, path, timedelta()), LogLimits(changes=2000, pages=1)) as keeper,
    ):
        writer.execute("CREATE TABLE things (id)")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM things").fetchall()
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO things VALUES (?)", [(number,) for number in range(2000)])
        writer.execute("COMMIT")
        keeper.after_writes(writer)
        reader.execute("ROLLBACK")

        def is_begun_anew() -> bool:
            before = size_of(log_of(path))
            keeper.before_writes(writer)
            writer.execute("INSERT INTO things VALUES (1)")
            return size_of(log_of(path)) == before

        await until(is_begun_anew)


async def test_a_fault_does_not_end_the_keeping(path: Path) -> None:
    faults = iter([sqlite3.OperationalError("disk I/O error")])

    def connect_at_last() -> sqlite3.Connection:
        for fault in faults:
            raise fault
        return connect(path, timedelta())

    with (
        closing(connect(path, timedelta())) as writer,
        kept(connect_at_last, LogLimits(changes=1, pause_after_fault_s=0)) as keeper,
    ):
        before = size_of(path)
        writer.execute("CREATE TABLE things (id)")
        writer.execute("INSERT INTO things VALUES (1)")
        keeper.after_writes(writer)

        await until(lambda: size_of(path) > before)
