"""Counting in Redis, and in the memory of this process while Redis is away.

A request never fails, and never waits for long, because it could not be counted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

import structlog
from limits.aio.storage import RedisClusterStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from prometheus_client import CollectorRegistry, Counter
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from common.clock import Clock, SystemClock
from common.rate_limits import Counters, Rule, Standing
from common.redis_url import RedisAddress

PAUSE_S = 1.0
"""For so long after a failure nobody asks Redis; then one request tries for all."""

_LONGEST_QUESTION_S = 0.5
_TIMEOUT_S = 0.25
MOST_CONNECTIONS = 32
# RedisClusterException is no RedisError. An OSError comes from connections that break while they are closed.
_FAULTS = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class RedisCounters:
    """The contract of `Counters`. `local` counts for this process alone while Redis is away."""

    def __init__(
        self, storage: RedisStorage, local: Counters, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._limiter = FixedWindowRateLimiter(storage)
        self._local = local
        self._clock = clock
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._is_away = False
        self._ask_again_at = 0.0
        self._outages = Counter(
            "rate_limit_store_outages",
            "How often the store of rate limits went away, and requests were counted in memory",
            registry=registry,
        )

    async def hit(self, rule: Rule, key: str) -> Standing:
        is_trial = self._is_away
        if is_trial:
            if self._clock.monotonic() < self._ask_again_at:
                return await self._local.hit(rule, key)
            # This caller tries for all; the others do not wait for how that goes.
            self._ask_again_at = self._clock.monotonic() + PAUSE_S
        try:
            # A connection whose answer nobody waits for any more is closed by the client library.
            async with asyncio.timeout(_LONGEST_QUESTION_S), self._places:
                standing = await self._ask(rule, key)
        except _FAULTS as error:
            self._went_away(error)
            return await self._local.hit(rule, key)
        # Not by an answer to what was asked before it went away: one that is slow would come and go with each
        # request, and every other one would wait for it in vain.
        if is_trial:
            self._came_back()
        return standing

    async def _ask(self, rule: Rule, key: str) -> Standing:
        if await self._limiter.hit(rule.item, rule.name, key):
            return Standing(rule, is_over=False, remaining=None, resets_in_s=rule.item.get_expiry())
        resets_at, _ = await self._limiter.get_window_stats(rule.item, rule.name, key)
        # Not the clock that was given: the library has added the time of the system.
        left_s = resets_at - SystemClock().now().timestamp()
        return Standing(rule, is_over=True, remaining=0, resets_in_s=left_s)

    def _went_away(self, error: BaseException) -> None:
        self._ask_again_at = self._clock.monotonic() + PAUSE_S
        if not self._is_away:
            self._is_away = True
            self._outages.inc()
            # The type alone: a text could quote the address, with its password.
            log.warning("rate_limit_store_away", error=type(error).__name__)

    def _came_back(self) -> None:
        self._is_away = False
        log.info("rate_limit_store_back")


class _Options(TypedDict, total=False):
    """What all clients are opened with."""

    username: str | None
    password: str | None
    socket_timeout: float
    socket_connect_timeout: float
    retry: Retry
    protocol: int
    ssl: bool
    ssl_ca_certs: str | None


@asynccontextmanager
async def open_redis_storage(address: RedisAddress, server: str) -> AsyncIterator[RedisStorage]:
    """Connects when it is first used."""
    prefix = f"dw:rate:{server}"
    if address.kind == "cluster":
        async with _open_cluster_storage(address, prefix) as storage:
            yield storage
        return
    async with _open_client(address) as opened:
        pool: Any = opened.connection_pool
        yield RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=prefix, connection_pool=pool
        )


@asynccontextmanager
async def _open_cluster_storage(address: RedisAddress, prefix: str) -> AsyncIterator[RedisStorage]:
    hosts = ",".join(_as_text(host, port) for host, port in address.hosts)
    # The library passes on more kinds of options than its types tell.
    options: Any = _options(address)
    storage = RedisClusterStorage(
        f"async+redis+cluster://{hosts}", implementation="redispy", key_prefix=prefix, **options
    )
    bridge: Any = storage.bridge
    try:
        yield storage
    finally:
        await bridge.get_connection().aclose()


@asynccontextmanager
async def _open_client(address: RedisAddress) -> AsyncIterator[Redis]:
    """For one server, or the one that Sentinels name."""
    options = _options(address)
    if address.kind == "standalone":
        [(host, port)] = address.hosts
        async with Redis(host=host, port=port, db=address.database, **options) as client:
            yield client
        return
    of_sentinels = options | _Options(username=None, password=address.sentinel_password)
    sentinel = Sentinel(address.hosts, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
    try:
        async with sentinel.master_for(address.service, db=address.database, **options) as client:
            yield client
    finally:
        await sentinel.aclose()


def _as_text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _options(address: RedisAddress) -> _Options:
    options = _Options(
        username=address.username,
        password=address.password,
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    if address.is_tls:
        options |= _Options(ssl=True, ssl_ca_certs=address.ca_file)
    return options
