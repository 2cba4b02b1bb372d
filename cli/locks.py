"""One process at a time: whoever comes second waits, and finds what the first has done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from cli.errors import CliError
from cli.private_files import OWNER_ONLY, make_private_folder, unusable

# Longer than all that one command asks of servers, timeouts included: whoever waits gets the result, not an
# error.
LOCK_PATIENCE_S: Final = 60.0


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Holds the lock at this path, whose folder is made. Never hold it while a person is waited for."""
    make_private_folder(path.parent)
    lock = FileLock(path, timeout=LOCK_PATIENCE_S, mode=OWNER_ONLY)
    try:
        lock.acquire()
    except Timeout:
        raise CliError(
            f"Another doorward command has been holding {lock.lock_file} for a minute.",
            "Wait for it or end it, then try again.",
        ) from None
    except OSError as error:
        raise unusable(path, error) from None
    try:
        yield
    finally:
        lock.release()
