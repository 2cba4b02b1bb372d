"""A network between an agent and a server that can hold back or lose what is sent, and tells nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

_READ_BYTES = 65536


@dataclass
class _Connection:
    task: "asyncio.Task[None]"
    is_silent: bool = False


class Relay:
    """Passes bytes on, both ways. What it keeps back leaves its connection open: no FIN, no reset."""

    def __init__(self, behind_port: int) -> None:
        self.port = 0
        self.is_holding = False
        self._behind_port = behind_port
        self._connections: list[_Connection] = []
        self._word: bytes | None = None
        self._released = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        """A relay on a loopback port, to the server on this one."""
        relay = cls(port)
        server = await asyncio.start_server(relay._serve, "127.0.0.1", 0)
        relay.port = server.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            server.close()
            tasks = [connection.task for connection in relay._connections]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def hold(self, word: bytes) -> None:
        """What contains this word is held back until `release`; `is_holding` tells when it has come."""
        self._word = word

    def release(self) -> None:
        self._word = None
        self._released.set()

    def silence(self) -> None:
        """On all connections that there are, nothing arrives any more; new ones are not touched."""
        for connection in self._connections:
            connection.is_silent = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(task)
        self._connections.append(connection)
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind_port)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(
                    self._pass(connection, reader, behind_writer),
                    self._pass(connection, behind_reader, writer),
                )
        finally:
            writer.close()
            behind_writer.close()

    async def _pass(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(_READ_BYTES):
            if self._word is not None and self._word in data:
                self.is_holding = True
                await self._released.wait()
            if not connection.is_silent:
                writer.write(data)
                await writer.drain()
        if not connection.is_silent:
            writer.close()
