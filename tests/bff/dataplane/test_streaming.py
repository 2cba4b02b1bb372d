"""Streams in both directions: nothing is held back, nothing piles up, and who leaves is noticed."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from tests.bff.dataplane.door import DataPlane, Door, open_door
from tests.fakes.raw_connection import EndedError
from tests.fakes.raw_upstream import Script, UpstreamConnection, echo
from tests.fakes.waiting import until
from tests.raw_client import RawClient

CHUNKED = "Transfer-Encoding: chunked"
PIECE = bytes(64 * 1024)
# What may stand between one end that sends and another that does not read: buffers of two connections in
# the system (a few MB each on loopback), and a little in the agent.
MOST_IN_BETWEEN = 32 * 1024 * 1024
WITHIN_S = 1.0


async def sent_until_stuck(send: Callable[[bytes], Awaitable[None]], *, most: int) -> int:
    """How many bytes go away before half a second passes in which nothing does."""
    sent = 0
    try:
        while sent < most:
            async with asyncio.timeout(0.5):
                await send(PIECE)
            sent += len(PIECE)
    except TimeoutError:
        pass
    return sent


async def test_an_upload_waits_for_an_upstream_that_does_not_read(data_plane: DataPlane) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.keeps = False
        connection.stop_reading()
        await connection.is_closed.wait()

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", f"Content-Length: {10**10}") + PIECE)
        await until(lambda: door.upstream.heads != [])

        sent = await sent_until_stuck(client.send_all, most=2 * MOST_IN_BETWEEN)

        assert sent < MOST_IN_BETWEEN
        door.upstream.connections[0].read_again()
        again = await sent_until_stuck(client.send_all, most=MOST_IN_BETWEEN)
        assert again >= MOST_IN_BETWEEN, "it goes on when the upstream reads again"


async def test_a_download_waits_for_a_client_that_does_not_read(data_plane: DataPlane) -> None:
    sent: list[int] = []

    async def script(connection: UpstreamConnection) -> None:
        await connection.request()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {10**10}\r\n\r\n".encode())
        sent.append(await sent_until_stuck(connection.send_all, most=2 * MOST_IN_BETWEEN))
        sent.append(await sent_until_stuck(connection.send_all, most=MOST_IN_BETWEEN))

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x"))
        await client.up_to(b"\r\n\r\n")
        client.keeps = False
        client.stop_reading()
        await until(lambda: len(sent) == 1)
        client.read_again()
        await until(lambda: len(sent) == 2)

        assert sent[0] < MOST_IN_BETWEEN
        assert sent[1] >= MOST_IN_BETWEEN


async def test_a_client_that_sends_requests_and_reads_no_answers_is_held_up(data_plane: DataPlane) -> None:
    """Pipelined requests for large answers: each would cost memory until the client reads."""
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000)

    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.request()
            await connection.send_all(big)

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.stop_reading()
        client.send(door.head("GET /api/x") * 200)

        await asyncio.sleep(0.5)
        assert len(door.upstream.requests) < 50
        client.read_again()
        for _ in range(200):
            assert len((await client.answer()).body) == 1_000_000


async def test_event_streams_are_not_held_back(data_plane: DataPlane) -> None:
    """Each event arrives before the next is sent."""
    go_on = asyncio.Event()

    async def script(connection: UpstreamConnection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        connection.send(b"Transfer-Encoding: chunked\r\n\r\n")
        for n in range(10):
            await go_on.wait()
            go_on.clear()
            connection.send(b"9\r\ndata: %d\n\n\r\n" % n)

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head("GET /api/events"))
        await client.up_to(b"\r\n\r\n")
        for n in range(10):
            go_on.set()
            assert await client.up_to(b"data: %d\n\n" % n)


async def test_an_upload_is_not_held_back(data_plane: DataPlane) -> None:
    """Each piece is with the service before the next is sent."""

    async def script(connection: UpstreamConnection) -> None:
        await connection.head()
        for n in range(10):
            await connection.up_to(b"piece %d" % n)
            arrived.set()
        await connection.up_to(b"0\r\n\r\n")
        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    arrived = asyncio.Event()
    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", CHUNKED))
        for n in range(10):
            client.send(b"7\r\npiece %d\r\n" % n)
            async with asyncio.timeout(2):
                await arrived.wait()
            arrived.clear()
        client.send(b"0\r\n\r\n")

        assert (await client.answer()).status == 204


async def test_both_directions_at_once(data_plane: DataPlane) -> None:
    """The answer streams while the request still does."""

    async def script(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n in range(10):
            await connection.up_to(b"ping %d" % n)
            connection.send(b"6\r\npong %d\r\n" % n)
        await connection.up_to(b"0\r\n\r\n")
        connection.send(b"0\r\n\r\n")

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", CHUNKED))
        await client.up_to(b"\r\n\r\n")
        for n in range(10):
            client.send(b"6\r\nping %d\r\n" % n)
            await client.up_to(b"pong %d" % n)
        client.send(b"0\r\n\r\n")
        await client.up_to(b"0\r\n\r\n")


async def silent(connection: UpstreamConnection) -> None:
    await connection.head()
    await connection.is_closed.wait()


async def begun(connection: UpstreamConnection) -> None:
    await connection.head()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
    await connection.is_closed.wait()


async def pouring(connection: UpstreamConnection) -> None:
    await connection.head()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while not connection.is_closed.is_set():
        await connection.send_all(PIECE)


LEAVING = [
    pytest.param(silent, "GET /api/x", [], b"", id="before the answer"),
    pytest.param(silent, "POST /api/x", ["Content-Length: 1000"], b"half", id="in a sized body"),
    pytest.param(silent, "POST /api/x", [CHUNKED], b"4\r\nhalf\r\n", id="between chunks"),
    pytest.param(begun, "GET /api/x", [], b"", id="in the answer"),
    pytest.param(begun, "POST /api/x", ["Content-Length: 1000"], b"half", id="in both bodies"),
    pytest.param(pouring, "GET /api/x", [], b"", id="in an answer without end"),
]


@pytest.mark.parametrize(("script", "line", "fields", "body"), LEAVING)
@pytest.mark.parametrize("leave", [RawClient.cut, RawClient.close], ids=["reset", "closed"])
async def test_a_client_that_leaves_releases_the_upstream_within_a_second(
    data_plane: DataPlane,
    script: Script,
    line: str,
    fields: list[str],
    body: bytes,
    leave: Callable[[RawClient], None],
) -> None:
    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head(line, *fields) + body)
        await until(lambda: door.upstream.heads != [])

        leave(client)
        await until(lambda: door.upstream.open_connections() == 0, time_s=WITHIN_S)

        assert door.agent.parts.sessions.live.sessions() == []


async def test_a_client_that_stopped_reading_and_left_is_noticed(data_plane: DataPlane) -> None:
    async with open_door(data_plane, pouring) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x"))
        await client.up_to(b"\r\n\r\n")
        client.keeps = False
        client.stop_reading()
        await asyncio.sleep(0.1)
        client.cut()

        await until(lambda: door.upstream.open_connections() == 0, time_s=WITHIN_S)


CUTTING = [
    pytest.param(b"", id="before the head"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="in the head"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", id="in a sized body"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", id="between chunks"),
    pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhalf", id="in a body without length"),
]


@pytest.mark.parametrize("answer", CUTTING)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_upstream_that_breaks_off_is_never_made_to_look_whole(
    data_plane: DataPlane, answer: bytes, method: str
) -> None:
    """By a reset, which is no end of a body either."""

    async def script(connection: UpstreamConnection) -> None:
        request = await connection.request()
        if request.head.target == "/api/sane":
            connection.send(b"HTTP/1.1 200 OK\r\nEcho-X-Id: sane\r\nContent-Length: 4\r\n\r\nbody")
            return
        connection.send(answer)
        await asyncio.sleep(0.02)
        connection.cut()

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head(f"{method} /api/x", *(["Content-Length: 4"] if method == "POST" else [])))
        client.send(b"body" if method == "POST" else b"")

        if b"\r\n\r\n" not in answer:
            assert (await client.answer()).status == 502
        else:
            with pytest.raises(EndedError):
                await client.answer()
        await door.is_sane()


async def test_a_half_sent_upload_is_never_made_to_look_whole(data_plane: DataPlane) -> None:
    """The service sees the connection end, and no last chunk that the client did not send."""
    async with open_door(data_plane, echo) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", CHUNKED) + b"4\r\nhalf\r\n")
        await until(lambda: b"half" in door.upstream.received)
        client.cut()
        await until(lambda: door.upstream.open_connections() == 0, time_s=WITHIN_S)

        assert not door.upstream.received.endswith(b"0\r\n\r\n")
        assert door.upstream.requests == []


async def test_a_logout_ends_uploads_and_downloads_of_its_session_within_a_second(
    data_plane: DataPlane,
) -> None:
    async with open_door(data_plane, begun) as door:
        browser = await door.agent.signed_in()
        down, up = await door.connect(), await door.connect()
        others = await door.connect()
        cookie = browser.session_cookie
        down.send(door.head("GET /api/x", cookie=cookie))
        up.send(door.head("POST /api/x", "Content-Length: 100", cookie=cookie) + b"half")
        others.send(door.head("GET /api/x"))
        await until(lambda: len(door.upstream.heads) == 3)
        await others.up_to(b"begun")

        answer = await browser.call("POST", "/logout")

        assert answer.is_success, answer.text
        await down.ended(WITHIN_S)
        await up.ended(WITHIN_S)
        await until(lambda: door.upstream.open_connections() == 1, time_s=WITHIN_S)
        assert not others.is_closed.is_set()


async def held(door: Door) -> list[RawClient]:
    clients = [await door.connect() for _ in range(20)]
    for client in clients:
        client.send(door.head("GET /api/x"))
    await until(lambda: len(door.upstream.heads) == len(clients))
    return clients


async def test_a_storm_of_clients_that_leave_leaves_nothing_behind(data_plane: DataPlane) -> None:
    async with open_door(data_plane, silent) as door:
        for _ in range(5):
            for client in await held(door):
                client.cut()
            await until(lambda: door.upstream.open_connections() == 0, time_s=WITHIN_S)
            door.upstream.heads.clear()

        assert door.agent.parts.sessions.live.sessions() == []


async def test_half_an_answer_does_not_look_whole_to_a_client_of_http_1_0(data_plane: DataPlane) -> None:
    """The end of the connection would be the end of its answer: so it gets a reset."""

    async def half(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await asyncio.sleep(0.1)
        connection.cut()

    async with open_door(data_plane, half) as door:
        address = urlsplit(door.agent.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(door.head("GET /api/x").replace(b"HTTP/1.1", b"HTTP/1.0"))

        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
