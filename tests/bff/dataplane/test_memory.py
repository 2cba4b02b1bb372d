"""The memory of a real process stays flat: over large bodies, over many connections, over leavers."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bff.agent import SESSION_COOKIE
from tests.bff.dataplane.door import PROTOCOLS, DataPlane
from tests.bff.processes import AgentProcess, run_fleet
from tests.fakes.raw_connection import RawConnection
from tests.fakes.raw_upstream import RawUpstream, Script, UpstreamConnection, echo, run_raw_upstream
from tests.raw_client import RawClient, connect

MB = 1024 * 1024
# A stand-in for ten gigabytes that takes seconds: memory that grows with the body shows long before.
# BIG_BODY_MB=10240 for the real thing.
BODY = int(os.environ.get("BIG_BODY_MB", "1024")) * MB
PIECE = bytes(256 * 1024)
MOST_FOR_A_BODY = 16 * MB
CONNECTIONS = 10_000
# Buffers, objects and sockets of one idle connection: measured 2 KB.
MOST_FOR_A_CONNECTION = 5 * 1024


@dataclass
class Running:
    agent: AgentProcess
    upstream: RawUpstream
    cookie: str

    def head(self, line: str, *fields: str) -> bytes:
        own = ["Host: door", f"Cookie: {SESSION_COOKIE}={self.cookie}", "X-CSRF: 1"]
        return "\r\n".join([f"{line} HTTP/1.1", *own, *fields, "", ""]).encode()

    async def connect(self) -> RawClient:
        return await connect(self.agent.url)

    def memory(self) -> int:
        return self._status("VmRSS")

    def most_memory(self) -> int:
        """The highest that it ever was."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.agent.process.pid}/status").read_text(encoding="ascii").splitlines()
        [value] = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
        return int(value) * 1024


@asynccontextmanager
async def running(form: DataPlane, script: Script) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(run_raw_upstream(script))
        fleet = await stack.enter_async_context(
            run_fleet("memory:", 1, BACKEND=upstream.url, DATA_PLANE=form)
        )
        browser = await fleet.signed_in(stack, "alice")
        yield Running(fleet.agents[0], upstream, browser.session_cookie or "")


async def both_ways(connection: UpstreamConnection) -> None:
    """Swallows what is uploaded, then pours out as much."""
    while True:
        head = await connection.head()
        connection.keeps = False
        connection.count = len(connection.unread)
        size = int(head.value("X-Up"))
        await received(connection, size)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY)
        for _ in range(BODY // len(PIECE)):
            await connection.send_all(PIECE)
        connection.keeps = True


async def test_memory_stays_flat_over_large_bodies(data_plane: DataPlane) -> None:
    async with running(data_plane, both_ways) as it:
        client = await it.connect()
        client.send(it.head("POST /api/warm", "X-Up: 4", "Content-Length: 4") + b"warm")
        client.keeps = False
        await received(client, BODY)
        before = it.most_memory()

        client.send(it.head("POST /api/big", f"X-Up: {BODY}", f"Content-Length: {BODY}"))
        client.count = 0
        for _ in range(BODY // len(PIECE)):
            await client.send_all(PIECE)
        await received(client, BODY)
        client.cut()

        grown = it.most_memory() - before
    assert grown < MOST_FOR_A_BODY, f"{grown / MB:.0f} MB more"


async def received(connection: RawConnection, size: int) -> None:
    async with asyncio.timeout(100):
        while connection.count < size:  # noqa: ASYNC110 - counts, and has no event to offer
            await asyncio.sleep(0.01)


async def test_memory_stays_flat_over_an_upload_that_the_service_does_not_read() -> None:
    async def deaf(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.keeps = False
        connection.stop_reading()
        await connection.is_closed.wait()

    async with running(PROTOCOLS, deaf) as it:
        client = await it.connect()
        before = it.memory()
        client.send(it.head("POST /api/x", f"Content-Length: {BODY}"))
        try:
            async with asyncio.timeout(1):
                while True:
                    await client.send_all(PIECE)
        except TimeoutError:
            pass
        grown = it.memory() - before
        # The service first: nobody hears of a client that leaves while nothing is read from it.
        it.upstream.connections[0].cut()
        await client.some()
    assert grown < MOST_FOR_A_BODY


async def test_ten_thousand_idle_connections_cost_little(capsys: pytest.CaptureFixture[str]) -> None:
    count = _connections_that_fit()
    if count < CONNECTIONS:
        with capsys.disabled():
            print(f"\n{count} connections instead of {CONNECTIONS}: RLIMIT_NOFILE is too low here")  # noqa: T201
    async with running(PROTOCOLS, echo) as it, AsyncExitStack() as stack:
        client = await it.connect()
        client.send(it.head("GET /api/x"))
        await client.answer()
        before = it.memory()
        for _ in range(0, count, 100):
            clients = await asyncio.gather(*(it.connect() for _ in range(100)))
            for one in clients:
                stack.callback(one.cut)
                one.send(it.head("GET /api/x"))
            for one in clients:
                assert (await one.answer()).status == 200
        grown = it.memory() - before
        client.send(it.head("GET /api/x", "X-Id: still quick"))
        answer = await client.answer()

    assert answer.head.value("Echo-X-Id") == "still quick"
    assert grown < count * MOST_FOR_A_CONNECTION, f"{grown / count / 1024:.1f} KB each"


def _connections_that_fit() -> int:
    """As many as this process may open, once it has asked for all that it may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(CONNECTIONS, hard - 1000)


async def test_memory_of_clients_that_left_is_used_again(data_plane: DataPlane) -> None:
    """Every request is broken off by its client: what a round leaves behind would show in the next."""

    async def slow(connection: UpstreamConnection) -> None:
        while True:
            await connection.request()
            await asyncio.sleep(0.001)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(50_000))

    async def leave(it: Running) -> None:
        client = await it.connect()
        client.send(it.head("POST /api/x", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n")
        await client.some()
        client.cut()

    async with running(data_plane, slow) as it:
        grown = []
        for _ in range(4):
            before = it.memory()
            for _ in range(10):
                await asyncio.gather(*(leave(it) for _ in range(50)))
            grown.append(it.memory() - before)

    assert min(grown[1:]) < MB


@pytest.mark.parametrize(
    ("fields", "name_bytes"),
    [pytest.param(95, 8, id="many short names"), pytest.param(1, 30_000, id="one long name")],
)
async def test_memory_stays_flat_over_headers_that_are_never_the_same(fields: int, name_bytes: int) -> None:
    """What is remembered of one head for the next is chosen by whoever sends them."""
    async with running(PROTOCOLS, echo) as it:
        clients = [await it.connect() for _ in range(20)]
        before = it.memory()
        for round_number in range(300):
            for number, client in enumerate(clients):
                unique = f"{round_number:x}-{number:x}-"
                names = (f"{unique}{field:x}".ljust(name_bytes, "n") for field in range(fields))
                client.send(it.head("GET /api/x", *(f"{name}: 1" for name in names)))
            for client in clients:
                assert (await client.answer()).status == 200
            it.upstream.forget()
        grown = it.memory() - before
    assert grown < 2 * MOST_FOR_A_BODY, f"{grown / MB:.0f} MB more"
