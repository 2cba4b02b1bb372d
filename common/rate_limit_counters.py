"""Where requests are counted: in the memory of this process, or in Redis for all processes together."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.rate_limit_redis import RedisCounters, open_redis_storage
from common.rate_limits import Counters, Rule, Standing
from common.redis_url import RedisAddress

MOST_KEYS = 50_000
"""For each rule: some fifteen megabytes."""


@asynccontextmanager
async def open_counters(
    store: RedisAddress | None, server: str, clock: Clock, registry: CollectorRegistry
) -> AsyncIterator[Counters]:
    """`server` keeps the counts of one kind of server apart from those of others in the same Redis."""
    local = MemoryCounters(clock)
    if store is None:
        yield local
        return
    async with open_redis_storage(store, server) as storage:
        yield RedisCounters(storage, local, clock, registry)


class MemoryCounters:
    """The contract of `Counters`."""

    def __init__(self, clock: Clock, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._of_rules: dict[str, tuple[WindowStorage, FixedWindowRateLimiter]] = {}

    async def hit(self, rule: Rule, key: str) -> Standing:
        found = self._of_rules.get(rule.name)
        if found is None:
            # Each rule has a table of its own: without that, a flood from many addresses would push out the
            # counts of tokens and owners.
            storage = WindowStorage(self._clock, self._most_keys)
            found = self._of_rules[rule.name] = storage, FixedWindowRateLimiter(storage)
        storage, limiter = found
        is_within = limiter.hit(rule.item, key)
        # Not the library's `get_window_stats`, which takes twice as long as all the rest of this.
        window = storage.last_hit
        remaining = max(0, rule.item.amount - window.count)
        return Standing(rule, not is_within, remaining, window.ends_at - self._clock.monotonic())


@dataclass(slots=True)
class Window:
    ends_at: float
    count: int = 0


class WindowStorage(Storage):
    """A storage of the library for windows of one length, with a bound: the oldest window makes room.

    That of the library has none, and starts a thread again and again that walks over all keys. All times are
    those of `clock.monotonic`.
    """

    def __init__(self, clock: Clock, most: int) -> None:
        super().__init__()
        self._clock = clock
        self._most = most
        # In the order in which they began, which is also that in which they end. To find the first of a plain
        # dict takes longer with each one that was deleted before it.
        self._windows = OrderedDict[str, Window]()
        self.last_hit = Window(0)

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        window = self._current(key)
        if window is None:
            self._make_room()
            window = self._windows[key] = Window(self._clock.monotonic() + expiry)
        window.count += amount
        self.last_hit = window
        return window.count

    def get(self, key: str) -> int:
        window = self._current(key)
        return window.count if window is not None else 0

    def get_expiry(self, key: str) -> float:
        window = self._current(key)
        return window.ends_at if window is not None else self._clock.monotonic()

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def _current(self, key: str) -> Window | None:
        window = self._windows.get(key)
        if window is not None and window.ends_at <= self._clock.monotonic():
            del self._windows[key]
            return None
        return window

    def _make_room(self) -> None:
        """Drops what has ended, and the oldest where nothing has: its holder begins anew."""
        now = self._clock.monotonic()
        while self._windows:
            oldest = next(iter(self._windows))
            if len(self._windows) < self._most and self._windows[oldest].ends_at > now:
                return
            del self._windows[oldest]
