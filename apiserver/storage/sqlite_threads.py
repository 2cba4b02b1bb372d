"""Threads that run units of work, each with a connection of its own.

Whoever waits is told an end in any case: nothing that a unit or SQLite does ends a thread.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

import structlog

from apiserver.errors import StorageUnavailableError
from apiserver.storage.engine import EngineWork
from apiserver.storage.statement import Row, Statement

# Ten seconds of work: whoever comes later would not wait for it anyway.
LONGEST_QUEUE = 20_000

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqliteConnection:
    """`engine.Connection`, for the thread that made it. It never suspends."""

    raw: sqlite3.Connection

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        compiled = statement.for_sqlite
        found = self.raw.execute(compiled.sql, compiled.arguments(values))
        if compiled.make_row is None:
            return [()] * found.rowcount if compiled.answers_count else []
        return list(map(compiled.make_row, found.fetchall()))


@dataclass(slots=True)
class Unit(Generic[T]):
    """One unit of work, and who waits for it."""

    work: EngineWork[T]
    waiter: asyncio.Future[T]
    result: T | None = None
    error: BaseException | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits any more, so that it need not be begun."""
        return self.waiter.cancelled()

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


class Waiting:
    """The units that wait for a thread, first come, first served."""

    def __init__(self) -> None:
        self._units: SimpleQueue[Unit[Any] | None] = SimpleQueue()
        self._is_closed = False

    def submit(self, work: EngineWork[T]) -> asyncio.Future[T]:
        """Raises `StorageUnavailableError` when too many wait, or after `close`."""
        if self._is_closed:
            raise StorageUnavailableError("closed")
        if self._units.qsize() >= LONGEST_QUEUE:
            raise StorageUnavailableError("queue_full")
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._units.put(Unit(work, waiter))
        return waiter

    def close(self) -> None:
        """Those that wait are still served, then the threads end."""
        self._is_closed = True
        self._units.put(None)

    def next_batch(self, at_most: int) -> list[Unit[Any]]:
        """All that wait, as soon as one does; empty when there is nothing left to do, ever."""
        first = self._units.get()
        if first is None:
            # For the next of several threads.
            self._units.put(None)
            return []
        return [first, *self.those_behind(at_most - 1)]

    def those_behind(self, at_most: int = LONGEST_QUEUE) -> list[Unit[Any]]:
        """Those that wait at this moment, maybe none."""
        batch: list[Unit[Any]] = []
        while len(batch) < at_most:
            try:
                unit = self._units.get_nowait()
            except Empty:
                break
            if unit is None:
                self._units.put(None)
                break
            batch.append(unit)
        return batch


@dataclass(frozen=True)
class Task:
    """What a thread does. `run` fails when SQLite failed all of the units."""

    connect: Callable[[], sqlite3.Connection]
    run: Callable[[SqliteConnection, list[Unit[Any]]], None]
    largest_batch: int


class Worker:
    """A thread that does its task until its queue is closed."""

    def __init__(self, name: str, waiting: Waiting, task: Task) -> None:
        self._waiting = waiting
        self._task = task
        self._connection: SqliteConnection | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def ended(self) -> None:
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while batch := self._waiting.next_batch(self._task.largest_batch):
            self._run(batch)
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_deliver, batch)
        self._disconnect()

    def _run(self, batch: list[Unit[Any]]) -> None:
        try:
            if self._connection is None:
                self._connection = SqliteConnection(self._task.connect())
            self._task.run(self._connection, batch)
        except BaseException as error:  # noqa: BLE001 - the thread must live: whoever came next would wait for ever
            # Closing gives up whatever transaction is open: nothing of the batch was kept.
            self._disconnect()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                # They waited for the same lock. Without this, each batch would wait as long after the former.
                batch += self._waiting.those_behind()
            cause = cause_of(error)
            for unit in batch:
                unit.error = StorageUnavailableError(cause)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.raw.close()


def _deliver(batch: list[Unit[Any]]) -> None:
    for unit in batch:
        unit.deliver()


def cause_of(error: BaseException) -> str:
    """SQLite's own word, such as SQLITE_FULL. The error's text is left out: it may quote values."""
    cause = str(getattr(error, "sqlite_errorname", type(error).__name__))
    log.warning("storage_unavailable", cause=cause)
    return cause
