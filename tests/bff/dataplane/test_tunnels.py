"""WebSockets through the door: who may open one, what passes, and what ends it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from tests.bff.agent import SESSION_COOKIE, run_agent
from tests.bff.backchannel import send
from tests.bff.dataplane.door import Door, open_door
from tests.bff.dataplane.test_limits import SHORT
from tests.fakes.issuer import FakeIssuer
from tests.fakes.raw_upstream import UpstreamConnection
from tests.fakes.redis_servers import RedisServers
from tests.fakes.waiting import until

HANDSHAKE = (
    "Connection: keep-alive, Upgrade",
    "Upgrade: WebSocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)


@asynccontextmanager
async def echoing_sockets() -> AsyncIterator[str]:
    """A service that sends back every message; `bye` closes."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("chat.v2",), max_msg_size=2**26)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.data == "bye":
                await socket.close(code=4001, message=b"bye")
            else:
                await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/api/socket", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def socket_of(url: str, cookie: str, **options: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Cookie": f"{SESSION_COOKIE}={cookie}", **options}
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(
            f"{url}/api/socket", headers=headers, origin=url, protocols=("chat.v1", "chat.v2"), max_msg_size=0
        ) as socket,
    ):
        yield socket


async def test_messages_pass_both_ways_whatever_their_size() -> None:
    async with echoing_sockets() as service, open_door("protocols", BACKEND=service) as door:
        async with socket_of(door.agent.url, door.cookie) as socket:
            for size in (0, 1, 125, 126, 65_535, 65_536, 5_000_000):
                await socket.send_bytes(bytes(size))
                assert len((await socket.receive()).data) == size
            await socket.send_str("héllo")
            assert (await socket.receive()).data == "héllo"
            await socket.send_str("bye")
            end = await socket.receive()

        assert socket.protocol == "chat.v2"
        assert (end.type, end.data, end.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "bye")
        await until(lambda: door.agent.parts.sessions.live.sessions() == [])


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(("Origin: http://evil.example",), id="another"),
        pytest.param(("Origin: null",), id="null"),
        pytest.param((), id="none"),
        pytest.param(("Origin: http://evil.example", "X-CSRF: 1"), id="another with X-CSRF"),
        pytest.param(("Origin: http://evil.example", "Sec-Fetch-Site: same-origin"), id="forged metadata"),
    ],
)
async def test_a_websocket_of_another_origin_is_refused(origin: tuple[str, ...]) -> None:
    """Browsers let every page open one to every host, with its cookies and without a preflight."""
    async with open_door("protocols") as door:
        raw = door.head("GET /api/socket", *HANDSHAKE, *origin).replace(b"X-CSRF: 1\r\n", b"", 1)
        answer = await door.ask(raw)

        assert answer.status == 403
        assert door.upstream.received == b""


async def test_a_websocket_without_a_session_is_refused() -> None:
    async with open_door("protocols") as door:
        fields = (*HANDSHAKE, f"Origin: {door.agent.url}")

        assert (await door.ask(door.head("GET /api/x", *fields, cookie="nobody"))).status == 401
        assert door.upstream.received == b""


