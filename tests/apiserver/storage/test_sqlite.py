"""What holds for the SQLite file alone."""

import os
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from apiserver.errors import StorageUnavailableError
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.storage.sqlite import LOCK_WAIT, connect
from common.env import SettingsError
from tests.apiserver.storage.databases import SqliteDatabase, start
from tests.apiserver.storage.rows import a_user, add_user, find


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "doorward.db"


async def fault_of(path: Path) -> str:
    with pytest.raises(SettingsError) as refused:
        await start(SqliteFile(path))
    (fault,) = refused.value.faults
    return fault


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
    await start(SqliteFile(path))

    assert SqliteDatabase(SqliteFile(path)).execute("PRAGMA journal_mode") == "wal\n"


async def test_a_commit_waits_for_the_disk_and_rows_for_what_they_speak_of(path: Path) -> None:
    """No test here can cut the power: `FULL` is what SQLite promises to survive it with."""
    await start(SqliteFile(path))

    with closing(connect(path, LOCK_WAIT)) as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("synchronous", "foreign_keys")
        ]

    assert settings == [(2,), (1,)]


async def test_a_file_that_is_away_is_not_made_anew_and_is_used_when_it_is_back(path: Path) -> None:
    async with AsyncExitStack() as stack:
        storage = await open_storage(stack, SqliteFile(path))
        away = path.rename(path.with_name("away"))  # noqa: ASYNC240 - a moment
        with pytest.raises(StorageUnavailableError):
            await find(storage)
        # It fails where a file has come instead.
        os.link(away, path)

        assert await add_user(storage, a_user())
        assert await find(storage) == a_user()
