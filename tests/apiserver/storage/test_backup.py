"""Backups of SQLite: what is in them, what a restore refuses, and that it loses nothing."""

import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path

import pytest

from apiserver.storage.backup import BackupError, back_up, restore
from apiserver.storage.hold import held
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from common.env import SettingsError
from tests.apiserver.server import api_server
from tests.fakes.issuer import FakeIssuer

NOBODY = 65534


def silent(_done: int, _total: int) -> None:
    pass


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def write(path: Path, note: str) -> None:
    with opened(path) as connection:
        connection.execute("INSERT INTO notes VALUES (?)", (note,))


def notes(path: Path) -> list[str]:
    with opened(path) as connection:
        return [note for (note,) in connection.execute("SELECT note FROM notes ORDER BY rowid")]


def names(folder: Path) -> set[str]:
    """Of all files but the one that tells who holds the database."""
    return {path.name for path in folder.iterdir()} - {"doorward.db.lock"}


def error_of(act: Callable[..., object], *paths: Path) -> str:
    with pytest.raises(BackupError) as refused:
        act(*paths, silent)
    return str(refused.value)


def damage(path: Path) -> None:
    """In its middle: the head still says that it is a database."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 8192)


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """One of ours, with a table to write notes into; everything is in its file."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "doorward.db"
    async with AsyncExitStack() as stack:
        await open_storage(stack, SqliteFile(path))
    with opened(path) as connection:
        connection.execute("CREATE TABLE notes (note)")
    write(path, "first")
    return path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "monday"


