"""Tests that ask for a database run on every engine. A new engine is a row in `ENGINES`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from apiserver.storage.contracts import Storage
from apiserver.storage.location import PostgresAddress, SqliteFile
from apiserver.storage.sql import open_storage
from tests.apiserver.storage.databases import Database, PostgresDatabase, SqliteDatabase, migrate
from tests.apiserver.storage.pauses import Pause
from tests.fakes.postgres_servers import PostgresServer

ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))
LOCK_WAIT = timedelta(milliseconds=500)

OpenStorage: TypeAlias = Callable[[], Awaitable[Storage]]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_database(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    if engine == "sqlite":
        yield SqliteDatabase(SqliteFile(tmp_path / "doorward.db"))
        return
    with _postgres_database(request.getfixturevalue("postgres_server")) as database:
        yield database


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabase:
    """To be copied: running all migrations for each test would take most of its time."""
    location = SqliteFile(tmp_path_factory.mktemp("migrated") / "doorward.db")
    migrate(location)
    return SqliteDatabase(location)


@pytest.fixture(scope="session")
def migrated_postgresql(postgres_server: PostgresServer) -> Iterator[PostgresDatabase]:
    """To be emptied after each test: to make and to drop one takes longer than most tests."""
    with _postgres_database(postgres_server) as database:
        migrate(database.location)
        yield database


@pytest.fixture
def database(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Up to date, without a row of anybody."""
    if engine == "sqlite":
        migrated_sqlite: SqliteDatabase = request.getfixturevalue("migrated_sqlite")
        yield migrated_sqlite.copy_to(tmp_path / "doorward.db")
        return
    migrated_postgresql: PostgresDatabase = request.getfixturevalue("migrated_postgresql")
    yield migrated_postgresql
    migrated_postgresql.empty()


@contextmanager
def _postgres_database(server: PostgresServer) -> Iterator[PostgresDatabase]:
    with server.database() as url:
        yield PostgresDatabase(server, PostgresAddress(url))


@pytest.fixture
async def open_another(database: Database) -> AsyncIterator[OpenStorage]:
    """Opens the same database again, as a second server would."""
    async with AsyncExitStack() as stack:
        yield lambda: open_storage(stack, database.location, lock_wait=LOCK_WAIT)


@pytest.fixture
async def storage(open_another: OpenStorage) -> Storage:
    return await open_another()


@pytest.fixture
def pause(database: Database, open_another: OpenStorage) -> Iterator[Pause]:
    """Ends before the storage is closed, which waits for its units."""
    pause = database.pause()
    yield pause
    pause.go_on()
