"""SQLite in a file: one thread that writes, some that read.

A write is durable only after an fsync, which takes as long for one unit of work as for a hundred. So the
writer takes all units that wait, runs each in a savepoint of its own, and commits them together: a unit that
fails leaves no trace, and the others do not notice.
"""

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import ConstraintError
from apiserver.storage.engine import EngineWork
from apiserver.storage.sqlite_log import LogKeeper, LogLimits
from apiserver.storage.sqlite_threads import SqliteConnection, Task, Unit, Waiting, Worker, cause_of
from common.env import SettingsError

LOCK_WAIT = timedelta(seconds=5)

READERS = 4
_LARGEST_WRITE_BATCH = 128
_LARGEST_READ_BATCH = 8
# The keeper of the log comes long before this; while it cannot, the writer tries itself.
_MOST_LOG_PAGES = 64_000
_CACHE_KIB = 64 * 1024
_STATEMENTS = 512

# A broken rule, or a value that no column takes.
_MISTAKES = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)

T = TypeVar("T")


@dataclass(frozen=True)
class SqliteEngine:
    """`engine.Engine`."""

    writes: Waiting
    reads: Waiting

    async def write(self, work: EngineWork[T]) -> T:
        return await self.writes.submit(work)

    async def read(self, work: EngineWork[T]) -> T:
        return await self.reads.submit(work)


async def open_sqlite(
    stack: AsyncExitStack,
    path: Path,
    *,
    lock_wait: timedelta = LOCK_WAIT,
    log_limits: LogLimits = LogLimits(),  # noqa: B008 - it is frozen
) -> SqliteEngine:
    """The database in the file at `path`, which `prepare_file` has made; closed by the stack."""
    engine = SqliteEngine(Waiting(), Waiting())
    keeper = LogKeeper(lambda: connect(path, lock_wait), log_limits)
    stack.push_async_callback(asyncio.to_thread, keeper.join)
    stack.callback(keeper.close)

    def run_writes(connection: SqliteConnection, batch: list[Unit[Any]]) -> None:
        keeper.before_writes(connection.raw)
        _run_writes(connection, batch)
        keeper.after_writes(connection.raw)

    write = Task(lambda: connect(path, lock_wait), run_writes, _LARGEST_WRITE_BATCH)
    read = Task(lambda: connect(path, lock_wait, "query_only = ON"), _run_reads, _LARGEST_READ_BATCH)
    _start(stack, "storage-writer", engine.writes, write)
    for number in range(READERS):
        _start(stack, f"storage-reader-{number}", engine.reads, read)
    return engine


def _start(stack: AsyncExitStack, name: str, waiting: Waiting, task: Task) -> None:
    worker = Worker(name, waiting, task)
    stack.push_async_callback(worker.ended)
    stack.callback(waiting.close)


def _run_writes(connection: SqliteConnection, batch: list[Unit[Any]]) -> None:
    connection.raw.execute("BEGIN IMMEDIATE")
    for unit in batch:
        if not unit.is_given_up:
            _run_in_savepoint(connection, unit)
    connection.raw.execute("COMMIT")


def _run_in_savepoint(connection: SqliteConnection, unit: Unit[Any]) -> None:
    connection.raw.execute("SAVEPOINT unit")
    _run_unit(connection, unit)
    if unit.error is not None:
        # This fails, and the whole batch with it, when SQLite has given up the transaction already.
        connection.raw.execute("ROLLBACK TO unit")
    connection.raw.execute("RELEASE unit")


def _run_reads(connection: SqliteConnection, batch: list[Unit[Any]]) -> None:
    connection.raw.execute("BEGIN")
    for unit in batch:
        if not unit.is_given_up:
            _run_unit(connection, unit)
    connection.raw.execute("ROLLBACK")


def _run_unit(connection: SqliteConnection, unit: Unit[Any]) -> None:
    """Whatever goes wrong is the unit's own, and no end of the thread."""
    try:
        unit.run(connection)
    except _MISTAKES as error:
        # With the way it came, which the log of an unexpected error shows.
        cause = getattr(error, "sqlite_errorname", type(error).__name__)
        unit.error = ConstraintError(cause).with_traceback(error.__traceback__)
    except sqlite3.Error as error:
        unit.error = StorageUnavailableError(cause_of(error))
    except BaseException as error:  # noqa: BLE001 - it is raised where the unit is waited for
        unit.error = error


def connect(path: Path, lock_wait: timedelta, *pragmas: str) -> sqlite3.Connection:
    """A connection whose transactions are begun by us alone."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",  # makes no file: where ours is away, an empty one would look fine
        uri=True,
        timeout=lock_wait.total_seconds(),
        isolation_level=None,
        cached_statements=_STATEMENTS,
    )
    settings = (
        "foreign_keys = ON",
        "synchronous = FULL",  # what was acknowledged survives a power cut
        f"wal_autocheckpoint = {_MOST_LOG_PAGES}",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = MEMORY",  # what savepoints put back would go through a file, at some 20 µs a unit
        *pragmas,
    )
    for setting in settings:
        connection.execute(f"PRAGMA {setting}")
    return connection


def prepare_file(path: Path, lock_wait: timedelta = LOCK_WAIT) -> None:
    """Makes the file when it is missing. Raises `SettingsError` when it cannot be used."""
    try:
        # SQLite would let everyone on the machine read it; its companion files take over these rights.
        path.touch(mode=0o600, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=lock_wait.total_seconds())) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # kept in the file: readers and a writer at once
    except OSError as error:
        raise unusable_file(path, error.strerror) from error
    except sqlite3.Error as error:
        raise unusable_file(path, getattr(error, "sqlite_errorname", None)) from error


def unusable_file(path: Path, cause: str | None) -> SettingsError:
    return SettingsError(
        [f"DATABASE_URL names {path}, which is no usable database ({cause}): check the file."]
    )
