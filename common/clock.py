"""The clock as a part: whatever needs the time is given one, so that tests move it and rules stay pure."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells wall-clock time for what is written down, and a steady count for what is only measured."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back when the wall clock is set."""
        ...


class SystemClock:
    """The machine's own clock: the one place where it is read."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one place

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251 - the one place
