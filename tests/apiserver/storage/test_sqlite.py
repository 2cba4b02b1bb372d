"""The SQLite file: migrations, rights, pragmas, files that cannot be used, and its threads."""

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from apiserver.storage.contracts import Transaction
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.storage.tables import metadata
from common.env import SettingsError
from tests.apiserver.storage.test_contract import a_user, add_user, find

NEWEST = "0001"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "doorward.db"


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


async def start(path: Path) -> None:
    """What a server does to the database when it starts and stops."""
    async with AsyncExitStack() as stack:
        await open_storage(stack, SqliteFile(path))


async def fault_of(path: Path) -> str:
    with pytest.raises(SettingsError) as refused:
        await start(path)
    (fault,) = refused.value.faults
    return fault


def tables_of(path: Path) -> set[str]:
    with raw(path) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def revisions_of(path: Path) -> list[tuple[str]]:
    with raw(path) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchall()


async def test_an_empty_file_gets_the_tables_that_statements_speak_of(path: Path) -> None:
    await start(path)

    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []
    assert revisions_of(path) == [(NEWEST,)]


async def test_constraints_are_in_the_schema(path: Path) -> None:
    await start(path)

    with raw(path) as connection, pytest.raises(sqlite3.IntegrityError, match="tenants_kind_check"):
        connection.execute("INSERT INTO tenants VALUES ('ten_1', 'name', 'public', NULL, '2030-01-01')")


async def test_a_second_start_changes_nothing(path: Path) -> None:
    await start(path)
    with raw(path) as connection:
        before = list(connection.iterdump())
    await start(path)

    with raw(path) as connection:
        assert list(connection.iterdump()) == before


async def test_servers_that_start_at_once_on_a_new_file_all_start(path: Path) -> None:
    script = "import asyncio, sys; from {0} import Path, start; asyncio.run(start(Path(sys.argv[1])))"
    command = [sys.executable, "-c", script.format(__name__), str(path)]
    servers = [await asyncio.create_subprocess_exec(*command, cwd=ROOT) for _ in range(3)]

    assert [await server.wait() for server in servers] == [0, 0, 0]
    assert revisions_of(path) == [(NEWEST,)]


async def test_a_database_of_a_newer_release_is_refused_and_left_alone(path: Path) -> None:
    await start(path)
    with raw(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    fault = await fault_of(path)

    assert fault.startswith("DATABASE_URL ")
    assert "9999" in fault
    assert revisions_of(path) == [("9999",)]


async def test_a_migration_that_fails_leaves_no_half_of_itself(path: Path) -> None:
    with raw(path) as connection:
        connection.execute("CREATE TABLE members (of_somebody_else)")

    fault = await fault_of(path)

    assert fault.startswith("DATABASE_URL ")
    assert tables_of(path) == {"members"}


async def test_a_file_that_is_no_database_is_refused() -> None:
    assert "SQLITE_NOTADB" in await fault_of(Path(__file__))


async def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "No such file or directory" in await fault_of(tmp_path / "missing" / "doorward.db")


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert (await fault_of(tmp_path)).startswith("DATABASE_URL ")


async def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    async with AsyncExitStack() as stack:
        await open_storage(stack, SqliteFile(path))
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}

    assert modes
    assert set(modes.values()) == {0o600}


async def test_the_journal_is_written_ahead(path: Path) -> None:
    await start(path)

    with raw(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_unit_that_awaits_something_else_is_refused_and_leaves_no_trace(path: Path) -> None:
    async def write_and_sleep(tx: Transaction) -> None:
        await tx.users.add(a_user())
        await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        storage = await open_storage(stack, SqliteFile(path))
        with pytest.raises(RuntimeError, match="awaited something other"):
            await storage.write(write_and_sleep)

        assert await find(storage) is None
        assert await add_user(storage, a_user())
