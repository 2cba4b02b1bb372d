"""Where the database is, as the settings name it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class SqliteFile:
    path: Path


@dataclass(frozen=True)
class PostgresAddress:
    """`url` is a secret: it may hold a password."""

    url: str = field(repr=False)


DatabaseLocation: TypeAlias = SqliteFile | PostgresAddress
