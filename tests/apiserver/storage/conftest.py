"""Every test of this package runs on every engine. A new engine is a row in `ENGINES`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from apiserver.storage.contracts import Storage
from apiserver.storage.sql import open_storage

OpenStorage = Callable[[], Awaitable[Storage]]

LOCK_WAIT = timedelta(milliseconds=500)


def _sqlite(stack: AsyncExitStack, directory: Path) -> OpenStorage:
    return lambda: open_storage(stack, directory / "doorward.db", lock_wait=LOCK_WAIT)


ENGINES = {"sqlite": _sqlite}


@pytest.fixture(params=ENGINES)
async def open_another(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStorage]:
    """Opens the same database again, as a second server would."""
    async with AsyncExitStack() as stack:
        yield ENGINES[request.param](stack, tmp_path)


@pytest.fixture
async def storage(open_another: OpenStorage) -> Storage:
    return await open_another()
