"""Who has an SQLite database open: servers share it, a restore has it alone.

Told by a lock on a file beside it, which the system lets go of when its process ends, however it ends. The
database's own locks do not tell: they are held for moments, and a restore puts another file in its place.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class HeldError(Exception):
    """Somebody else holds the database in a way that excludes this one."""


@contextmanager
def held(database: Path, *, alone: bool) -> Iterator[None]:
    """Raises `HeldError` at once when that cannot be, `OSError` when the file beside it cannot be used."""
    descriptor = os.open(_lock_file(database), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _leave_to_the_owner(descriptor, database)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HeldError from error
        yield
    finally:
        os.close(descriptor)


def _lock_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


def _leave_to_the_owner(descriptor: int, database: Path) -> None:
    """What root makes here, the server must be able to open."""
    if os.geteuid() == 0 and database.exists():
        owner = database.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
