"""Statements: written once with SQLAlchemy Core, compiled once for each engine, run straight on its driver.

SQLAlchemy's own execution costs several times what the engines take for the small statements here; its
language and its types cost nothing once compiled.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Delete, Dialect, Insert, Select, Table, Update, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_asyncpg
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate
from sqlalchemy.types import TypeEngine

Row: TypeAlias = Any
"""One row of an answer: a named tuple of the columns that the statement names."""

Executable: TypeAlias = (
    Select[Any]
    | Insert
    | Update
    | Delete
    | ReturningInsert[Any]
    | ReturningUpdate[Any]
    | ReturningDelete[Any]
)
Processor: TypeAlias = Callable[[Any], Any]

_SQLITE = sqlite.dialect(paramstyle="qmark")
_POSTGRESQL = postgresql_asyncpg.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Compiled:
    """A statement in one engine's words, and how values go in and come out."""

    sql: str
    parameters: tuple[tuple[str, Any, Processor | None], ...]
    make_row: Callable[[Any], Row] | None

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the placeholders. One that is missing is a `KeyError`."""
        return [
            (values[name] if default is None else default)
            if process is None
            else process(values[name] if default is None else default)
            for name, default, process in self.parameters
        ]


@dataclass(frozen=True)
class Statement:
    """The same statement for both engines."""

    for_sqlite: Compiled
    for_postgresql: Compiled


def statement(executable: Executable) -> Statement:
    """A statement whose parameters are named by `bindparam`."""
    return Statement(_compile(executable, _SQLITE), _compile(executable, _POSTGRESQL))


def insert_into(table: Table) -> Statement:
    """An insert of a whole row; its parameters are named as the columns."""
    return statement(table.insert().values(_all_columns(table)))


def insert_unless_there(table: Table, *, by: tuple[str, ...] | None = None) -> Statement:
    """As `insert_into`, but nothing happens when a row with these (unique) columns exists; None: any of them.

    It answers one row when it was inserted and none when not.
    """
    first = next(iter(table.c))
    values = _all_columns(table)
    in_sqlite = sqlite.insert(table).values(values).on_conflict_do_nothing(index_elements=by)
    in_postgresql = postgresql.insert(table).values(values).on_conflict_do_nothing(index_elements=by)
    return Statement(
        _compile(in_sqlite.returning(first), _SQLITE), _compile(in_postgresql.returning(first), _POSTGRESQL)
    )


def insert_from_select_unless_there(table: Table, rows: Select[Any]) -> Statement:
    """Inserts what `rows` answers, passing over what is there; the columns in the order of the table's."""
    names = [column.name for column in table.c]
    return Statement(
        _compile(sqlite.insert(table).from_select(names, rows).on_conflict_do_nothing(), _SQLITE),
        _compile(postgresql.insert(table).from_select(names, rows).on_conflict_do_nothing(), _POSTGRESQL),
    )


def _all_columns(table: Table) -> dict[str, Any]:
    return {column.name: bindparam(column.name, type_=column.type) for column in table.c}


def _compile(executable: Executable, dialect: Dialect) -> Compiled:
    compiled = executable.compile(dialect=dialect)
    binds = compiled.binds
    return Compiled(
        sql=str(compiled),
        parameters=tuple(
            (name, binds[name].value, _bind_processor(binds[name].type, dialect))
            for name in compiled.positiontup or ()
        ),
        make_row=_row_maker(executable, dialect),
    )


def _bind_processor(type_: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return type_.dialect_impl(dialect).bind_processor(dialect)


def _row_maker(executable: Executable, dialect: Dialect) -> Callable[[Any], Row] | None:
    if isinstance(executable, Select):
        columns = list(executable.selected_columns)
    else:
        columns = list(executable.exported_columns)
    if not columns:
        return None
    row = namedtuple("row", [column.name for column in columns])  # type: ignore[misc]  # noqa: PYI024 - made at run time
    processors = [
        (place, process)
        for place, column in enumerate(columns)
        if (process := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
    ]

    def make(values: Iterable[Any]) -> Row:
        cells = list(values)
        for place, process in processors:
            cells[place] = process(cells[place])
        return row._make(cells)

    return make
