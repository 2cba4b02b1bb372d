"""Bringing the database up to date at start. Migrations are append-only: what is released is never changed.

A new one is a file in migrations/versions that names the former as its `down_revision`. It runs inside the
transaction that holds the engine's write lock: of several servers that start at once one migrates and the
others find the work done, and an interrupted migration leaves no trace.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from common.env import SettingsError

_MIGRATIONS = Path(__file__).parent / "migrations"
_NEWER_DATABASE = (
    "DATABASE_URL names a database of a newer release (revision {revision}): "
    "start that release, or restore the backup from before the upgrade."
)


def migrate(connection: Connection) -> None:
    """Apply what is missing, on a connection that holds the write lock.

    Raises `SettingsError` when the database was made by a newer release: its data would be misread.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise SettingsError([_NEWER_DATABASE.format(revision=min(unknown))])
    command.upgrade(config, "head")
