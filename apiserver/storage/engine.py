"""What an engine is to the statements: something that runs them, and units of work that are kept whole."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

from apiserver.storage.statement import Row, Statement

T = TypeVar("T")


class Connection(Protocol):
    """Inside one transaction."""

    async def rows(self, statement: Statement, values: Mapping[str, Any], /) -> list[Row]:
        """Runs the statement and gives all rows that it answers."""
        ...


EngineWork: TypeAlias = Callable[[Connection], Coroutine[Any, Any, T]]


class Engine(Protocol):
    """`contracts.Storage` over bare connections."""

    async def write(self, work: EngineWork[T]) -> T: ...

    async def read(self, work: EngineWork[T]) -> T: ...


async def row_of(connection: Connection, statement: Statement, values: Mapping[str, Any]) -> Row | None:
    """The first row, or None."""
    rows = await connection.rows(statement, values)
    return rows[0] if rows else None
