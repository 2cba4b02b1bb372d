"""Whoever is slow, or large, or many, is ended in time and at little cost; whoever is not, is not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bff.proxy.limits import Limits
from tests.bff.agent import QUICK
from tests.bff.dataplane.door import PROTOCOLS, DataPlane, Door, open_door
from tests.fakes.raw_connection import EndedError
from tests.fakes.raw_upstream import UpstreamConnection
from tests.fakes.waiting import until
from tests.raw_client import RawClient

SHORT = replace(
    QUICK,
    sweep_interval_s=0.02,
    head_time_s=0.3,
    keep_alive_s=0.3,
    body_time_s=0.3,
    body_bytes_a_second=1000,
    unread_time_s=0.3,
    linger_time_s=0.3,
    upstream_idle_s=0.3,
)
# Tests of PROTOCOLS alone: aiohttp's server has no times of its own for heads, bodies and readers.


async def drip(client: RawClient, data: bytes, pause_s: float = 0.05) -> None:
    """A byte at a time, until the other side has had enough."""
    for byte in data:
        if client.transport.is_closing():
            return
        client.send(bytes([byte]))
        await asyncio.sleep(pause_s)


async def dripping(client: RawClient, data: bytes, wait: Callable[[], Awaitable[object]]) -> object:
    task = asyncio.create_task(drip(client, data))
    try:
        return await wait()
    finally:
        task.cancel()


async def test_slow_loris_in_the_head_is_ended() -> None:
    async with open_door(PROTOCOLS, limits=SHORT) as door:
        client = await door.connect()
        raw = door.head("GET /api/x", "X-Slow: " + "a" * 1000)

        await dripping(client, raw, client.is_closed.wait)

        assert client.received.startswith(b"HTTP/1.1 408 ")
        assert door.upstream.heads == []


async def test_slow_loris_in_the_second_head_is_ended() -> None:
    async with open_door(PROTOCOLS, limits=replace(SHORT, keep_alive_s=60)) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x"))
        await client.answer()

        await dripping(client, door.head("GET /api/x", "X-Slow: " + "a" * 1000), client.is_closed.wait)

        assert client.unread.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with open_door(PROTOCOLS, limits=SHORT) as door:
        client = await door.connect()

        assert await client.rest() == b""


async def test_a_kept_connection_that_says_nothing_is_closed() -> None:
    async with open_door(PROTOCOLS, limits=SHORT) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x"))
        await client.answer()

        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("field", "start"), [("Content-Length: 1000", b""), ("Transfer-Encoding: chunked", b"3e8\r\n")]
)
async def test_slow_loris_in_the_body_is_ended_and_the_upstream_released(field: str, start: bytes) -> None:
    """A byte now and then is no progress."""

    async def silent(connection: UpstreamConnection) -> None:
        await connection.head()
        await connection.is_closed.wait()

    async with open_door(PROTOCOLS, silent, SHORT) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", field) + start)

        answer = await dripping(client, b"a" * 1000, client.answer)

        assert getattr(answer, "status", None) == 408
        await until(lambda: door.upstream.open_connections() == 0)


async def test_a_body_that_comes_slowly_but_steadily_may_take_its_time() -> None:
    """Thrice as fast as what is asked for, and longer than the time that silence may last."""
    async with open_door(PROTOCOLS, limits=SHORT) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", "Content-Length: 3000"))
        for _ in range(30):
            client.send(b"a" * 100)
            await asyncio.sleep(0.03)

        assert len((await client.answer()).body) == 3000


async def pouring(connection: UpstreamConnection) -> None:
    await connection.head()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(1600):
        await connection.send_all(bytes(62_500))


async def test_a_client_that_does_not_read_is_ended_and_the_upstream_released() -> None:
    async with open_door(PROTOCOLS, pouring, SHORT) as door:
        client = await door.connect(receive_buffer=4096)
        client.send(door.head("GET /api/x"))
        await client.up_to(b"\r\n\r\n")
        client.stop_reading()

        await until(lambda: door.upstream.open_connections() == 0, time_s=3)
        client.read_again()
        with pytest.raises(EndedError):
            await client.exactly(100_000_000)


async def test_a_client_that_reads_slowly_but_steadily_may_take_its_time() -> None:
    """What the system holds for it takes longer to be read than silence may last."""
    async with open_door(PROTOCOLS, pouring, SHORT) as door:
        client = await door.connect(receive_buffer=65536)
        client.keeps, client.reads_piecewise = False, True
        client.send(door.head("GET /api/x"))
        for _ in range(40):
            before = client.count
            client.read_again()
            await until(lambda before=before: client.count > before)  # type: ignore[misc]
            await asyncio.sleep(0.02)

        assert door.upstream.open_connections() == 1


async def test_a_kept_answer_of_an_event_stream_may_be_silent_for_longer_than_any_limit() -> None:
    async def stream(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await asyncio.sleep(1)
        connection.send(b"data: 2\n\n")
        connection.close()

    async with open_door(PROTOCOLS, stream, SHORT) as door:
        answer = await door.ask(door.head("GET /api/events"))

        assert answer.body == b"data: 1\n\ndata: 2\n\n"


async def test_an_upstream_connection_that_nobody_uses_is_closed_before_its_server_closes_it(
    data_plane: DataPlane,
) -> None:
    async with open_door(data_plane, limits=SHORT) as door:
        await door.ask(door.head("GET /api/x"))
        assert door.upstream.open_connections() == 1

        await until(lambda: door.upstream.open_connections() == 0, time_s=2)


async def slow_answers(tmp_door: Door) -> int:
    return (await tmp_door.ask(tmp_door.head("GET /api/x"))).status


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-Half: "])
async def test_an_upstream_that_does_not_answer_in_time_is_a_504(
    data_plane: DataPlane, said: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def silent(connection: UpstreamConnection) -> None:
        await connection.request()
        connection.send(said)
        await connection.is_closed.wait()

    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    async with open_door(data_plane, silent) as model:
        routes.write_text(
            f'[[route]]\nprefix = "/api/"\nupstream = "{model.upstream.url}"\nanswer_timeout = "1s"\n',
            encoding="utf-8",
        )
        async with open_door(data_plane, limits=SHORT, BACKEND="", ROUTES=str(routes)) as door:
            assert await slow_answers(door) == 504
        await until(lambda: model.upstream.open_connections() == 0)


async def test_an_answer_of_interim_answers_without_end_is_ended(data_plane: DataPlane) -> None:
    async def storm(connection: UpstreamConnection) -> None:
        await connection.request()
        while True:
            await connection.send_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    async with open_door(data_plane, storm) as door:
        assert (await door.ask(door.head("GET /api/x"))).status == 502
        await until(lambda: door.upstream.open_connections() == 0)


async def test_a_head_that_is_just_short_enough_passes_and_one_more_byte_does_not(
    data_plane: DataPlane,
) -> None:
    async with open_door(data_plane, limits=SHORT) as door:
        short = len(door.head("GET /api/x", "X-Long: "))
        fits = door.head("GET /api/x", "X-Long: " + "a" * (30_000 - short))
        too_long = door.head("GET /api/x", "X-Long: " + "a" * (40_000 - short))

        assert (await door.ask(fits)).status == 200
        assert (await door.ask(too_long)).status in {400, 431}


async def test_a_hundred_headers_pass_and_more_do_not() -> None:
    async with open_door(PROTOCOLS) as door:
        own = door.head("GET /api/x").count(b"\r\n") - 2
        fits = door.head("GET /api/x", *["X-A: 1"] * (100 - own))
        too_many = door.head("GET /api/x", *["X-A: 1"] * (101 - own))

        assert (await door.ask(fits)).status == 200
        assert (await door.ask(too_many)).status == 431


async def test_connections_beyond_the_limit_are_closed_and_the_others_served() -> None:
    async with open_door(PROTOCOLS, limits=replace(QUICK, connections=10)) as door:
        await asyncio.sleep(
            4 * QUICK.sweep_interval_s
        )  # the login's own count until they are seen to be closed
        clients = [await door.connect() for _ in range(10)]
        await asyncio.sleep(0.05)
        one_more = await door.connect()
        one_more.send(door.head("GET /api/x"))
        try:
            refused = await one_more.rest()
        except ConnectionResetError:
            refused = b""
        clients[3].send(door.head("GET /api/x"))

        assert refused == b""
        assert (await clients[3].answer()).status == 200


async def test_requests_beyond_the_upstreams_limit_wait_for_their_turn(data_plane: DataPlane) -> None:
    limits: Limits = replace(QUICK, upstream_connections=3)
    async with open_door(data_plane, limits=limits) as door:

        async def ask(n: int) -> str:
            return (await door.ask(door.head("GET /api/x", f"X-Id: {n}"))).head.value("Echo-X-Id")

        assert await asyncio.gather(*(ask(n) for n in range(60))) == [str(n) for n in range(60)]
        assert len(door.upstream.connections) <= 3


async def test_requests_beyond_the_queue_are_refused_and_the_queue_moves_on(data_plane: DataPlane) -> None:
    gate = asyncio.Event()

    async def gated(connection: UpstreamConnection) -> None:
        await connection.request()
        await gate.wait()
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    limits = replace(QUICK, upstream_connections=2, upstream_waiters=3)
    async with open_door(data_plane, gated, limits) as door:
        asked = [asyncio.create_task(door.ask(door.head("GET /api/x"))) for _ in range(8)]
        await until(lambda: sum(task.done() for task in asked) == 3)
        refused = {task.result().status for task in asked if task.done()}
        gate.set()
        statuses = sorted([(await task).status for task in asked])

        assert refused <= {502, 503}
        assert statuses.count(200) == 5


async def test_waiters_that_leave_give_their_place_to_others(data_plane: DataPlane) -> None:
    gate = asyncio.Event()

    async def gated(connection: UpstreamConnection) -> None:
        while True:
            await connection.request()
            await gate.wait()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with open_door(data_plane, gated, replace(QUICK, upstream_connections=1)) as door:
        first = asyncio.create_task(door.ask(door.head("GET /api/first")))
        await until(lambda: len(door.upstream.requests) == 1)
        leavers = [await door.connect() for _ in range(20)]
        for leaver in leavers:
            leaver.send(door.head("GET /api/left"))
        await asyncio.sleep(0.05)
        last = asyncio.create_task(door.ask(door.head("GET /api/last")))
        await asyncio.sleep(0.05)
        for leaver in leavers:
            leaver.cut()
        await asyncio.sleep(0.05)
        gate.set()

        assert ((await first).status, (await last).status) == (200, 200)
        targets = [request.head.target for request in door.upstream.requests]
        assert targets == ["/api/first", "/api/last"]
