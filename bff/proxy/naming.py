"""Who asks, and under which id: as in `common.requests`, for the requests of one connection of the front."""

import asyncio
from functools import lru_cache

from bff.proxy.door import Door
from bff.proxy.heads import RequestHead
from common.addresses import client_address, is_within
from common.env import Network
from common.requests import new_request_id, request_id


class Naming:
    """`address` is the client's; `id` the request's, as it is logged and passed on."""

    __slots__ = ("_count", "_door", "_is_trusted", "_lines", "_peer", "_prefix", "address", "id")

    def __init__(self, door: Door, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        self._door = door
        self._peer = str(peer[0]) if isinstance(peer, tuple) else "unix"
        self._is_trusted = is_within(self._peer, door.trusted_proxies)
        self._prefix, self._count = b"", 0
        self.address = self._peer
        self.id = b""
        self._lines = door.forwarded_lines(self._peer)

    def name(self, head: RequestHead) -> None:
        """For the next request of the connection."""
        if self._is_trusted:
            self._name_as_told(head)
        else:
            self.name_anew()

    def name_anew(self) -> None:
        """One random prefix a connection, and its requests counted: randomness costs a system call."""
        self._count += 1
        if not self._prefix:
            self._prefix = new_request_id(self._door.randomness).encode()
        self.id = b"%b.%d" % (self._prefix, self._count)

    def lines(self) -> bytes:
        """What tells the upstream."""
        return b"%bX-Request-Id: %b\r\n" % (self._lines, self.id)

    def _name_as_told(self, head: RequestHead) -> None:
        """By a proxy of ours, which speaks for another client with each request."""
        values = [value.decode("latin-1") for name, _, value in head.headers if name == b"x-forwarded-for"]
        address = _client_address(self._peer, tuple(values), self._door.trusted_proxies)
        if address != self.address:
            self.address, self._lines = address, self._door.forwarded_lines(address)
        given = request_id(head.values.get(b"x-request-id", b"").decode("latin-1"))
        if given:
            self.id = given.encode()
        else:
            self.name_anew()


@lru_cache(maxsize=1024)
def _client_address(peer: str, forwarded: tuple[str, ...], trusted: tuple[Network, ...]) -> str:
    return client_address(peer, forwarded, trusted)
