"""Private files that appear whole: made beside their place, on the disk, then put there in one step."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def fresh_file(beside: Path) -> Iterator[Path]:
    """An empty file in the folder of `beside`, for its owner only. Gone at the end, unless put somewhere."""
    descriptor, name = tempfile.mkstemp(prefix=f".{beside.name}.", dir=beside.parent)
    os.close(descriptor)
    fresh = Path(name)
    try:
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def put_new(fresh: Path, path: Path) -> None:
    """Raises `FileExistsError` when there is something at `path`: of several at once, one succeeds."""
    _sync(fresh)
    os.link(fresh, path)
    _sync(path.parent)


def put_over(fresh: Path, path: Path) -> None:
    """Whoever opens `path` finds what was there before or all of `fresh`, also after a power cut."""
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
