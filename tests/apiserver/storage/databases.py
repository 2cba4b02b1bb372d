"""A database of each engine, as its tests see it from aside."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.ext.asyncio import create_async_engine

from apiserver.storage.location import DatabaseLocation, PostgresAddress, SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.storage.tables import metadata
from tests.apiserver.storage.pauses import Pause, TaskPause, ThreadPause
from tests.fakes.postgres_servers import PostgresServer

T = TypeVar("T")

Rules: TypeAlias = dict[str, list[str]]
"""For each table what alembic does not compare: keys, checks, conditions of indexes."""


class Database(Protocol):
    @property
    def location(self) -> DatabaseLocation: ...

    def execute(self, statement: str) -> str:
        """Past the storage: a line for each row, columns apart by `|`."""
        ...

    def dump(self) -> str:
        """All that is in it."""
        ...

    def tables(self) -> set[str]: ...

    async def differences(self) -> list[Any]:
        """What a migration would have to change to make the tables that statements speak of."""
        ...

    async def rules(self) -> Rules: ...

    async def wanted_rules(self) -> Rules:
        """Those of a database made from the tables that statements speak of."""
        ...

    def pause(self) -> Pause:
        """For the units of this engine."""
        ...


@dataclass(frozen=True)
class SqliteDatabase:
    location: SqliteFile

    def execute(self, statement: str) -> str:
        with closing(sqlite3.connect(self.location.path)) as connection, connection:
            return "".join(
                "|".join(str(cell) for cell in row) + "\n" for row in connection.execute(statement)
            )

    def dump(self) -> str:
        with closing(sqlite3.connect(self.location.path)) as connection:
            return "\n".join(connection.iterdump())

    def tables(self) -> set[str]:
        return set(self.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").split())

    async def differences(self) -> list[Any]:
        return _seen_in_sqlite(f"sqlite:///{self.location.path}", _differences)

    async def rules(self) -> Rules:
        return _seen_in_sqlite(f"sqlite:///{self.location.path}", _rules)

    async def wanted_rules(self) -> Rules:
        return _seen_in_sqlite("sqlite://", _made_rules)

    def pause(self) -> Pause:
        return ThreadPause()

    def copy_to(self, path: Path) -> "SqliteDatabase":
        shutil.copyfile(self.location.path, path)
        return SqliteDatabase(SqliteFile(path))


@dataclass(frozen=True)
class PostgresDatabase:
    server: PostgresServer
    location: PostgresAddress

    @property
    def name(self) -> str:
        return urlsplit(self.location.url).path.removeprefix("/")

    def execute(self, statement: str) -> str:
        return self.server.execute(statement, self.name)

    def dump(self) -> str:
        lines = self.server.client("pg_dump", "-d", self.name).splitlines(keepends=True)
        # A random word of each dump, against scripts that would be run by psql.
        return "".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))

    def tables(self) -> set[str]:
        return set(
            self.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            ).split()
        )

    def empty(self) -> None:
        """Removes all rows; the tables stay."""
        self.execute("".join(f"DELETE FROM {table.name};" for table in reversed(metadata.sorted_tables)))

    async def differences(self) -> list[Any]:
        return await _seen_in_postgresql(self.location.url, _differences)

    async def rules(self) -> Rules:
        return await _seen_in_postgresql(self.location.url, _rules)

    async def wanted_rules(self) -> Rules:
        with self.server.database() as url:
            return await _seen_in_postgresql(url, _made_rules)

    def pause(self) -> Pause:
        return TaskPause()


def _differences(connection: Connection) -> list[Any]:
    # Types are compared on PostgreSQL alone: SQLite has but a few, and keeps any value in any column.
    opts = {"compare_type": connection.dialect.name == "postgresql"}
    return list(compare_metadata(MigrationContext.configure(connection, opts=opts), metadata))


def _rules(connection: Connection) -> Rules:
    inspector = inspect(connection)
    return {
        table: [
            str(inspector.get_pk_constraint(table)),
            *sorted(str(check) for check in inspector.get_check_constraints(table)),
            *sorted(_index(index) for index in inspector.get_indexes(table)),
        ]
        for table in sorted(inspector.get_table_names())
        if table != "alembic_version"
    }


def _index(index: ReflectedIndex) -> str:
    conditions = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['unique']} {index['column_names']} {conditions}"


def _made_rules(connection: Connection) -> Rules:
    metadata.create_all(connection)
    return _rules(connection)


def _seen_in_sqlite(url: str, look: Callable[[Connection], T]) -> T:
    engine = create_engine(url)
    with engine.connect() as connection:
        seen = look(connection)
    engine.dispose()
    return seen


async def _seen_in_postgresql(url: str, look: Callable[[Connection], T]) -> T:
    engine = create_async_engine(url.replace("postgresql", "postgresql+asyncpg", 1))
    async with engine.connect() as connection:
        seen = await connection.run_sync(look)
    await engine.dispose()
    return seen


def where(location: DatabaseLocation) -> str:
    """For the command line of another process, which reads it by `location_of`."""
    return str(location.path) if isinstance(location, SqliteFile) else location.url


def location_of(where: str) -> DatabaseLocation:
    return PostgresAddress(where) if "://" in where else SqliteFile(Path(where))


def migrate(location: DatabaseLocation) -> None:
    """Brings it up to date, as a server does when it starts; for who has no loop."""
    # In a thread: the main thread's loop is the one of the tests.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, start(location)).result()


async def start(location: DatabaseLocation) -> None:
    """What a server does to the database when it starts and stops."""
    async with AsyncExitStack() as stack:
        await open_storage(stack, location)
