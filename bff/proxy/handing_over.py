"""What is not proxied: the connection goes to aiohttp's server, with the request as it came."""

import asyncio

from bff.proxy.body import ChunkDecoder
from bff.proxy.door import Door
from bff.proxy.heads import CHUNKED, BadHeadError, RequestHead

_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"upgrade"})


def handed_over(head: RequestHead, rest: bytes) -> bytes:
    """The request anew. With `close`, the server reads no second one, which would not have passed here."""
    version = b"1.0" if head.is_http_1_0 else b"1.1"
    lines = [b"%b %b HTTP/%b\r\n" % (head.method, head.target, version)]
    lines += [
        b"%b: %b\r\n" % (name, value)
        for plain, name, value in head.headers
        if plain not in _OF_THE_CONNECTION
    ]
    return b"".join([*lines, b"Connection: close\r\n\r\n", _own_body(head, rest)])


def _own_body(head: RequestHead, rest: bytes) -> bytes:
    """What of `rest` is the request's: one behind it was sent on a connection that closes."""
    if head.length != CHUNKED:
        return rest[: head.length]
    try:
        _, behind = ChunkDecoder().feed(rest)
    except BadHeadError:
        return rest  # aiohttp refuses it in its own words
    return rest[: len(rest) - len(behind)]


class HandedOver:
    """A connection that aiohttp has now. Its server sets no time for a body to come in: here is one."""

    __slots__ = ("_door", "_ends_at", "_transport")

    def __init__(self, door: Door, transport: asyncio.Transport) -> None:
        self._door = door
        self._transport = transport
        self._ends_at = door.now_s() + door.limits.handed_over_s

    def sweep(self, now_s: float) -> None:
        if self._transport.is_closing():
            self._door.swept.discard(self)
        elif now_s >= self._ends_at:
            self._transport.abort()
