"""What differs between database engines: opening, locking, pragmas, guarded inserts. Today: SQLite in a file.

PostgreSQL joins here: its addresses, its advisory lock for migrations, its `ON CONFLICT`.
"""

import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from common.env import SettingsError

LOCK_WAIT = timedelta(seconds=5)

_READERS = 4


@dataclass(frozen=True)
class Database:
    """Connections of two kinds, so that a reader never waits for a writer and cannot become one."""

    writers: AsyncEngine
    readers: AsyncEngine


def insert_unless_there(table: Table, *, by: tuple[str, ...]) -> sqlite.Insert:
    """An insert that does nothing when a row with the same values in these (unique) columns exists."""
    return sqlite.insert(table).on_conflict_do_nothing(index_elements=by)


async def open_database(stack: AsyncExitStack, path: Path, lock_wait: timedelta) -> Database:
    """The database in the file at `path`, which is made when it is missing; closed by the stack.

    Raises `SettingsError` when the file cannot be used.
    """
    _prepare_file(path, lock_wait)
    url = URL.create("sqlite+aiosqlite", database=str(path))
    # One writer: within this process writers queue here, fairly, and not by polling the file's lock.
    writers = _engine(url, lock_wait, connections=1, begin="BEGIN IMMEDIATE")
    stack.push_async_callback(writers.dispose)
    readers = _engine(url, lock_wait, connections=_READERS, begin="BEGIN", pragmas=("query_only = ON",))
    stack.push_async_callback(readers.dispose)
    return Database(writers=writers, readers=readers)


def _prepare_file(path: Path, lock_wait: timedelta) -> None:
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


def _engine(
    url: URL, lock_wait: timedelta, *, connections: int, begin: str, pragmas: tuple[str, ...] = ()
) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=lock_wait.total_seconds(),
        # The driver must not begin transactions by itself: it would begin them late and leave DDL out.
        connect_args={"isolation_level": None},
    )
    settings = (
        f"busy_timeout = {lock_wait // timedelta(milliseconds=1)}",
        "foreign_keys = ON",
        "synchronous = FULL",  # what was acknowledged survives a power cut
        *pragmas,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: Any) -> None:  # noqa: ANN401 - a type of the pool
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        # Writers take the lock at once: one that read first and wrote later would fail, not wait, if
        # another wrote in between.
        connection.exec_driver_sql(begin)

    return engine
