"""SQLite in a file: one thread that writes, some that read.

A write is durable only after an fsync, which takes as long for one unit of work as for a hundred. So the
writer takes all units that wait, runs each in a savepoint of its own, and commits them together: a unit that
fails leaves no trace, and the others do not notice.
"""

import asyncio
import queue
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any, Generic, TypeVar

import structlog

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import ConstraintError
from apiserver.storage.engine import EngineWork
from apiserver.storage.statement import Row, Statement
from common.env import SettingsError

LOCK_WAIT = timedelta(seconds=5)

_READERS = 2
_LARGEST_BATCH = 128
# Ten seconds of work: whoever comes later would not wait for it anyway.
_LONGEST_QUEUE = 20_000
# Pages of the log after which they go into the file: each goes once, however often it was written.
_CHECKPOINT_PAGES = 8_000
_CACHE_KIB = 64 * 1024
_STATEMENTS = 512

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class SqliteConnection:
    """`engine.Connection`, for the thread that made it. It never suspends."""

    raw: sqlite3.Connection

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        compiled = statement.for_sqlite
        found = self.raw.execute(compiled.sql, compiled.arguments(values))
        if compiled.make_row is None:
            return []
        return list(map(compiled.make_row, found.fetchall()))


@dataclass
class _Unit(Generic[T]):
    """One unit of work, and who waits for it."""

    work: EngineWork[T]
    waiter: asyncio.Future[T]
    result: T | None = None
    error: BaseException | None = field(default=None)

    def run(self, connection: SqliteConnection) -> None:
        self.result = _driven(self.work(connection))

    def deliver(self) -> None:
        if self.waiter.done():
            return  # whoever waited was cancelled; what was committed stays
        if self.error is not None:
            self.waiter.set_exception(self.error)
        else:
            self.waiter.set_result(self.result)  # type: ignore[arg-type]


