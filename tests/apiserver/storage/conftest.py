"""Every test of this package runs on every engine. A new engine is a row in `ENGINES`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from apiserver.storage.contracts import Storage
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from tests.apiserver.storage.pauses import Pause, ThreadPause

OpenStorage = Callable[[], Awaitable[Storage]]

LOCK_WAIT = timedelta(milliseconds=500)


def _sqlite(stack: AsyncExitStack, directory: Path) -> OpenStorage:
    return lambda: open_storage(stack, SqliteFile(directory / "doorward.db"), lock_wait=LOCK_WAIT)


ENGINES = {"sqlite": (_sqlite, ThreadPause)}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def open_another(engine: str, tmp_path: Path) -> AsyncIterator[OpenStorage]:
    """Opens the same database again, as a second server would."""
    open_engine, _ = ENGINES[engine]
    async with AsyncExitStack() as stack:
        yield open_engine(stack, tmp_path)


@pytest.fixture
async def storage(open_another: OpenStorage) -> Storage:
    return await open_another()


@pytest.fixture
def pause(engine: str, open_another: OpenStorage) -> Iterator[Pause]:
    """Ends before the storage is closed, which waits for its units."""
    _, make = ENGINES[engine]
    pause = make()
    yield pause
    pause.go_on()
