"""The service behind the door: says what reached it, and misbehaves on request."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class FakeBackend:
    """`answer_headers`, `answer_status`, `answer_body` shape what `/api/shaped` says.

    The headers also stand on the answer that opens a WebSocket. `/api/gated` waits for `gate` before it says
    anything.
    """

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answer_headers: list[tuple[str, str]] = field(default_factory=list)
    answer_status: int = 200
    answer_body: bytes = b"shaped"
    open_streams: int = 0
    gate: asyncio.Event | None = None
    stream_ends: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, list(request.headers.items()), body))
        name = request.path.rsplit("/", 1)[-1]
        if name == "shaped":
            return self._shaped()
        if name == "gated" and self.gate is not None:
            await self.gate.wait()
        if name in {"stream", "gated"}:
            return await self._stream(request)
        if name == "socket":
            return await self._socket(request)
        if name == "cut":
            return await self._cut(request)
        return web.json_response({"target": request.raw_path, "body": body.decode("latin-1")})

    def _shaped(self) -> web.Response:
        response = web.Response(status=self.answer_status, body=self.answer_body)
        for key, value in self.answer_headers:
            response.headers.add(key, value)
        return response

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: one at once, then nothing until the client leaves, or the end."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.open_streams += 1
        try:
            await response.write(b"data: " + json.dumps({"first": True}).encode() + b"\n\n")
            if not self.stream_ends:
                await asyncio.sleep(60)
        finally:
            self.open_streams -= 1
        return response

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        """Says every message again."""
        response = web.WebSocketResponse()
        for key, value in self.answer_headers:
            response.headers.add(key, value)
        await response.prepare(request)
        async for message in response:
            await response.send_str(message.data)
        return response

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        """Promises a hundred bytes, sends ten, and breaks the connection."""
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"0123456789")
        assert request.transport is not None
        request.transport.close()
        return response


@asynccontextmanager
async def run_backend() -> AsyncIterator[FakeBackend]:
    backend = FakeBackend()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", backend.handle)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True, auto_decompress=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        backend.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield backend
    finally:
        await runner.cleanup()
