"""A service behind the door that keeps connections open: a socket that echoes, events, and uploads."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

LONGEST_MESSAGE = 4 * 1024 * 1024
PREFIX = "/api/live"


@dataclass
class LiveService:
    """`tell` says something to every open event stream. What is open now can be counted.

    A socket that hears `bye` is closed with 4001.
    """

    port: int = 0
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    streams: set[asyncio.Queue[str]] = field(default_factory=set)

    @property
    def is_idle(self) -> bool:
        return not self.sockets and not self.streams

    def tell(self, text: str) -> None:
        for stream in self.streams:
            stream.put_nowait(text)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        _check_bearer(request)
        socket = web.WebSocketResponse(max_msg_size=LONGEST_MESSAGE, protocols=["echo"])
        await socket.prepare(request)
        self.sockets.add(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await socket.send_bytes(message.data)
                elif message.data == "bye":
                    await socket.close(code=4001)
                else:
                    await socket.send_str(f"heard {message.data}")
        finally:
            self.sockets.discard(socket)
        return socket

    async def events(self, request: web.Request) -> web.StreamResponse:
        _check_bearer(request)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        said: asyncio.Queue[str] = asyncio.Queue()
        self.streams.add(said)
        try:
            # A browser that lost the stream asks again this soon.
            await answer.write(b"retry: 100\n\n")
            while True:
                await answer.write(f"data: {await said.get()}\n\n".encode())
        finally:
            self.streams.discard(said)

    async def upload(self, request: web.Request) -> web.Response:
        _check_bearer(request)
        digest, length = hashlib.sha256(), 0
        async for part in request.content.iter_any():
            digest.update(part)
            length += len(part)
        return web.json_response({"length": length, "sha256": digest.hexdigest()})


def _check_bearer(request: web.Request) -> None:
    # Never the cookie: that one stays at the door.
    if not request.headers.get("Authorization", "").startswith("Bearer ey") or "Cookie" in request.headers:
        raise web.HTTPInternalServerError


@asynccontextmanager
async def live_service() -> AsyncIterator[LiveService]:
    service = LiveService()
    app = web.Application()
    app.router.add_get(f"{PREFIX}/socket", service.socket)
    app.router.add_get(f"{PREFIX}/events", service.events)
    app.router.add_post(f"{PREFIX}/upload", service.upload)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.port = runner.addresses[0][1]
    try:
        yield service
    finally:
        await runner.cleanup()


def routes_of(service: LiveService) -> str:
    """The file of `ROUTES` that puts it beside the apiserver."""
    return f"""
[[route]]
prefix = "/api/"

[[route]]
prefix = "{PREFIX}/"
upstream = "http://127.0.0.1:{service.port}"
"""
