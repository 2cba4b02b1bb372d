"""Files and folders that are the user's alone, from the first byte on."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.errors import CliError
from common.files import put_over

OWNER_ONLY: Final = 0o600


@dataclass(frozen=True)
class Renewal:
    """The commands that end what a file holds, and make it anew."""

    end: str
    begin: str


_OWNER_ONLY_FOLDER: Final = 0o700
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def read_private(path: Path, renewal: Renewal) -> bytes | None:
    """The file's bytes, None when there is none; raises `CliError` when it is not the user's alone."""
    try:
        # A pipe in the place of the file must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, error) from None
    try:
        # The open file is judged: a check by name could look at another one than is read.
        refuse_shared(path, os.fstat(descriptor), renewal)
        _refuse_shared_folder(path.parent)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def refuse_shared(path: Path, status: os.stat_result, renewal: Renewal) -> None:
    """Raises `CliError` for a file that others own, read or write."""
    if not stat.S_ISREG(status.st_mode):
        raise CliError(f"{path} is not a file.", f"Remove it and run `{renewal.begin}` again.")
    if status.st_uid != os.geteuid():
        raise CliError(f"{path} belongs to another user.", "Run doorward as the user whose it is.")
    if status.st_mode & _OTHERS:
        raise CliError(
            f"{path} can be read by other users, so what it holds may have been copied.",
            f"Run `chmod 600 {path}`, then `{renewal.end}` and `{renewal.begin}`.",
        )


def replace_private(path: Path, body: bytes) -> None:
    """Replaces the file in one step: a reader, or a crash, finds the old one or the new one.

    Only for the holder of a lock: the name of the new file is always the same, so that what a crash leaves
    behind does not pile up.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        _write_new(new, body)
        put_over(new, path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise unusable(path, error) from None


def make_private_folder(folder: Path) -> None:
    """Makes what is missing of the path, for the owner alone, as the XDG base directory rules ask."""
    try:
        for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            missing.mkdir(_OWNER_ONLY_FOLDER, exist_ok=True)
        _refuse_shared_folder(folder)
    except OSError as error:
        raise unusable(folder, error) from None


def unusable(path: Path, error: OSError) -> CliError:
    return CliError(f"{path} cannot be used: {error.strerror}.", "Check the path and its rights.")


def _refuse_shared_folder(folder: Path) -> None:
    # Whoever may write there could plant a login of their own, or take the lock's file away.
    status = folder.stat()
    if status.st_uid not in {0, os.geteuid()}:
        raise CliError(f"{folder} belongs to another user.", "Name a folder of your own.")
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise CliError(f"{folder} can be changed by other users.", f"Run `chmod 700 {folder}`.")


def _write_new(path: Path, body: bytes) -> None:
    # The mode is given at creation: between open and chmod others could read. O_EXCL: never somebody's link.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, OWNER_ONLY), "wb") as file:
        file.write(body)
