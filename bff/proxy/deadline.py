"""The time that one proxied exchange may take without progress, and its end when the session ends."""

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Raises `TimeoutError` in its block when nothing moved for `time_s`, or at once when it is cut."""

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._timeout = asyncio.timeout(time_s)
        self._is_open = False
        self._is_paused = False
        self.is_cut = False

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        await self._timeout.__aexit__(kind, error, trace)

    def restart(self) -> None:
        """Something moved: count from now. Does nothing while paused."""
        if not self._is_paused:
            self._reschedule(asyncio.get_running_loop().time() + self._time_s)

    def pause(self) -> None:
        """From here on silence is no fault: an event stream may have nothing to say for hours."""
        self._is_paused = True
        self._reschedule(None)

    def resume(self) -> None:
        self._is_paused = False
        self.restart()

    def cut(self) -> None:
        """End now."""
        self.is_cut = True
        if self._is_open and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())

    def _reschedule(self, when: float | None) -> None:
        if self._is_open and not self.is_cut and not self._timeout.expired():
            self._timeout.reschedule(when)
