"""The body of a request on its way up: counted when its length is known, else chunked anew."""

from bff.proxy.body import LAST_CHUNK, ChunkDecoder, chunk
from bff.proxy.heads import CHUNKED, RequestHead


class BodyTooLargeError(Exception):
    """The body is longer than its route allows."""


class Upload:
    """`received` counts the bytes of the body, without framing. `limit` is the route's, if it has one."""

    __slots__ = ("_decoder", "_left", "_limit", "is_whole", "received")

    def __init__(self, head: RequestHead, limit: int | None) -> None:
        self._left = head.length
        self._decoder = ChunkDecoder() if head.length == CHUNKED else None
        self._limit = limit
        self.received = 0
        self.is_whole = head.length == 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """What goes up of `data`, framed, and what of it belongs to the next request.

        Raises `BodyTooLargeError`, and `BadHeadError` for chunks that cannot be read.
        """
        if self.is_whole or not data:
            return b"", data
        if self._decoder is not None:
            return self._take_chunks(self._decoder, data)
        content, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self._left -= len(content)
        self.received += len(content)
        self.is_whole = self._left == 0
        return content, rest

    def _take_chunks(self, decoder: ChunkDecoder, data: bytes) -> tuple[bytes, bytes]:
        content, rest = decoder.feed(data)
        self.received += len(content)
        if self._limit is not None and self.received > self._limit:
            raise BodyTooLargeError
        framed = chunk(content) if content else b""
        self.is_whole = decoder.is_finished
        return framed + LAST_CHUNK if self.is_whole else framed, rest
