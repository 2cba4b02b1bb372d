"""Tables that cannot grow without end: entries live for a fixed time, and the oldest make room."""

from typing import Generic, TypeVar

from common.clock import Clock

V = TypeVar("V")

MOST_ENTRIES = 100_000


class ExpiringTable(Generic[V]):
    """Keys to values that live `lifetime_s` seconds from their last `put`."""

    def __init__(self, clock: Clock, lifetime_s: float, most_entries: int = MOST_ENTRIES) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._most_entries = most_entries
        # One lifetime for all entries keeps the dict sorted by expiry: the front is always what ends next.
        self._entries: dict[str, tuple[float, V]] = {}

    def put(self, key: str, value: V) -> None:
        self._entries.pop(key, None)
        self._drop_expired()
        if len(self._entries) >= self._most_entries:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._clock.monotonic() + self._lifetime_s, value)

    def get(self, key: str) -> V | None:
        self._drop_expired()
        entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def remove(self, key: str) -> None:
        self._entries.pop(key, None)

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        while self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest][0] > now:
                return
            del self._entries[oldest]
