"""Where requests are counted: in the memory of this process, or in Redis for all processes together."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

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
    """The contract of `Counters`, with a bound for the keys of each rule.

    The library's own memory has none, and starts a thread again and again that walks over all keys.
    """

    def __init__(self, clock: Clock, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._of_rules: dict[str, Windows] = {}

    async def hit(self, rule: Rule, key: str) -> Standing:
        windows = self._of_rules.get(rule.name)
        if windows is None:
            # Each rule has a table of its own: without that, a flood from many addresses would push out the
            # counts of tokens and owners.
            windows = self._of_rules[rule.name] = Windows(rule.item.get_expiry(), self._most_keys)
        now = self._clock.monotonic()
        window = windows.hit(key, now)
        left = rule.item.amount - window.count
        return Standing(rule, left < 0, max(0, left), window.ends_at - now)


@dataclass(slots=True)
class Window:
    ends_at: float
    count: int = 0


class Windows:
    """Windows of one length, by key. The oldest one makes room. Times are those of a monotonic clock."""

    def __init__(self, length_s: float, most: int) -> None:
        self._length_s = length_s
        self._most = most
        # In the order in which they began, which is also that in which they end. To find the first of a plain
        # dict takes longer with each one that was deleted before it.
        self._windows = OrderedDict[str, Window]()

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, key: str, now: float) -> Window:
        """The window of this key, with one more in it."""
        window = self._windows.get(key)
        if window is None or window.ends_at <= now:
            self._windows.pop(key, None)
            self._make_room(now)
            window = self._windows[key] = Window(now + self._length_s)
        window.count += 1
        return window

    def _make_room(self, now: float) -> None:
        """Drops what has ended, and the oldest where nothing has: its holder begins anew."""
        while self._windows:
            oldest = next(iter(self._windows))
            if len(self._windows) < self._most and self._windows[oldest].ends_at > now:
                return
            del self._windows[oldest]
