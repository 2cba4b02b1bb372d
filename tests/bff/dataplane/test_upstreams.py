"""Connections to the service: stale ones, odd ones, none at all, over IPv6 and over a Unix socket."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from tests.bff.agent import QUICK, run_agent
from tests.bff.dataplane.door import DataPlane, Door, open_door
from tests.fakes.raw_upstream import UpstreamConnection, echo, echo_answer, run_raw_upstream
from tests.fakes.waiting import until
from tests.raw_client import Answer


async def once_per_connection(connection: UpstreamConnection) -> None:
    """Keeps its promise of a kept connection once; then, like a server that was restarted, it is gone."""
    connection.send(echo_answer(await connection.request()))
    await connection.request()
    connection.cut()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_request_on_a_stale_connection_is_sent_once_more(data_plane: DataPlane, method: str) -> None:
    async with open_door(data_plane, once_per_connection) as door:
        await door.ask(door.head("GET /api/first"))
        answer = await door.ask(door.head(f"{method} /api/x", "X-Id: again"), to=method)

        assert answer.status == 200
        assert [request.head.target for request in door.upstream.requests] == [
            "/api/first",
            "/api/x",
            "/api/x",
        ]


async def test_a_post_on_a_stale_connection_is_not_sent_twice(data_plane: DataPlane) -> None:
    """It may have been done: only the client can know whether to do it again."""
    async with open_door(data_plane, once_per_connection) as door:
        await door.ask(door.head("GET /api/first"))
        answer = await door.ask(door.head("POST /api/x", "Content-Length: 4") + b"body")

        assert answer.status == 502
        assert [request.head.method for request in door.upstream.requests] == ["GET", "POST"]


async def test_a_get_is_sent_once_more_and_then_no_more(data_plane: DataPlane) -> None:
    async def script(connection: UpstreamConnection) -> None:
        request = await connection.request()
        if request.head.target == "/api/first":
            connection.send(echo_answer(request))
            await connection.request()
        connection.cut()

    async with open_door(data_plane, script) as door:
        await door.ask(door.head("GET /api/first"))
        answer = await door.ask(door.head("GET /api/x"))

        assert answer.status == 502
        assert len(door.upstream.requests) == 3


async def test_a_request_that_was_answered_in_part_is_not_sent_again(data_plane: DataPlane) -> None:
    async def script(connection: UpstreamConnection) -> None:
        connection.send(echo_answer(await connection.request()))
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nConte")
        await asyncio.sleep(0.01)
        connection.cut()

    async with open_door(data_plane, script) as door:
        await door.ask(door.head("GET /api/first"))
        answer = await door.ask(door.head("GET /api/x"))

        assert answer.status == 502
        assert len(door.upstream.requests) == 2


@pytest.mark.parametrize("ended", ["closed", "reset"])
async def test_an_upstream_that_closed_while_nobody_asked_costs_nobody_anything(
    data_plane: DataPlane, ended: str
) -> None:
    async with open_door(data_plane) as door:
        await door.ask(door.head("GET /api/x"))
        connection = door.upstream.connections[0]
        (connection.close if ended == "closed" else connection.cut)()
        await asyncio.sleep(0.02)
        answer = await door.ask(door.head("POST /api/x", "Content-Length: 4") + b"body")

        assert answer.body == b"body"


async def test_bytes_on_a_connection_that_nobody_uses_are_given_to_nobody(data_plane: DataPlane) -> None:
    """Response queue poisoning: the next request would get what was said before it was asked."""
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned"
    async with open_door(data_plane) as door:
        await door.ask(door.head("GET /api/x"))
        connection = door.upstream.connections[0]
        connection.send(poison)
        await until(connection.is_closed.is_set)

        await door.is_sane()


async def test_a_flood_on_a_connection_that_nobody_uses_is_cut_off(data_plane: DataPlane) -> None:
    async with open_door(data_plane) as door:
        await door.ask(door.head("GET /api/x"))
        connection = door.upstream.connections[0]
        connection.send(bytes(1_000_000))

        await until(connection.is_closed.is_set)


async def test_each_session_goes_up_with_its_own_bearer_on_the_same_connection(door: Door) -> None:
    bob = await door.agent.signed_in("bob")

    async def ask(cookie: str | None) -> Answer:
        return await door.ask(door.head("GET /api/x", cookie=cookie))

    one, other, again = await ask(None), await ask(bob.session_cookie), await ask(None)
    nobody = await ask("nobody")

    assert len(door.upstream.connections) == 1
    assert one.head.value("Echo-Authorization") == again.head.value("Echo-Authorization")
    assert one.head.value("Echo-Authorization") != other.head.value("Echo-Authorization")
    assert nobody.status == 401


async def test_nobody_there_is_a_502_that_says_so(data_plane: DataPlane) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with open_door(data_plane, BACKEND=f"http://127.0.0.1:{closed.getsockname()[1]}") as door:
            client = await door.connect()
            for _ in range(2):
                client.send(door.head("GET /api/x", "Accept: application/json"))
                answer = await client.answer()
                assert answer.status == 502
                assert b'"upstream_unavailable"' in answer.body
                if answer.head.values("Connection") == ["close"]:
                    client = await door.connect()


async def test_a_name_that_no_resolver_knows_is_a_502(data_plane: DataPlane) -> None:
    async with open_door(data_plane, BACKEND="http://nobody.invalid:80") as door:
        assert (await door.ask(door.head("GET /api/x"))).status == 502


async def test_a_service_on_ipv6(data_plane: DataPlane) -> None:
    async with run_raw_upstream(host="::1") as upstream, open_door(data_plane, BACKEND=upstream.url) as door:
        answer = await door.ask(door.head("POST /api/x", "Content-Length: 4") + b"body")

        assert answer.body == b"body"
        assert upstream.requests[0].head.value("Host") == upstream.url.removeprefix("http://")


async def test_the_service_sees_its_own_name_and_who_asks(door: Door) -> None:
    await door.ask(door.head("GET /api/x?y=1"))

    head = door.upstream.requests[0].head
    assert head.target == "/api/x?y=1"
    assert head.value("Host") == door.upstream.url.removeprefix("http://")
    assert head.value("X-Forwarded-Host") == door.authority
    assert head.value("X-Forwarded-Proto") == "http"
    assert head.value("X-Forwarded-For") == "127.0.0.1"
    assert head.value("Authorization").startswith("Bearer ")
    assert head.values("Cookie") == []


async def test_a_service_on_a_socket_in_the_file_system(data_plane: DataPlane, tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    path = tmp_path / "service.sock"
    routes.write_text(f'[[route]]\nprefix = "/api/"\nupstream = "unix:{path}"\n', encoding="utf-8")
    async with (
        run_raw_upstream(echo, unix_path=str(path)) as upstream,
        run_agent(DATA_PLANE=data_plane, BACKEND="", ROUTES=str(routes)) as agent,
    ):
        browser = await agent.signed_in()
        answer = await browser.call("GET", "/api/x")

        assert answer.status_code == 200
        assert len(upstream.requests) == 1


async def test_our_own_full_queue_is_no_fault_of_the_upstream() -> None:
    """Two requests fill what one upstream may have; the refusal of a third takes none of them out."""
    limits = replace(QUICK, upstream_connections=1, upstream_waiters=0)
    gate = asyncio.Event()

    async def gated(connection: UpstreamConnection) -> None:
        await connection.head()
        await gate.wait()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with open_door("protocols", gated, limits) as door:
        first = await door.connect()
        first.send(door.head("GET /api/x"))
        await until(lambda: len(door.upstream.heads) == 1)

        with capture_logs() as lines:
            refused = await door.ask(door.head("GET /api/x"))
        gate.set()

        assert refused.status == 502
        assert "upstream_out" not in {line["event"] for line in lines}


def asks_after(local_port: int, remote_port: int) -> bool:
    """Whether the system will ask the other side of this connection if it is still there (timer 2)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, _, timer, *_ = line.split()
        if (int(local.split(":")[1], 16), int(remote.split(":")[1], 16)) == (local_port, remote_port):
            return timer.startswith("02:")
    return False


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells of its timers")
async def test_silent_streams_are_asked_whether_they_are_still_there() -> None:
    """On both sides: a machine that lost its power says no goodbye."""

    async def stream(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await connection.is_closed.wait()

    async with open_door("protocols", stream) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x"))
        await client.up_to(b"data: 1")
        agent_port = urlsplit(door.agent.url).port or 0
        service = door.upstream.connections[0].transport

        assert asks_after(agent_port, client.transport.get_extra_info("sockname")[1])
        assert asks_after(service.get_extra_info("peername")[1], service.get_extra_info("sockname")[1])
