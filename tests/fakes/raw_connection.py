"""One TCP connection byte by byte, from either end, and a reader of HTTP messages that forgives nothing."""

import asyncio
import re
import socket
import struct
from dataclasses import dataclass
from typing import Self, cast

LONGEST_WAIT_S = 5.0
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class EndedError(Exception):
    """The connection ended before what was waited for; `rest` is what came instead."""

    def __init__(self, rest: bytes) -> None:
        super().__init__(f"the connection ended after {rest[-300:]!r}")
        self.rest = rest


class RawConnection(asyncio.Protocol):
    """Reads all that comes unless paused; keeps it all unless `keeps` is False, then only counts it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.count = 0
        self.keeps = True
        self.reads_piecewise = False  # stop after each piece, until `read_again`
        self.is_closed = asyncio.Event()
        self.transport: asyncio.Transport = asyncio.Transport()
        self._position = 0
        self._news = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Said by a cast, since the transports of uvloop are of no class of asyncio.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.count += len(data)
        if self.keeps:
            self.received += data
        self._news.set()
        if self.reads_piecewise:
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed.set()
        self._news.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def send(self, data: bytes) -> None:
        # uvloop, unlike asyncio, does not take bytes for a connection that has ended.
        if not self.transport.is_closing():
            self.transport.write(data)

    async def send_all(self, data: bytes) -> None:
        """Waits while the other side does not read. Raises `EndedError` when it is gone."""
        self.send(data)
        await asyncio.sleep(0)
        await self._may_write.wait()
        if self.transport.is_closing():
            raise EndedError(bytes(self.received[self._position :]))

    def stop_reading(self) -> None:
        self.transport.pause_reading()

    def read_again(self) -> None:
        self.transport.resume_reading()

    def cut(self) -> None:
        """Gone by a reset, which is an end of nothing."""
        if not self.is_closed.is_set() and not self.transport.is_closing():
            connection = self.transport.get_extra_info("socket")
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def close(self) -> None:
        self.transport.close()

    @property
    def unread(self) -> bytes:
        return bytes(self.received[self._position :])

    async def up_to(self, mark: bytes) -> bytes:
        """What comes next, up to and with `mark`."""
        async with asyncio.timeout(LONGEST_WAIT_S):
            while (found := self.received.find(mark, self._position)) < 0:
                await self._more()
        return self._take(found + len(mark))

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(LONGEST_WAIT_S):
            while len(self.received) < self._position + size:
                await self._more()
        return self._take(self._position + size)

    async def some(self) -> bytes:
        """What has come and was not taken yet, at least one byte."""
        async with asyncio.timeout(LONGEST_WAIT_S):
            while len(self.received) == self._position:
                await self._more()
        return self._take(len(self.received))

    async def rest(self) -> bytes:
        """All that comes until the other side closes."""
        async with asyncio.timeout(LONGEST_WAIT_S):
            await self.is_closed.wait()
        return self._take(len(self.received))

    def drop_taken(self) -> None:
        del self.received[: self._position]
        self._position = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    def _take(self, until: int) -> bytes:
        taken = bytes(self.received[self._position : until])
        self._position = until
        return taken

    async def _more(self) -> None:
        if self.is_closed.is_set():
            raise EndedError(self.unread)
        self._news.clear()
        await self._news.wait()


@dataclass(frozen=True)
class Head:
    """A start line and its fields, exactly as they came."""

    start: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    def values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.fields if key.lower() == wanted]

    def value(self, name: str) -> str:
        """The one field of this name."""
        [value] = self.values(name)
        return value

    @property
    def status(self) -> int:
        return int(self.start.split(b" ", 2)[1])

    @property
    def method(self) -> str:
        return self.start.split(b" ")[0].decode()

    @property
    def target(self) -> str:
        return self.start.split(b" ")[1].decode()


def parse_head(block: bytes) -> Head:
    """A head with its empty line. Fails the test at anything that RFC 9112 does not allow a sender."""
    assert block.endswith(b"\r\n\r\n"), block
    start, *lines = block[:-4].split(b"\r\n")
    assert _VALUE.fullmatch(start), start
    return Head(start, tuple(_field(line) for line in lines))


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    assert colon, line
    assert _TOKEN.fullmatch(name), line
    assert _VALUE.fullmatch(value), line
    return name, value.strip(b" \t")


async def read_head(connection: RawConnection) -> Head:
    return parse_head(await connection.up_to(b"\r\n\r\n"))


def framing(head: Head) -> int | str | None:
    """The length of the body, "chunked", or None where nothing is said; both or twice fails the test."""
    codings, lengths = head.values("Transfer-Encoding"), head.values("Content-Length")
    assert len(codings) + len(lengths) <= 1, head
    if codings:
        assert codings == ["chunked"], head
        return "chunked"
    if not lengths:
        return None
    assert lengths[0].isascii(), head
    assert lengths[0].isdigit(), head
    return int(lengths[0])


async def read_sized_or_chunked(connection: RawConnection, frame: int | str) -> bytes:
    if isinstance(frame, int):
        return await connection.exactly(frame)
    body = bytearray()
    while size := await _chunk_size(connection):
        body += await connection.exactly(size)
        assert await connection.exactly(2) == b"\r\n"
    end = await connection.exactly(2)
    assert end == b"\r\n", f"trailers are never passed on, but {end!r} came"
    return bytes(body)


async def _chunk_size(connection: RawConnection) -> int:
    line = (await connection.up_to(b"\r\n"))[:-2]
    assert _SIZE.fullmatch(line), f"a chunk size is a plain number without extensions, but {line!r} came"
    return int(line, 16)
