"""Each test of this folder runs over every form of the data plane, on the event loop of production."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from tests.bff.dataplane.door import FORMS, DataPlane, Door, open_door


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(params=FORMS)
def data_plane(request: pytest.FixtureRequest) -> DataPlane:
    form: DataPlane = request.param
    return form


@pytest.fixture
async def door(data_plane: DataPlane) -> AsyncIterator[Door]:
    async with open_door(data_plane) as opened:
        yield opened
