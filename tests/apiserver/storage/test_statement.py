"""Statements as they are compiled for the engines."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import bindparam, null, select, update

from apiserver.storage.statement import Compiled, Executable, statement
from apiserver.storage.tables import users

USERS = users.c


def compiled(executable: Executable) -> list[Compiled]:
    both = statement(executable)
    return [both.for_sqlite, both.for_postgresql]


@pytest.mark.parametrize(
    ("executable", "values", "arguments"),
    [
        (select(USERS.id), {}, []),
        (select(USERS.id).where(USERS.id == bindparam("user")), {"user": "usr_1"}, ["usr_1"]),
        (
            select(USERS.id).where(USERS.issuer == bindparam("b"), USERS.subject == bindparam("a")),
            {"a": "subject", "b": "issuer"},
            ["issuer", "subject"],
        ),
        (
            update(users).where(USERS.id == bindparam("user")).values(name="written", email=None),
            {"user": "usr_1"},
            ["written", None, "usr_1"],
        ),
    ],
    ids=["none", "one", "two", "written into it"],
)
def test_values_come_in_the_order_of_the_placeholders(
    executable: Executable, values: Mapping[str, Any], arguments: list[Any]
) -> None:
    for engine in compiled(executable):
        assert engine.arguments(values) == arguments


def test_a_value_that_is_missing_is_an_error() -> None:
    for engine in compiled(select(USERS.id).where(USERS.id == bindparam("user"), USERS.name == "written")):
        with pytest.raises(KeyError, match="user"):
            engine.arguments({})


def test_a_list_of_values_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="in_ is not compiled"):
        statement(select(USERS.id).where(USERS.name.in_(["a", "b"])))


def test_rows_have_the_names_of_the_columns() -> None:
    for engine in compiled(select(USERS.id, USERS.name.label("shown"), null().label("nothing"))):
        assert engine.make_row is not None
        row = engine.make_row(("usr_1", "Alice", None))

        assert (row.id, row.shown, row.nothing) == ("usr_1", "Alice", None)


def test_a_statement_without_an_answer_makes_no_rows() -> None:
    for engine in compiled(update(users).values(name="written")):
        assert engine.make_row is None
