"""What all proxied requests share, and the one timer that ends what is overdue."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from yarl import URL

from bff.proxy.access_log import AccessLog
from bff.proxy.admission import Admission
from bff.proxy.credentials import Credentials
from bff.proxy.limits import Limits
from bff.proxy.pool import Pools
from bff.proxy.turn import Turn
from bff.session.live import LiveConnections
from common.env import Network
from common.randomness import Randomness
from common.tasks import Tasks

log = structlog.get_logger(__name__)


class Swept(Protocol):
    """What the timer looks at."""

    def sweep(self, now_s: float) -> None: ...


class Connection(Swept, Protocol):
    """A client connection of the front."""

    def drain(self) -> None: ...

    def abort(self) -> None: ...


@dataclass
class Door:
    """`public_url` is the origin under which browsers see us, which upstreams are told."""

    admission: Admission
    credentials: Credentials
    pools: Pools
    live: LiveConnections
    limits: Limits
    tasks: Tasks
    turn: Turn
    randomness: Randomness
    access_log: AccessLog
    trusted_proxies: tuple[Network, ...]
    public_url: URL
    prefix: str
    cors_origins: frozenset[str]
    swept: set[Swept] = field(default_factory=set)
    fronts: set[Connection] = field(default_factory=set)
    is_draining: bool = False

    async def sweep_forever(self) -> None:
        """One timer for all connections: a timer for each would cost more than the requests themselves."""
        while True:
            await asyncio.sleep(self.limits.sweep_interval_s)
            self.sweep(self.now_s())

    def sweep(self, now_s: float) -> None:
        for swept in list(self.swept):
            try:
                swept.sweep(now_s)
            except Exception as error:  # noqa: BLE001 - the deadlines of all others hang on this loop
                log.warning("sweep_failed", error=type(error).__name__)
        self.pools.sweep(now_s)

    def __post_init__(self) -> None:
        # The event loop's time: what is measured here stands beside its timers, not beside the wall clock.
        self.now_s = asyncio.get_running_loop().time
        origin = self.public_url
        self._public_lines = (
            f"X-Forwarded-Proto: {origin.scheme}\r\nX-Forwarded-Host: {origin.authority}\r\n".encode()
        )

    def forwarded_lines(self, address: str) -> bytes:
        """Who asks, and at which door. They stay the same for a connection as long as the client does."""
        return b"X-Forwarded-For: %b\r\n%b" % (address.encode(), self._public_lines)

    def leave(self, connection: Connection) -> None:
        self.fronts.discard(connection)
        self.swept.discard(connection)
