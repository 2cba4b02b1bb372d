"""Units of work that stand still on command, so that a test can do something meanwhile."""

import asyncio
from threading import Event
from typing import Protocol

_PATIENCE_S = 20.0


class Pause(Protocol):
    async def stand_still(self) -> None:
        """Inside a unit: until `go_on`."""
        ...

    async def reached(self) -> None:
        """For the test: until the unit stands still."""
        ...

    def go_on(self) -> None: ...


class ThreadPause:
    """For engines that run a unit in a thread of its own, where it cannot suspend."""

    def __init__(self) -> None:
        self._reached = Event()
        self._may_go_on = Event()

    async def stand_still(self) -> None:
        self._reached.set()
        assert self._may_go_on.wait(_PATIENCE_S)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, _PATIENCE_S)

    def go_on(self) -> None:
        self._may_go_on.set()


class TaskPause:
    """For engines that run a unit as a part of the task that waits for it."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._may_go_on = asyncio.Event()

    async def stand_still(self) -> None:
        self._reached.set()
        await asyncio.wait_for(self._may_go_on.wait(), _PATIENCE_S)

    async def reached(self) -> None:
        await asyncio.wait_for(self._reached.wait(), _PATIENCE_S)

    def go_on(self) -> None:
        self._may_go_on.set()
