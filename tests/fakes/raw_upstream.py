"""A service behind the door that speaks HTTP byte by byte: what reaches it is kept, its answers scripted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.fakes.raw_connection import (
    EndedError,
    Head,
    RawConnection,
    framing,
    read_head,
    read_sized_or_chunked,
)


@dataclass(frozen=True)
class Request:
    head: Head
    body: bytes


class UpstreamConnection(RawConnection):
    """One connection from the agent."""

    def __init__(self, upstream: "RawUpstream") -> None:
        super().__init__()
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._upstream.began(self)

    async def request(self) -> Request:
        """The next request as a whole. Raises `EndedError` when the agent leaves first."""
        head = await read_head(self)
        self._upstream.heads.append(head)
        request = Request(head, await read_sized_or_chunked(self, framing(head) or 0))
        self._upstream.requests.append(request)
        return request

    async def head(self) -> Head:
        """The head of the next request; its body is left for the script."""
        head = await read_head(self)
        self._upstream.heads.append(head)
        return head


Script = Callable[[UpstreamConnection], Awaitable[None]]


async def echo(connection: UpstreamConnection) -> None:
    """Answers every request with its own body, and with the `X-Id` and the bearer that came along."""
    while True:
        request = await connection.request()
        connection.send(echo_answer(request))


def echo_answer(request: Request) -> bytes:
    names = ("X-Id", "Authorization")
    echoed = "".join(f"Echo-{name}: {value}\r\n" for name in names for value in request.head.values(name))
    head = f"HTTP/1.1 200 OK\r\n{echoed}Content-Length: {len(request.body)}\r\n\r\n".encode()
    return head if request.head.method == "HEAD" else head + request.body


def answering(answer: bytes, *, then_close: bool = False) -> Script:
    """The same bytes for every request."""

    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.request()
            connection.send(answer)
            if then_close:
                connection.close()
                return

    return script


@dataclass
class RawUpstream:
    """`script` is what happens on each connection; `heads` and `requests` are what came, over all of them."""

    url: str = ""
    script: Script = echo
    connections: list[UpstreamConnection] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)
    """What failed in a script: something that the agent sent and no server should see."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def received(self) -> bytes:
        """Every byte that reached this service."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    def open_connections(self) -> int:
        return sum(not connection.is_closed.is_set() for connection in self.connections)

    def began(self, connection: UpstreamConnection) -> None:
        self.connections.append(connection)
        task = asyncio.get_running_loop().create_task(self._run(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, connection: UpstreamConnection) -> None:
        try:
            await self.script(connection)
        except (EndedError, TimeoutError):
            connection.cut()
        except Exception as fault:  # noqa: BLE001 - told to the test, which fails at its end
            self.faults.append(fault)
            connection.cut()

    def forget(self) -> None:
        """What came so far, for tests that let much come."""
        self.heads.clear()
        self.requests.clear()
        for connection in self.connections:
            connection.drop_taken()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self.connections:
            connection.cut()


@asynccontextmanager
async def run_raw_upstream(
    script: Script = echo, *, host: str = "127.0.0.1", unix_path: str | None = None
) -> AsyncIterator[RawUpstream]:
    upstream = RawUpstream(script=script)
    loop = asyncio.get_running_loop()
    if unix_path is None:
        server = await loop.create_server(lambda: UpstreamConnection(upstream), host, 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        upstream.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    else:
        server = await loop.create_unix_server(lambda: UpstreamConnection(upstream), unix_path)
        upstream.url = f"unix:{unix_path}"
    try:
        yield upstream
    finally:
        await upstream.stop()
        server.close()
    if upstream.faults:
        raise upstream.faults[0]
