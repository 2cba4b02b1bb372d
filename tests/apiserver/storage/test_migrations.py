"""Bringing a database up to date at start, on every engine."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from common.env import SettingsError
from tests.apiserver.storage.databases import Database, start, where

MIGRATIONS = Path(__file__).parents[3] / "apiserver/storage/migrations/versions"
NEWEST = max(path.name.partition("_")[0] for path in MIGRATIONS.glob("0*.py"))
ROOT = Path(__file__).parents[3]
START = (
    "import asyncio, sys; from {0} import location_of, start; asyncio.run(start(location_of(sys.argv[1])))"
)


def revisions_of(database: Database) -> list[str]:
    return database.execute("SELECT version_num FROM alembic_version").split()


async def fault_of(database: Database) -> str:
    with pytest.raises(SettingsError) as refused:
        await start(database.location)
    (fault,) = refused.value.faults
    return fault


async def test_an_empty_database_gets_the_tables_that_statements_speak_of(empty_database: Database) -> None:
    await start(empty_database.location)

    assert await empty_database.differences() == []
    assert revisions_of(empty_database) == [NEWEST]


async def test_keys_checks_and_conditions_of_indexes_are_in_the_schema(empty_database: Database) -> None:
    await start(empty_database.location)

    assert await empty_database.rules() == await empty_database.wanted_rules()


async def test_a_broken_rule_is_refused_by_the_database_itself(database: Database) -> None:
    row = "INSERT INTO tenants (id, name, kind, created_at) VALUES ('ten_1', 'name', 'public', '2030-01-01')"

    with pytest.raises((sqlite3.IntegrityError, AssertionError), match="tenants_kind_check"):
        database.execute(row)


async def test_a_second_start_changes_nothing(empty_database: Database) -> None:
    await start(empty_database.location)
    before = empty_database.dump()
    await start(empty_database.location)

    assert empty_database.dump() == before


async def test_servers_that_start_at_once_on_an_empty_database_all_start(empty_database: Database) -> None:
    command = [sys.executable, "-c", START.format(start.__module__), where(empty_database.location)]
    servers = [await asyncio.create_subprocess_exec(*command, cwd=ROOT) for _ in range(3)]

    assert [await server.wait() for server in servers] == [0, 0, 0]
    assert revisions_of(empty_database) == [NEWEST]


async def test_a_database_of_a_newer_release_is_refused_and_left_alone(empty_database: Database) -> None:
    await start(empty_database.location)
    empty_database.execute("UPDATE alembic_version SET version_num = '9999'")

    fault = await fault_of(empty_database)

    assert fault.startswith("DATABASE_URL ")
    assert "9999" in fault
    assert revisions_of(empty_database) == ["9999"]


async def test_a_migration_that_fails_leaves_no_half_of_itself(empty_database: Database) -> None:
    empty_database.execute("CREATE TABLE members (of_somebody_else text)")

    fault = await fault_of(empty_database)

    assert fault.startswith("DATABASE_URL ")
    assert empty_database.tables() == {"members"}
