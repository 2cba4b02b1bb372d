"""The real Caddy with our Caddyfile on free ports, in front of small servers that say who they are."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, CookieJar, TCPConnector, web

from tests.fakes.waiting import until

ROOT = Path(__file__).parents[2]
CADDY = Path(sys.executable).with_name("caddy")

STARTED_WITHIN_S = 15


@dataclass
class Behind:
    """A server behind the door: keeps what reached it."""

    name: str
    received: list[web.Request] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    open_streams: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.received.append(request)
        if request.path == "/api/stream":
            return await self._stream(request)
        if request.path == "/api/socket":
            return await self._socket(request)
        headers = {"X-Answered-By": self.name, "Server": "something/1.0"}
        if request.path == "/login/strict":
            headers |= {"Content-Security-Policy": "default-src 'none'", "Referrer-Policy": "no-referrer"}
        if request.path == "/login/end":
            headers |= {"Location": "/?id_token_hint=secret-location", "Set-Cookie": "s=secret-set-cookie"}
        return web.Response(text=str(len(await request.read())), headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        if "sized" in request.query:
            stream.content_length = len(b"first\nsecond\n")
        await stream.prepare(request)
        await stream.write(b"first\n")
        self.open_streams += 1
        try:
            await self.go_on.wait()
        finally:
            self.open_streams -= 1
        self.go_on.clear()
        await stream.write(b"second\n")
        if "broken" in request.query:
            assert request.transport is not None
            request.transport.abort()
        return stream

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket_response = web.WebSocketResponse()
        await socket_response.prepare(request)
        async for message in socket_response:
            if message.data == "break":
                assert request.transport is not None
                request.transport.abort()
                break
            await socket_response.send_str(f"{self.name} heard {message.data}")
        return socket_response

    @property
    def last(self) -> web.Request:
        return self.received[-1]


@dataclass(frozen=True)
class Door:
    url: str
    port: int
    client: ClientSession
    web: Behind
    device: Behind
    apiserver: Behind
    log_path: Path
    caddy: asyncio.subprocess.Process

    async def reload(self) -> None:
        """As an operator does who has changed the file."""
        self.caddy.send_signal(signal.SIGUSR1)
        await until(lambda: "successfully reloaded" in self.log())

    def log(self) -> str:
        return self.log_path.read_text()


def free_port() -> int:
    """One that nobody listens on, below those that the system gives to outgoing connections.

    Above, any client on this machine may be given it before we listen. Not by `random`: it is seeded alike
    for every test, and in every run beside this one.
    """
    while True:
        port = 12_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def caddy_environment(folder: Path, **settings: str) -> dict[str, str]:
    """Only what is named here, and homes inside `folder`: nobody's own Caddy is touched."""
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return {"PATH": os.environ["PATH"], **homes, "CADDY_STORAGE": str(folder / "storage"), **settings}


def make_console(folder: Path) -> Path:
    console = folder / "the console"  # a space, as folders of people have
    (console / "assets").mkdir(parents=True)
    (console / "index.html").write_text("<title>console</title>")
    (console / "favicon.svg").write_text("<svg/>")
    (console / "assets" / "index-4f2a.js").write_text("export {};" + " " * 2000)
    return console


@asynccontextmanager
async def open_door(folder: Path, *, scheme: str = "http", **settings: str) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        behind = {name: Behind(name) for name in ("web", "device", "apiserver")}
        addresses = {name: await stack.enter_async_context(_serve(one)) for name, one in behind.items()}
        port = free_port()
        url = f"{scheme}://localhost:{port}"
        own_settings = {
            "SITE_ADDRESS": url,
            "OTHER_NAMES": f"{scheme}://:{port}",
            "HTTP_PORT": str(free_port()),
            "BFF_WEB": addresses["web"],
            "BFF_DEVICE": addresses["device"],
            "APISERVER": addresses["apiserver"],
            "CONSOLE": str(make_console(folder)),
        }
        environment = caddy_environment(folder, **(own_settings | settings))
        log_path = folder / "caddy.log"
        caddy = await stack.enter_async_context(_caddy(environment, log_path, port))
        client = ClientSession(
            connector=TCPConnector(ssl=False, force_close=True),
            cookie_jar=CookieJar(unsafe=True),
            timeout=ClientTimeout(total=20),
        )
        await stack.enter_async_context(client)
        yield Door(url, port, client, behind["web"], behind["device"], behind["apiserver"], log_path, caddy)


@asynccontextmanager
async def _serve(behind: Behind) -> AsyncIterator[str]:
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", behind.answer)
    runner = web.AppRunner(
        app, access_log=None, max_field_size=65536, shutdown_timeout=0.1, handler_cancellation=True
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        behind.go_on.set()
        await runner.cleanup()


@asynccontextmanager
async def _caddy(
    environment: dict[str, str], log_path: Path, port: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            CADDY, "run", "--config", ROOT / "Caddyfile", env=environment, stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(STARTED_WITHIN_S):
            await listening(port)
        yield process
    finally:
        process.terminate()
        await process.wait()


async def listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        return