def _driven(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("a unit of work awaited something other than its transaction")


class _Worker:
    """A thread with a connection of its own that takes units from a queue."""

    def __init__(
        self,
        name: str,
        waiting: "queue.SimpleQueue[_Unit[Any] | None]",
        open_connection: Callable[[], sqlite3.Connection],
        run: Callable[[SqliteConnection, list[_Unit[Any]]], None],
    ) -> None:
        self._waiting = waiting
        self._open = open_connection
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def ended(self) -> None:
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        with closing(self._open()) as raw:
            connection = SqliteConnection(raw)
            while batch := self._next_batch():
                self._run_all(connection, batch)
                # A loop that is closed has nobody left who waits.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(_deliver, batch)
        # For the next of several threads that take from one queue.
        self._waiting.put(None)

    def _run_all(self, connection: SqliteConnection, batch: list[_Unit[Any]]) -> None:
        try:
            self._run(connection, batch)
        except Exception as error:  # noqa: BLE001 - the thread must live: whoever came next would wait for ever
            log.error("storage_worker_failed", error=type(error).__name__)  # noqa: TRY400 - the text may quote values
            for unit in batch:
                unit.error = StorageUnavailableError(type(error).__name__)

    def _next_batch(self) -> list[_Unit[Any]]:
        """All that wait; empty when there is nothing left to do, ever."""
        first = self._waiting.get()
        batch = [] if first is None else [first]
        while first is not None and len(batch) < _LARGEST_BATCH:
            try:
                unit = self._waiting.get_nowait()
            except queue.Empty:
                break
            if unit is None:
                self._waiting.put(None)
                break
            batch.append(unit)
        return batch


def _deliver(batch: list[_Unit[Any]]) -> None:
    for unit in batch:
        unit.deliver()


def _run_writes(connection: SqliteConnection, batch: list[_Unit[Any]]) -> None:
    raw = connection.raw
    try:
        raw.execute("BEGIN IMMEDIATE")
        for unit in batch:
            _run_in_savepoint(connection, unit)
        raw.execute("COMMIT")
    except sqlite3.Error as error:
        # Nothing of the batch was kept, whatever each of them had come to.
        cause = _cause(error)
        with suppress(sqlite3.Error):
            raw.execute("ROLLBACK")
        for unit in batch:
            unit.error = StorageUnavailableError(cause)


def _run_in_savepoint(connection: SqliteConnection, unit: _Unit[Any]) -> None:
    raw = connection.raw
    raw.execute("SAVEPOINT unit")
    try:
        unit.run(connection)
    except sqlite3.OperationalError:
        # Disk full, file damaged: SQLite may have given up the whole transaction.
        raise
    except sqlite3.IntegrityError as error:
        unit.error = ConstraintError(error.sqlite_errorname)
        raw.execute("ROLLBACK TO unit")
    except Exception as error:  # noqa: BLE001 - it is raised where the unit is waited for
        unit.error = error
        raw.execute("ROLLBACK TO unit")
    raw.execute("RELEASE unit")


def _run_reads(connection: SqliteConnection, batch: list[_Unit[Any]]) -> None:
    raw = connection.raw
    raw.execute("BEGIN")
    for unit in batch:
        try:
            unit.run(connection)
        except sqlite3.Error as error:
            unit.error = StorageUnavailableError(_cause(error))
        except Exception as error:  # noqa: BLE001 - it is raised where the unit is waited for
            unit.error = error
    if raw.in_transaction:
        raw.execute("ROLLBACK")


@dataclass(frozen=True)
class SqliteEngine:
    """`engine.Engine`."""

    writes: "queue.SimpleQueue[_Unit[Any] | None]"
    reads: "queue.SimpleQueue[_Unit[Any] | None]"

    async def write(self, work: EngineWork[T]) -> T:
        return await _submitted(self.writes, work)

    async def read(self, work: EngineWork[T]) -> T:
        return await _submitted(self.reads, work)


def _submitted(waiting: "queue.SimpleQueue[_Unit[Any] | None]", work: EngineWork[T]) -> asyncio.Future[T]:
    if waiting.qsize() >= _LONGEST_QUEUE:
        raise StorageUnavailableError("queue_full")
    waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    waiting.put(_Unit(work, waiter))
    return waiter


async def open_sqlite(stack: AsyncExitStack, path: Path, *, lock_wait: timedelta = LOCK_WAIT) -> SqliteEngine:
    """The database in the file at `path`, which `prepare_file` has made; closed by the stack."""
    engine = SqliteEngine(queue.SimpleQueue(), queue.SimpleQueue())

    def open_writer() -> sqlite3.Connection:
        return connect(path, lock_wait)

    def open_reader() -> sqlite3.Connection:
        return connect(path, lock_wait, "query_only = ON")

    _start(stack, "storage-writer", engine.writes, open_writer, _run_writes)
    for number in range(_READERS):
        _start(stack, f"storage-reader-{number}", engine.reads, open_reader, _run_reads)
    return engine


def _start(
    stack: AsyncExitStack,
    name: str,
    waiting: "queue.SimpleQueue[_Unit[Any] | None]",
    open_connection: Callable[[], sqlite3.Connection],
    run: Callable[[SqliteConnection, list[_Unit[Any]]], None],
) -> None:
    worker = _Worker(name, waiting, open_connection, run)
    stack.push_async_callback(worker.ended)
    stack.callback(waiting.put, None)


def connect(path: Path, lock_wait: timedelta, *pragmas: str) -> sqlite3.Connection:
    """A connection whose transactions are begun by us alone."""
    connection = sqlite3.connect(
        path,
        timeout=lock_wait.total_seconds(),
        isolation_level=None,
        cached_statements=_STATEMENTS,
    )
    settings = (
        "foreign_keys = ON",
        "synchronous = FULL",  # what was acknowledged survives a power cut
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        f"cache_size = -{_CACHE_KIB}",
        # What a savepoint could bring back is kept there: in files, that would be half of all work.
        "temp_store = MEMORY",
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


def _cause(error: sqlite3.Error) -> str:
    # SQLite's own word, such as SQLITE_FULL. The error's text is left out: it may quote values.
    cause = str(getattr(error, "sqlite_errorname", type(error).__name__))
    log.warning("storage_unavailable", cause=cause)
    return cause
