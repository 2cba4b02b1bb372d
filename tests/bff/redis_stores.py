"""Redis stores for tests: opened on the servers that the tests share, or on one of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from bff.session.redis_store import RedisSessionStore, open_redis_store
from bff.session.seal import Sealer
from common.clock import Clock, SystemClock
from common.randomness import SystemRandomness
from common.redis_url import parse_redis_address
from tests.fakes.redis_servers import RedisServers
from tests.fakes.tls_front import tls_front
from tests.fakes.waiting import until

IDLE = timedelta(hours=1)
SERVER_KEY = bytes(range(32))


@asynccontextmanager
async def reaching_store(
    url: str,
    *,
    server_keys: tuple[bytes, ...] = (SERVER_KEY,),
    clock: Clock | None = None,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[RedisSessionStore]:
    """A store that was just opened, whether its servers are there or not."""
    address, sealer = parse_redis_address(url), Sealer(server_keys, SystemRandomness())
    clock, registry = clock or SystemClock(), registry or CollectorRegistry()
    async with open_redis_store(address, sealer, clock, IDLE, registry) as store:
        yield store


@asynccontextmanager
async def opened_store(
    url: str,
    *,
    server_keys: tuple[bytes, ...] = (SERVER_KEY,),
    clock: Clock | None = None,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[RedisSessionStore]:
    """A store that has reached its servers."""
    async with reaching_store(url, server_keys=server_keys, clock=clock, registry=registry) as store:
        await until(lambda: store.fault() is None)
        yield store


@asynccontextmanager
async def in_redis(servers: RedisServers, _folder: Path) -> AsyncIterator[RedisSessionStore]:
    async with opened_store(servers.standalone().url) as store:
        yield store


@asynccontextmanager
async def in_redis_over_tls(servers: RedisServers, folder: Path) -> AsyncIterator[RedisSessionStore]:
    async with (
        tls_front(folder, servers.standalone().port) as front,
        opened_store(f"rediss://127.0.0.1:{front.port}/0?ca_file={front.certificate}") as store,
    ):
        yield store


@asynccontextmanager
async def in_redis_with_sentinel(servers: RedisServers, _folder: Path) -> AsyncIterator[RedisSessionStore]:
    async with opened_store(servers.sentinel().url) as store:
        yield store


@asynccontextmanager
async def in_redis_cluster(servers: RedisServers, _folder: Path) -> AsyncIterator[RedisSessionStore]:
    async with opened_store(servers.cluster().url) as store:
        yield store