class TestBackup:
    def test_it_holds_what_is_in_the_log_only(self, database: Path, backup: Path) -> None:
        with opened(database) as server:
            server.execute("INSERT INTO notes VALUES ('in the log')")
            back_up(database, backup, silent)

        assert notes(backup) == ["first", "in the log"]

    def test_it_is_one_file_for_its_owner_only(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        notes(backup)

        assert names(backup.parent) == {"monday"}
        assert backup.stat().st_mode & 0o777 == 0o600

    def test_writes_meanwhile_neither_wait_nor_begin_it_anew(self, database: Path, backup: Path) -> None:
        steps = []
        with opened(database) as server:
            server.execute("CREATE TABLE large AS SELECT zeroblob(30000000) AS bytes")

            def write_meanwhile(done: int, _total: int) -> None:
                server.execute("INSERT INTO notes VALUES ('meanwhile')")
                steps.append(done)
                assert len(steps) < 20

            back_up(database, backup, write_meanwhile)

        assert len(steps) > 2
        assert all(one < next_one for one, next_one in itertools.pairwise(steps))
        assert notes(backup) == ["first"]

    def test_what_is_there_already_stays(self, database: Path, backup: Path) -> None:
        backup.write_text("of last week")

        assert error_of(back_up, database, backup).startswith(f"{backup} is there already: ")
        assert backup.read_text() == "of last week"

    def test_what_comes_there_meanwhile_stays(self, database: Path, backup: Path) -> None:
        def somebody_else(_done: int, _total: int) -> None:
            backup.write_text("of somebody else")

        with pytest.raises(BackupError, match="File exists"):
            back_up(database, backup, somebody_else)

        assert backup.read_text() == "of somebody else"
        assert names(backup.parent) == {"monday"}

    def test_a_folder_that_is_not_there_is_told(self, database: Path, backup: Path) -> None:
        assert "No such file or directory" in error_of(back_up, database, backup.parent / "none" / "x")

    def test_a_database_that_is_not_there_is_told_and_not_made(self, tmp_path: Path, backup: Path) -> None:
        missing = tmp_path / "doorward.db"

        assert error_of(back_up, missing, backup) == f"There is no file {missing}: check the name."
        assert not missing.exists()

    def test_a_damaged_database_gives_none(self, database: Path, backup: Path) -> None:
        damage(database)

        assert error_of(back_up, database, backup).startswith(f"{database} is damaged: ")
        assert names(backup.parent) == set()


class TestRestore:
    def test_it_goes_back_to_what_the_backup_holds(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        write(database, "later")

        restore(database, backup, silent)

        assert notes(database) == ["first"]
        assert database.stat().st_mode & 0o777 == 0o600

    def test_the_former_is_kept_with_what_was_in_its_log_only(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        crash(database, "in the log")

        former = restore(database, backup, silent)

        assert former == database.with_name("doorward.db.before-restore-1")
        assert notes(former) == ["first", "in the log"]
        assert notes(database) == ["first"]
        assert names(database.parent) == {"doorward.db", "doorward.db.before-restore-1"}

    def test_each_former_is_kept(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        write(database, "second")

        restore(database, backup, silent)
        other = restore(database, backup, silent)

        assert other == database.with_name("doorward.db.before-restore-2")
        assert notes(database.with_name("doorward.db.before-restore-1")) == ["first", "second"]

    def test_a_damaged_former_is_kept_as_it_is(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        crash(database, "in the log")
        database.write_bytes(b"no database")

        former = restore(database, backup, silent)

        assert former is not None
        assert former.read_bytes() == b"no database"
        assert Path(f"{former}-wal").exists()
        assert notes(database) == ["first"]

    def test_a_log_without_its_database_is_not_read_into_the_new_one(
        self, database: Path, backup: Path
    ) -> None:
        back_up(database, backup, silent)
        crash(database, "in the log")
        database.unlink()

        assert restore(database, backup, silent) is None

        assert notes(database) == ["first"]

    def test_a_new_machine_has_no_former(self, database: Path, backup: Path, tmp_path: Path) -> None:
        back_up(database, backup, silent)
        (tmp_path / "new").mkdir()

        assert restore(tmp_path / "new" / "doorward.db", backup, silent) is None

        assert notes(tmp_path / "new" / "doorward.db") == ["first"]

    def test_the_backup_stays(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        before = backup.read_bytes()

        restore(database, backup, silent)
        write(database, "later")

        assert backup.read_bytes() == before

    def test_the_owner_stays(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        if os.geteuid() == 0:
            os.chown(database, NOBODY, NOBODY)
            database.with_name("doorward.db.lock").unlink(missing_ok=True)
        owner = database.stat().st_uid

        restore(database, backup, silent)

        assert database.stat().st_uid == owner
        assert database.with_name("doorward.db.lock").stat().st_uid == owner

    def test_a_backup_of_an_older_release_will_do(self, database: Path, backup: Path) -> None:
        back_up(database, backup, silent)
        with opened(backup) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0001'")

        assert restore(database, backup, silent) is not None


class TestRestoreRefuses:
    @pytest.fixture(autouse=True)
    def nothing_changes(self, database: Path, backup: Path) -> Iterator[None]:
        back_up(database, backup, silent)
        write(database, "later")
        yield
        assert notes(database) == ["first", "later"]
        assert names(database.parent) == {"doorward.db"}

    def test_while_a_server_runs(self, database: Path, backup: Path) -> None:
        with held(database, alone=False):
            assert error_of(restore, database, backup) == f"A server has {database} open: stop it first."

    def test_while_another_program_has_it_open(self, database: Path, backup: Path) -> None:
        with opened(database) as shell:
            shell.execute("SELECT * FROM notes").fetchall()

            assert error_of(restore, database, backup).startswith(f"Another program has {database} open: ")

    def test_a_damaged_backup(self, database: Path, backup: Path) -> None:
        damage(backup)

        assert error_of(restore, database, backup).startswith(f"{backup} is damaged: ")

    def test_what_is_no_database(self, database: Path, backup: Path) -> None:
        backup.write_text("Dear diary")

        assert "cannot be read as a database" in error_of(restore, database, backup)

    def test_a_database_of_something_else(self, database: Path, tmp_path: Path) -> None:
        with opened(tmp_path / "other.db") as connection:
            connection.execute("CREATE TABLE things (id)")

        assert "is no database of Doorward" in error_of(restore, database, tmp_path / "other.db")

    def test_a_backup_of_a_newer_release(self, database: Path, backup: Path) -> None:
        with opened(backup) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")

        assert "of a newer release (revision 9999)" in error_of(restore, database, backup)

    def test_the_database_itself(self, database: Path) -> None:
        assert "is the database itself" in error_of(restore, database, database)

    def test_a_backup_that_is_not_there(self, database: Path, tmp_path: Path) -> None:
        assert error_of(restore, database, tmp_path / "none").startswith("There is no file ")


async def test_a_server_does_not_start_into_a_restore(database: Path, issuer: FakeIssuer) -> None:
    with held(database, alone=True), pytest.raises(SettingsError, match="which is being restored"):
        async with api_server(issuer, database):
            pass


async def test_a_restore_waits_for_no_server_that_has_ended(
    database: Path, backup: Path, issuer: FakeIssuer
) -> None:
    back_up(database, backup, silent)
    async with api_server(issuer, database):
        assert "A server has" in error_of(restore, database, backup)

    assert restore(database, backup, silent) is not None


async def test_several_servers_may_have_one_database_open(database: Path, issuer: FakeIssuer) -> None:
    async with api_server(issuer, database), api_server(issuer, database) as other:
        assert (await other.private.get("/healthz")).status == 200


def crash(database: Path, note: str) -> None:
    """The files of a server that wrote the note and was killed: it is in the log only."""
    folder = database.parent.with_name("crashed")
    with opened(database) as server:
        server.execute("INSERT INTO notes VALUES (?)", (note,))
        shutil.copytree(database.parent, folder)
    shutil.rmtree(database.parent)
    folder.rename(database.parent)
    assert Path(f"{database}-wal").stat().st_size > 0
