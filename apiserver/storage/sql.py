"""The storage over SQLAlchemy Core: one set of statements for every engine."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import select, true
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from apiserver.errors import StorageUnavailableError
from apiserver.storage.contracts import Storage
from apiserver.storage.database import LOCK_WAIT, Database, open_database, unusable_file
from apiserver.storage.migrate import migrate
from apiserver.storage.tenants import SqlTenants
from apiserver.storage.users import SqlUsers

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SqlTransaction:
    """`contracts.Transaction`."""

    connection: AsyncConnection

    @property
    def users(self) -> SqlUsers:
        return SqlUsers(self.connection)

    @property
    def tenants(self) -> SqlTenants:
        return SqlTenants(self.connection)


@dataclass(frozen=True)
class SqlStorage:
    """`contracts.Storage`."""

    database: Database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        async with _begun(self.database.writers) as connection:
            yield SqlTransaction(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[SqlTransaction]:
        async with _begun(self.database.readers) as connection:
            yield SqlTransaction(connection)

    async def ping(self) -> None:
        async with _begun(self.database.readers) as connection:
            await connection.execute(select(true()))


async def open_storage(stack: AsyncExitStack, path: Path, *, lock_wait: timedelta = LOCK_WAIT) -> Storage:
    """The storage in the SQLite file at `path`, brought up to date; closed by the stack.

    Raises `SettingsError` when the file cannot be used or is newer than this program.
    """
    database = await open_database(stack, path, lock_wait)
    try:
        async with _begun(database.writers) as connection:
            await connection.run_sync(migrate)
    except StorageUnavailableError as error:
        raise unusable_file(path, error.cause) from error
    return SqlStorage(database)


@asynccontextmanager
async def _begun(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        async with engine.begin() as connection:
            yield connection
    except (IntegrityError, DataError, ProgrammingError):
        raise  # a mistake of ours: the next try would fail the same way
    except (DBAPIError, PoolTimeoutError) as error:
        cause = _cause(error)
        log.warning("storage_unavailable", cause=cause)
        raise StorageUnavailableError(cause) from error


def _cause(error: DBAPIError | PoolTimeoutError) -> str:
    # SQLite's own word, such as SQLITE_FULL. The error's text is left out: it may quote values.
    engine_error = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(engine_error, "sqlite_errorname", type(engine_error).__name__))
