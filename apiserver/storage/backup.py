"""Copies of an SQLite database: taken while servers write, put back while none does."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TypeAlias

from alembic.script import ScriptDirectory

from apiserver.storage.hold import HeldError, held
from common.files import fresh_file, put_new, put_over

Progress: TypeAlias = Callable[[int, int], None]
"""Told of the pages that are copied, and of how many there are."""

# Eight megabytes: often enough for somebody who watches.
_PAGES_PER_STEP = 2000
_COMPANIONS = ("-wal", "-shm", "-journal")
_MIGRATIONS = Path(__file__).parent / "migrations"


class BackupError(Exception):
    """It was not done, and nothing was changed. The text is a sentence with the remedy."""


def back_up(database: Path, target: Path, progress: Progress) -> None:
    """A copy of all that was committed before, in one file for its owner only. Servers go on meanwhile.

    Raises `BackupError`, also when there is something at `target` already.
    """
    _need_file(database)
    with _told_as_backup_errors(database):
        if target.exists():
            raise BackupError(f"{target} is there already: choose another name, or move it away.")
        with fresh_file(target) as fresh:
            _copy(database, fresh, progress)
            _check(fresh, database)
            put_new(fresh, target)


def restore(database: Path, source: Path, progress: Progress) -> Path | None:
    """Put what `source` holds in the database's place; where the former one is now, if there was one.

    Raises `BackupError` when a server has it open, or when `source` is damaged, of a newer release, or no
    database of ours.
    """
    _need_file(source)
    if database.exists() and database.samefile(source):
        raise BackupError(f"{source} is the database itself: name a backup of it.")
    with _told_as_backup_errors(source), _alone(database), fresh_file(database) as fresh:
        _copy(source, fresh, progress)
        _check(fresh, source)
        _give_to_owner_of(database, fresh)
        former = _set_aside(database)
        put_over(fresh, database)
        return former


@contextmanager
def _alone(database: Path) -> Iterator[None]:
    try:
        with held(database, alone=True):
            yield
    except HeldError as error:
        raise BackupError(f"A server has {database} open: stop it first.") from error


def _need_file(path: Path) -> None:
    if not path.is_file():
        raise BackupError(f"There is no file {path}: check the name.")


def _copy(source: Path, fresh: Path, progress: Progress) -> None:
    with closing(_connect(source, "ro")) as origin, closing(_connect(fresh, "rw")) as copy:
        # One view from beginning to end: without it, each write of a server would begin the copy anew.
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM sqlite_master").fetchone()
        copy.execute("PRAGMA synchronous = OFF")  # it is put on the disk at the end, as a whole
        origin.backup(
            copy, pages=_PAGES_PER_STEP, progress=lambda _, left, total: progress(total - left, total)
        )
        # All in one file: the copy has the source's mode, in which a reader makes files beside it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _check(copy: Path, source: Path) -> None:
    with closing(_connect(copy, "ro")) as connection:
        (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if finding != "ok":
            raise BackupError(f"{source} is damaged: restore from an intact backup.")
        revisions = _revisions(connection)
    if not revisions:
        raise BackupError(f"{source} is no database of Doorward: name a backup of one.")
    known = {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}
    if not revisions <= known:
        newer = ", ".join(revisions - known)
        raise BackupError(f"{source} is of a newer release (revision {newer}): use that release.")


def _revisions(connection: sqlite3.Connection) -> set[str]:
    has_table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    if connection.execute(has_table).fetchone() is None:
        return set()
    return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")}


def _set_aside(database: Path) -> Path | None:
    """Keep the former under another name too; what stood beside it must not meet the new one."""
    aside = _free_name(database)
    former = database if database.exists() else None
    if former is not None:
        _fold_in_what_stands_beside(former)
        os.link(former, aside)
    for suffix in _COMPANIONS:
        companion = Path(f"{database}{suffix}")
        if companion.exists():
            companion.rename(f"{aside}{suffix}")
    return aside if former is not None else None


def _fold_in_what_stands_beside(database: Path) -> None:
    """Writes that are in the log only go into the file. That takes being alone, so it finds others too."""
    try:
        with closing(_connect(database, "rw")) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise BackupError(f"Another program has {database} open: close it first.") from error
        # A damaged one is set aside as it is, with all that stands beside it.


def _free_name(database: Path) -> Path:
    numbered = (database.with_name(f"{database.name}.before-restore-{number}") for number in count(1))
    return next(name for name in numbered if not name.exists())


def _give_to_owner_of(database: Path, fresh: Path) -> None:
    """What root puts here, the server must be able to open."""
    if os.geteuid() == 0 and database.exists():
        owner = database.stat()
        os.chown(fresh, owner.st_uid, owner.st_gid)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Without waiting for locks, and never making a file."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=0
    )


@contextmanager
def _told_as_backup_errors(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename2 or error.filename or source
        raise BackupError(f"{place}: {error.strerror}.") from error
    except sqlite3.Error as error:
        cause = getattr(error, "sqlite_errorname", type(error).__name__)
        raise BackupError(f"{source} cannot be read as a database, or not be copied ({cause}).") from error
