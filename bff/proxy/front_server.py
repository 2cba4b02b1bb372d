"""The front as a server: a protocol for each connection, and an end that waits for what is under way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bff.proxy.door import Door
from bff.proxy.front import Front

_LOOK_INTERVAL_S = 0.05


@dataclass(frozen=True)
class FrontServer:
    """`common.serve.Front`."""

    door: Door

    def connection(self, make_handler: Callable[[], asyncio.Protocol]) -> Front:
        return Front(self.door, make_handler)

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
