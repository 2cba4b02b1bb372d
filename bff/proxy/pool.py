"""The connections to upstreams: the last one used first, bounded, and gone when idle for long."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bff.proxy.health_checks import start_health_checks
from bff.proxy.limits import Limits
from bff.proxy.route_table import ProxyRoute, UpstreamAddress
from bff.proxy.targets import Targets
from bff.proxy.turn import Turn
from bff.proxy.upstream import UpstreamConnection
from common.tasks import Tasks

# Our own limit, and no fault of the upstream.
QUEUE_FULL = "upstream_queue_full"


@dataclass(slots=True)
class Waiter:
    """Somebody who wants a connection. A waiter that left is passed over."""

    connected: Callable[[UpstreamConnection], None]
    failed: Callable[[str], None]
    has_left: bool = False


@dataclass(frozen=True)
class Shared:
    """What all pools have in common. `ssl_context` is for https upstreams."""

    limits: Limits
    tasks: Tasks
    turn: Turn
    ssl_context: ssl.SSLContext


class Pool:
    """The connections to one upstream."""

    def __init__(
        self,
        address: UpstreamAddress,
        shared: Shared,
        connect_time_s: float,
    ) -> None:
        self.address = address
        self.authority = address.authority.encode()
        self._limits = shared.limits
        self._tasks = shared.tasks
        self._turn = shared.turn
        self._ssl = shared.ssl_context if address.scheme == "https" else None
        self._connect_time_s = connect_time_s
        self._idle: list[UpstreamConnection] = []
        self._waiting: deque[Waiter] = deque()
        self._all: set[UpstreamConnection] = set()
        self._connecting = 0
        self._now_s = asyncio.get_running_loop().time

    def take_idle(self) -> UpstreamConnection | None:
        """A connection that is ready now."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_ready:
                return connection
        return None

    def wait_for_one(self, waiter: Waiter) -> None:
        """Tell the waiter of a new connection, or of one that is given back, or why there will be none."""
        if len(self._all) + self._connecting < self._limits.upstream_connections:
            self._connecting += 1
            self._tasks.start("upstream_connect", self._connect(waiter))
        elif len(self._waiting) < self._limits.upstream_waiters:
            self._waiting.append(waiter)
        else:
            waiter.failed(QUEUE_FULL)

    def sweep(self, now_s: float) -> None:
        """Close what was idle for too long: its server is about to do the same."""
        oldest = now_s - self._limits.upstream_idle_s
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).close()

    def close(self) -> None:
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()

    async def _connect(self, waiter: Waiter) -> None:
        try:
            async with asyncio.timeout(self._connect_time_s):
                connection = await self._open()
        except (OSError, ssl.SSLError, UnicodeError) as error:
            # `TimeoutError` is one of the first. Names that no resolver takes are the third.
            self._connecting -= 1
            waiter.failed(f"connect_{type(error).__name__}")
            self._serve_next()
            return
        self._connecting -= 1
        # One that was closed at once has been forgotten already: it would count for ever.
        if connection.is_open:
            self._all.add(connection)
        self._give(connection, waiter)

    async def _open(self) -> UpstreamConnection:
        loop, address = asyncio.get_running_loop(), self.address
        name = address.host if self._ssl is not None else None
        if address.unix_path is not None:
            _, connection = await loop.create_unix_connection(
                self._new, address.unix_path, ssl=self._ssl, server_hostname=name
            )
        else:
            _, connection = await loop.create_connection(
                self._new, address.host, address.port, ssl=self._ssl, server_hostname=name
            )
        return connection

    def _new(self) -> UpstreamConnection:
        return UpstreamConnection(self._limits, self._turn, self._given_back, self._forget)

    def _given_back(self, connection: UpstreamConnection) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.has_left:
                waiter.connected(connection)
                return
        connection.idle_since = self._now_s()
        self._idle.append(connection)

    def _give(self, connection: UpstreamConnection, waiter: Waiter) -> None:
        if not connection.is_open:
            waiter.failed("closed_at_once")
        elif waiter.has_left:
            self._given_back(connection)
        else:
            waiter.connected(connection)

    def _forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._serve_next()

    def _serve_next(self) -> None:
        """There is room again: open a connection for whoever waits."""
        while self._waiting and len(self._all) + self._connecting < self._limits.upstream_connections:
            waiter = self._waiting.popleft()
            if not waiter.has_left:
                self.wait_for_one(waiter)


class Pools:
    """A pool for each upstream of each route, made when it is first needed."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._now_s = asyncio.get_running_loop().time
        self._pools: dict[str, dict[UpstreamAddress, Pool]] = {}
        self._targets: dict[str, Targets] = {}

    def add(self, route: ProxyRoute) -> None:
        """Its health checks begin."""
        if route.name in self._pools:
            return
        self._pools[route.name] = {
            address: Pool(address, self._shared, route.connect_timeout_s) for address in route.upstreams
        }
        targets = self._targets[route.name] = Targets(route)
        start_health_checks(self._shared.tasks, route, targets)

    def pick(self, route: ProxyRoute) -> Pool:
        """The pool of the upstream that should have the next request of this route."""
        pools = self._pools[route.name]
        if len(pools) == 1:
            return pools[route.upstreams[0]]
        return pools[self._targets[route.name].pick(self._now_s())]

    def failed(self, route: ProxyRoute, pool: Pool) -> None:
        self._targets[route.name].failed(pool.address, self._now_s())

    def recovered(self, route: ProxyRoute, pool: Pool) -> None:
        self._targets[route.name].recovered(pool.address)

    def sweep(self, now_s: float) -> None:
        for pool in self._all():
            pool.sweep(now_s)

    def close(self) -> None:
        for pool in self._all():
            pool.close()

    def _all(self) -> list[Pool]:
        return [pool for pools in self._pools.values() for pool in pools.values()]
