"""The key of servers that have none configured: beside the SQLite database, made at the first start."""

import base64
import os
from contextlib import suppress
from pathlib import Path

import structlog

from common.env import KEY_BYTES, SettingsError, parse_keys
from common.files import fresh_file, put_new
from common.randomness import Randomness

log = structlog.get_logger(__name__)


def key_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.key")


def kept_server_keys(database: Path, randomness: Randomness) -> tuple[bytes, ...]:
    """What `SERVER_KEY` would hold. Servers that start at once find the same.

    Raises `SettingsError` when the file cannot be used, or can be read by others.
    """
    path = key_file(database)
    try:
        if not path.exists():
            _make(path, randomness)
        return parse_keys(_read(path))
    except OSError as error:
        fault = f"{path} cannot be used ({error.strerror}): check its folder and rights, or set SERVER_KEY."
    except ValueError:
        fault = f"{path} holds no key: bring back the one that was there, or set SERVER_KEY."
    raise SettingsError([fault])


def _make(path: Path, randomness: Randomness) -> None:
    with fresh_file(path) as fresh:
        fresh.write_bytes(base64.b64encode(randomness.token_bytes(KEY_BYTES)) + b"\n")
        # Another server may have been faster; then its key is everyone's.
        with suppress(FileExistsError):
            put_new(fresh, path)
            log.info("server_key_made", path=str(path))


def _read(path: Path) -> str:
    with path.open(encoding="ascii") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            # Whoever read it could write an audit chain of their own that verifies.
            raise SettingsError([f"{path} can be used by others on this machine: chmod 600 {path}"])
        return file.read()
