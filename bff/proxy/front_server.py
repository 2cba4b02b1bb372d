"""The front as a server: a protocol for each connection, and an end that waits for what is under way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bff.proxy.door import Door

_LOOK_INTERVAL_S = 0.05


class MakesConnections(Protocol):
    """Makes the protocol of a new connection; `make_handler` makes one of aiohttp's."""

    def __call__(self, door: Door, make_handler: Callable[[], asyncio.Protocol], /) -> asyncio.Protocol: ...


@dataclass(frozen=True)
class FrontServer:
    """`common.serve.Front`. Its door is of this listener alone: it counts and ends its connections."""

    door: Door
    make: MakesConnections

    def connection(self, make_handler: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        return self.make(self.door, make_handler)

    async def drain(self, time_s: float) -> None:
        """Let what is under way end; what is not done in time is cut."""
        door, loop = self.door, asyncio.get_running_loop()
        door.is_draining, ends_at = True, loop.time() + time_s
        for connection in list(door.fronts):
            connection.drain()
        while door.fronts and loop.time() < ends_at:  # noqa: ASYNC110 - once in the life of a process
            await asyncio.sleep(_LOOK_INTERVAL_S)
        for connection in list(door.fronts):
            connection.abort()
