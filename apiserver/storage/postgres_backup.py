"""PostgreSQL has its own programs for backups: how to call them for the configured database."""

import shlex
from pathlib import Path

from apiserver.storage.location import PostgresAddress
from apiserver.storage.postgres_url import without_password


def dump_command(address: PostgresAddress, target: Path) -> str:
    """For a shell. Without the password, which everyone on the machine could see in a list of processes."""
    words = ("pg_dump", "--format=custom", f"--file={target.absolute()}", _database(address))
    return f"(umask 077; {shlex.join(words)})"


def restore_command(address: PostgresAddress, source: Path) -> str:
    """For a shell. All or nothing."""
    options = ("--clean", "--if-exists", "--no-owner", "--single-transaction")
    return shlex.join(("pg_restore", *options, _database(address), str(source.absolute())))


def _database(address: PostgresAddress) -> str:
    return f"--dbname={without_password(address)}"