async def test_the_handshake_goes_up_with_a_bearer_and_without_a_cookie() -> None:
    async def switch(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(SWITCH + b"Set-Cookie: doorward_session=planted\r\n\r\nfirst")
        await connection.up_to(b"second")
        connection.send(b"third")

    async with open_door("protocols", switch) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x", *HANDSHAKE, f"Origin: {door.agent.url}"))
        head = await client.up_to(b"\r\n\r\n")
        assert await client.up_to(b"first")
        client.send(b"second")
        await client.up_to(b"third")

        [seen] = door.upstream.heads
        assert seen.value("Upgrade").lower() == "websocket"
        assert seen.value("Connection").lower() == "upgrade"
        assert seen.value("Authorization").startswith("Bearer ")
        assert (seen.values("Cookie"), seen.values("Sec-WebSocket-Version")) == ([], ["13"])
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"planted" not in head


async def test_bytes_sent_before_the_switch_are_passed_on_or_end_the_connection() -> None:
    """A client that does not wait for the 101 breaks RFC 6455 4.1, but it must not hang for ever."""

    async def switch(connection: UpstreamConnection) -> None:
        await connection.head()
        await asyncio.sleep(0.02)
        connection.send(SWITCH + b"\r\n")
        await connection.up_to(b"early")
        connection.close()

    async with open_door("protocols", switch) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x", *HANDSHAKE, f"Origin: {door.agent.url}") + b"early")

        await client.ended()
        assert len(door.upstream.heads) == 1


async def test_a_switch_to_something_else_is_refused() -> None:
    async def switch(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        await connection.is_closed.wait()

    async with open_door("protocols", switch) as door:
        answer = await door.ask(door.head("GET /api/x", *HANDSHAKE, f"Origin: {door.agent.url}"))

        assert answer.status == 502


@asynccontextmanager
async def open_tunnel(door: Door) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with socket_of(door.agent.url, door.cookie) as socket:
        await socket.send_str("hello")
        assert (await socket.receive()).data == "hello"
        yield socket


async def test_an_idle_websocket_lives_on() -> None:
    async with (
        echoing_sockets() as service,
        open_door("protocols", limits=SHORT, BACKEND=service) as door,
        open_tunnel(door) as socket,
    ):
        await asyncio.sleep(0.6)
        await socket.send_str("still there")

        assert (await socket.receive()).data == "still there"


@pytest.mark.parametrize("leaves", ["client", "service"])
async def test_when_one_end_leaves_the_other_is_told_within_a_second(leaves: str) -> None:
    async def switch(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(SWITCH + b"\r\nlast words")
        if leaves == "service":
            connection.close()
        await connection.is_closed.wait()

    async with open_door("protocols", switch) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x", *HANDSHAKE, f"Origin: {door.agent.url}"))
        await client.up_to(b"last words")
        if leaves == "client":
            client.close()
            await until(lambda: door.upstream.open_connections() == 0, time_s=1)
        else:
            await client.ended(1)
        await until(lambda: door.agent.parts.sessions.live.sessions() == [])


async def test_a_logout_ends_the_websocket_within_a_second() -> None:
    async with echoing_sockets() as service, open_door("protocols", BACKEND=service) as door:
        async with open_tunnel(door) as socket:
            browser = await door.agent.browser(**{SESSION_COOKIE: door.cookie})
            await browser.call("POST", "/logout")
            async with asyncio.timeout(1):
                end = await socket.receive()

        assert end.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}


async def test_a_backchannel_logout_at_another_agent_ends_the_websocket_within_a_second(
    redis_servers: RedisServers,
) -> None:
    shared = {
        "SESSION_STORE": redis_servers.standalone().url,
        "COOKIE_KEY": base64.b64encode(bytes(range(32))).decode(),
        "DATA_PLANE": "protocols",
    }
    async with (
        FakeIssuer.start() as issuer,
        echoing_sockets() as service,
        run_agent(issuer, BACKEND=service, **shared) as one,
        run_agent(issuer, BACKEND=service, **shared) as other,
    ):
        cookie = (await one.signed_in()).session_cookie or ""
        async with socket_of(one.url, cookie) as socket:
            await socket.send_str("hello")
            await socket.receive()
            told = await send(await other.browser(), issuer.logout_token(sub="alice"))
            async with asyncio.timeout(1):
                end = await socket.receive()

        assert told.status_code == 200
        assert end.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}


async def test_the_form_over_aiohttp_refuses_websockets_with_a_reason() -> None:
    async with open_door("aiohttp") as door:
        answer = await door.ask(door.head("GET /api/x", *HANDSHAKE, f"Origin: {door.agent.url}"))

        assert answer.status == 501
        assert door.upstream.received == b""
