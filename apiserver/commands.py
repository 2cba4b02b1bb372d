"""`python -m apiserver backup` and `restore`: what an operator types, and what is said to them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from apiserver.server_key import key_file
from apiserver.storage.backup import BackupError, Progress, back_up, restore
from apiserver.storage.location import DatabaseLocation, PostgresAddress
from apiserver.storage.postgres_backup import dump_command, restore_command

_HOW_IT_LOGS_IN = "It asks for the password, or takes it from ~/.pgpass or PGPASSWORD."


def read_command(arguments: Sequence[str]) -> argparse.Namespace:
    """`name` is None (serve), `backup` or `restore`; `path` is theirs. Anything else ends the process."""
    parser = argparse.ArgumentParser(
        prog="python -m apiserver", description="Without a command: serves until SIGTERM."
    )
    commands = parser.add_subparsers(dest="name", metavar="COMMAND")
    taking = commands.add_parser("backup", help="copy the database to a file, while servers run")
    taking.add_argument("path", metavar="TARGET", type=Path, help="a file that is not there yet")
    putting = commands.add_parser(
        "restore", help="put a backup in the database's place, while no server runs"
    )
    putting.add_argument("path", metavar="SOURCE", type=Path, help="a file that backup made")
    return parser.parse_args(arguments)


def run_command(name: str, path: Path, database: DatabaseLocation) -> int:
    """The status to exit with."""
    try:
        if isinstance(database, PostgresAddress):
            return _point_to_postgresql(name, path, database)
        if name == "backup":
            back_up(database.path, path, _progress())
            _say(f"{path} holds all of {database.path}. Keep {key_file(database.path)} as well, elsewhere.")
        else:
            former = restore(database.path, path, _progress())
            _say(f"{database.path} is what {path} holds.{f' The former is {former}.' if former else ''}")
    except BackupError as error:
        _complain(str(error))
        return 1
    return 0


def _point_to_postgresql(name: str, path: Path, database: PostgresAddress) -> int:
    """A failure: who runs this every night must not believe that there is a backup."""
    if name == "backup":
        first, command = "PostgreSQL is backed up by its own program.", dump_command(database, path)
    else:
        first, command = "Stop all servers, then run this.", restore_command(database, path)
    _complain(f"{first} {_HOW_IT_LOGS_IN}\n  {command}")
    return 1


def _progress() -> Progress:
    """A line that counts, for somebody who watches."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None

    def show(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{done * 100 // max(total, 1):3d} %{end}")
        sys.stderr.flush()

    return show


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")


def _complain(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
