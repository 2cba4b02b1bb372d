"""Small servers for tests of what both of ours stand on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
from aiohttp import web

from common.serve import make_runner
from tests.fakes.waiting import until


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[httpx.AsyncClient]:
    """The application on a loopback port, run as both servers run theirs, and a client of it."""
    runner = make_runner(app, drain_time_s=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
            yield client
    finally:
        await runner.cleanup()


class RawServer:
    """Reads the head of a request and then answers whatever the test writes, well formed or not."""

    def __init__(self, answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._answer = answer
        self._talking = 0
        self.heads: list[str] = []
        self.url = ""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talking += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                await self._answer(writer)
        finally:
            writer.close()
            self._talking -= 1

    @classmethod
    @asynccontextmanager
    async def start(
        cls, answer: Callable[[asyncio.StreamWriter], Awaitable[None]]
    ) -> AsyncIterator["RawServer"]:
        raw = cls(answer)
        async with await asyncio.start_server(raw._talk, "127.0.0.1", 0) as server:
            raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield raw
            await until(lambda: raw._talking == 0)


def saying(data: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """An answer of these bytes, after which the connection is closed."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return say
