"""PostgreSQL over asyncpg: each unit of work is a transaction on a connection of the pool."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import ConstraintError, OvertakenError
from apiserver.storage.engine import EngineWork
from apiserver.storage.location import PostgresAddress
from apiserver.storage.statement import Row, Statement

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

LOCK_WAIT = timedelta(seconds=5)

MOST_CONNECTIONS = 10
# A flood with one registration token makes writers wait for each other, each on a connection of its own.
# Who is only looked up, as each device and token is, must not wait for them.
_FOR_READERS_ALONE = 3
_STATEMENTS = 500
# In waits for a lock, which end earlier: only a server or a network that is dead comes near it.
_ANSWER_PATIENCE = 3

log = structlog.get_logger(__name__)

T = TypeVar("T")

FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises, from a server that is not there to a rule that was broken."""

# Of two that hold what the other wants, one is sent back; nothing of it was kept.
_OVERTAKEN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_MISTAKES = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)


@dataclass(frozen=True)
class PostgresConnection:
    """`engine.Connection`."""

    raw: "PoolConnectionProxy[asyncpg.Record]"

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        compiled = statement.for_postgresql
        arguments = compiled.arguments(values)
        if compiled.make_row is None:
            await self.raw.execute(compiled.sql, *arguments)
            return []
        return list(map(compiled.make_row, await self.raw.fetch(compiled.sql, *arguments)))


@dataclass(frozen=True)
class PostgresEngine:
    """`engine.Engine`."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    patience_s: float
    _writers: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(MOST_CONNECTIONS - _FOR_READERS_ALONE), init=False
    )

    async def write(self, work: EngineWork[T]) -> T:
        try:
            async with asyncio.timeout(self.patience_s):
                await self._writers.acquire()
        except TimeoutError as error:
            raise StorageUnavailableError(cause_of(error)) from error
        try:
            return await self._run(work, isolation="read_committed", readonly=False)
        finally:
            self._writers.release()

    async def read(self, work: EngineWork[T]) -> T:
        # The view is one over several statements.
        return await self._run(work, isolation="repeatable_read", readonly=True)

    async def _run(self, work: EngineWork[T], *, isolation: Any, readonly: bool) -> T:  # noqa: ANN401 - a literal of asyncpg's
        try:
            async with (
                self.pool.acquire(timeout=self.patience_s) as raw,
                raw.transaction(isolation=isolation, readonly=readonly),
            ):
                return await work(PostgresConnection(raw))
        except FAULTS as error:
            raise _as_told(error) from error


def _as_told(error: Exception) -> Exception:
    if isinstance(error, _OVERTAKEN):
        return OvertakenError()
    if isinstance(error, _MISTAKES):
        return ConstraintError(getattr(error, "constraint_name", None) or type(error).__name__)
    return StorageUnavailableError(cause_of(error))


async def open_postgresql(
    stack: AsyncExitStack, address: PostgresAddress, *, lock_wait: timedelta = LOCK_WAIT
) -> PostgresEngine:
    """A pool of connections; closed by the stack. Raises as asyncpg does when there is no server."""
    patience_s = lock_wait.total_seconds()
    pool = asyncpg.create_pool(
        dsn=address.url,
        min_size=1,
        max_size=MOST_CONNECTIONS,
        statement_cache_size=_STATEMENTS,
        command_timeout=patience_s * _ANSWER_PATIENCE,
        timeout=patience_s,
        # Nothing of a connection is changed beyond its transactions, so there is nothing to put back.
        reset=_leave_as_it_is,
        server_settings={
            "application_name": "doorward-apiserver",
            "lock_timeout": str(lock_wait // timedelta(milliseconds=1)),
            "idle_in_transaction_session_timeout": "60000",
            "timezone": "UTC",
        },
    )
    await pool
    stack.push_async_callback(_close, pool, patience_s)
    return PostgresEngine(pool, patience_s)


async def _leave_as_it_is(_connection: object) -> None:
    pass


async def _close(pool: "asyncpg.Pool[asyncpg.Record]", patience_s: float) -> None:
    try:
        async with asyncio.timeout(patience_s):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def cause_of(error: BaseException) -> str:
    """The engine's word for it, such as `LockNotAvailableError`. Its text may quote values, and stays out."""
    cause = type(error).__name__
    log.warning("storage_unavailable", cause=cause)
    return cause
