"""Bringing the database up to date at start. Migrations are append-only: what is released is never changed.

A new one is a file in migrations/versions that names the former as its `down_revision`. It runs inside the
transaction that holds the engine's write lock: of several servers that start at once one migrates and the
others find the work done, and an interrupted migration leaves no trace.
"""

from datetime import timedelta
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from apiserver.storage.location import PostgresAddress
from apiserver.storage.postgresql import FAULTS, cause_of
from apiserver.storage.sqlite import unusable_file
from common.env import SettingsError

_MIGRATIONS = Path(__file__).parent / "migrations"
_NEWER_DATABASE = (
    "DATABASE_URL names a database of a newer release (revision {revision}): "
    "start that release, or restore the backup from before the upgrade."
)
_UNUSABLE_SERVER = (
    "DATABASE_URL names a PostgreSQL database that cannot be used ({cause}): check the server and the login."
)
# Any number that no other program on this database uses for its own locks.
_ADVISORY_LOCK = 0x446F6F72
_PATIENCE_S = 15.0


def migrate_sqlite(path: Path, lock_wait: timedelta) -> None:
    """Raises `SettingsError` when the file is no database, or one of a newer release."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # The driver must not begin transactions by itself: it would begin them late and leave DDL out.
        connect_args={"isolation_level": None, "timeout": lock_wait.total_seconds()},
    )

    @event.listens_for(engine, "begin")
    def take_the_lock(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            _migrate(connection)
    except DBAPIError as error:
        cause = getattr(error.orig, "sqlite_errorname", type(error.orig).__name__)
        raise unusable_file(path, str(cause)) from error
    finally:
        engine.dispose()


async def migrate_postgresql(address: PostgresAddress) -> None:
    """Raises `SettingsError` when the server is not there, refuses us, or holds a newer release's data."""
    # The driver itself reads the address: SQLAlchemy would take sslmode and host in it for something else.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(address.url, timeout=_PATIENCE_S)
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            await connection.run_sync(_migrate)
    except (DBAPIError, *FAULTS) as error:
        raise SettingsError([_UNUSABLE_SERVER.format(cause=cause_of(_error_of_driver(error)))]) from error
    finally:
        await engine.dispose()


def _error_of_driver(error: BaseException) -> BaseException:
    wrapped = error.orig if isinstance(error, DBAPIError) else None
    # SQLAlchemy's asyncpg knows but a handful of errors; it names the driver's own as the cause of its own.
    return (wrapped and wrapped.__cause__) or wrapped or error


def _migrate(connection: Connection) -> None:
    """Apply what is missing, on a connection that holds the write lock.

    Raises `SettingsError` when the database was made by a newer release: its data would be misread.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise SettingsError([_NEWER_DATABASE.format(revision=min(unknown))])
    command.upgrade(config, "head")
