"""Statements: written once with SQLAlchemy Core, compiled once for each engine, run straight on its driver.

SQLAlchemy's own execution costs several times what the engines take for the small statements here; its
language and its types cost nothing once compiled.
"""

import zlib
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Delete, Dialect, Insert, Select, Table, Update, bindparam, func, literal_column, select
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
    in_order: Callable[[Mapping[str, Any]], Iterable[Any]]
    constants: Mapping[str, Any]
    processors: tuple[tuple[int, Processor], ...]
    make_row: Callable[[Iterable[Any]], Row] | None
    answers_count: bool = False
    """In place of rows that the statement names, an empty one stands for each that was written."""

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the placeholders. One that is missing is a `KeyError`."""
        arguments = list(self.in_order({**values, **self.constants} if self.constants else values))
        _process(arguments, self.processors)
        return arguments


@dataclass(frozen=True)
class Statement:
    """The same statement for both engines."""

    for_sqlite: Compiled
    for_postgresql: Compiled


def statement(executable: Executable) -> Statement:
    """A statement whose parameters are named by `bindparam`; values written into it stay as they are.

    `in_` is refused: SQLAlchemy spells it out at each run, by the number of values. Use `or_`.
    """
    return Statement(_compile(executable, _SQLITE), _compile(executable, _POSTGRESQL))


def insert_into(table: Table) -> Statement:
    """An insert of a whole row; its parameters are named as the columns."""
    return statement(table.insert().values(_all_columns(table)))


def insert_unless_there(table: Table, *, by: tuple[str, ...] | None = None) -> Statement:
    """As `insert_into`, but nothing happens when a row with these (unique) columns exists; None: any of them.

    It answers one row, whatever is in it, when it was inserted and none when not.
    """
    values = _all_columns(table)
    in_sqlite = sqlite.insert(table).values(values).on_conflict_do_nothing(index_elements=by)
    in_postgresql = postgresql.insert(table).values(values).on_conflict_do_nothing(index_elements=by)
    return Statement(
        # SQLite keeps what RETURNING answers in a table of its own first: that costs half of an insert.
        replace(_compile(in_sqlite, _SQLITE), answers_count=True),
        _compile(in_postgresql.returning(next(iter(table.c))), _POSTGRESQL),
    )


def insert_from_select_unless_there(table: Table, rows: Select[Any]) -> Statement:
    """Inserts what `rows` answers, passing over what is there; the columns in the order of the table's."""
    names = [column.name for column in table.c]
    return Statement(
        _compile(sqlite.insert(table).from_select(names, rows).on_conflict_do_nothing(), _SQLITE),
        _compile(postgresql.insert(table).from_select(names, rows).on_conflict_do_nothing(), _POSTGRESQL),
    )


def lock_for_writing(name: str) -> Statement:
    """Holds up whoever else takes the lock of this name, until the transaction ends.

    For rules over a whole table, an empty one included. Writers of SQLite are alone in any case.
    """
    taken = func.pg_advisory_xact_lock(literal_column(str(zlib.crc32(name.encode())))).label("taken")
    return Statement(
        _compile(select(literal_column("1").label("taken")), _SQLITE), _compile(select(taken), _POSTGRESQL)
    )


def _all_columns(table: Table) -> dict[str, Any]:
    return {column.name: bindparam(column.name, type_=column.type) for column in table.c}


def _compile(executable: Executable, dialect: Dialect) -> Compiled:
    compiled = executable.compile(dialect=dialect)
    if compiled.post_compile_params:
        raise ValueError(f"in_ is not compiled once and for all: {compiled}")
    names = tuple(compiled.positiontup or ())
    binds = [compiled.binds[name] for name in names]
    return Compiled(
        sql=str(compiled),
        in_order=_picker(names),
        constants={name: bind.value for name, bind in zip(names, binds, strict=True) if not bind.required},
        processors=_present(_bind_processor(bind.type, dialect) for bind in binds),
        make_row=_row_maker(executable, dialect),
    )


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
    # Of one name itemgetter gives a bare value, and of none it cannot be made.
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


def _present(processors: Iterable[Processor | None]) -> tuple[tuple[int, Processor], ...]:
    """Those that do something, and their places."""
    return tuple((place, process) for place, process in enumerate(processors) if process is not None)


def _process(values: list[Any], processors: tuple[tuple[int, Processor], ...]) -> None:
    for place, process in processors:
        # None is NULL, whatever the type.
        if values[place] is not None:
            values[place] = process(values[place])


def _bind_processor(type_: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    return type_.dialect_impl(dialect).bind_processor(dialect)


def _row_maker(executable: Executable, dialect: Dialect) -> Callable[[Iterable[Any]], Row] | None:
    if isinstance(executable, Select):
        columns = list(executable.selected_columns)
    else:
        columns = list(executable.exported_columns)
    if not columns:
        return None
    row = namedtuple("row", [column.name for column in columns])  # type: ignore[misc]  # noqa: PYI024 - made at run time
    processors = _present(
        column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns
    )
    # As its own `_make` does, without a call in between.
    new = partial(tuple.__new__, row)
    if not processors:
        return new

    def make(values: Iterable[Any]) -> Row:
        cells = list(values)
        _process(cells, processors)
        return new(cells)

    return make
