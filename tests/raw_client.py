"""A client that sends exactly the bytes it is given, and reads answers as strictly as RFC 9112 allows."""

import asyncio
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.fakes.raw_connection import (
    EndedError,
    Head,
    RawConnection,
    framing,
    read_head,
    read_sized_or_chunked,
)

_WITHOUT_BODY = {204, 304}


@dataclass(frozen=True)
class Answer:
    head: Head
    body: bytes

    @property
    def status(self) -> int:
        return self.head.status


class RawClient(RawConnection):
    async def answer(self, *, to: str = "GET", skip_interim: bool = True) -> Answer:
        """The next answer as a whole. Raises `EndedError` when it is cut short.

        `to` is the method of its request: it decides whether there is a body.
        """
        head = await read_head(self)
        while skip_interim and head.status < 200:
            assert framing(head) is None, head
            head = await read_head(self)
        if to == "HEAD" or head.status in _WITHOUT_BODY or head.status < 200:
            return Answer(head, b"")
        frame = framing(head)
        if frame is None:
            return Answer(head, await self.rest())
        return Answer(head, await read_sized_or_chunked(self, frame))

    async def answers_until_closed(self) -> list[Answer]:
        """Everything that comes until the agent closes."""
        answers = []
        try:
            while True:
                answers.append(await self.answer())
        except EndedError as ended:
            assert ended.rest == b"", ended.rest  # noqa: PT017 - what is left over is no answer
        return answers

    async def ended(self, within_s: float = 2) -> None:
        async with asyncio.timeout(within_s):
            await self.is_closed.wait()


async def connect(url: str, *, receive_buffer: int | None = None) -> RawClient:
    """`receive_buffer`: a small one fills soon when the client does not read."""
    address = urlsplit(url)
    assert address.hostname is not None
    family = socket.AF_INET6 if ":" in address.hostname else socket.AF_INET
    connection = socket.socket(family)
    connection.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(connection, (address.hostname, address.port))
        _, client = await loop.create_connection(RawClient, sock=connection)
    except BaseException:
        connection.close()
        raise
    return client
