"""Listening and draining: a public and a private listener until SIGTERM, then no new work and a clean end."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
import uvloop
from aiohttp import web

from common.env import ListenAddress, SettingsError
from common.problems import ProblemCode, ProblemError, problem_body
from common.randomness import SystemRandomness
from common.requests import new_request_id
from common.sockets import ask_whether_it_is_there

DRAIN_TIME_S = 20.0
# Sixty tabs that start a login at once leave twenty kilobytes of cookies, until the next request drops them.
LONGEST_HEADER_BYTES = 32 * 1024
_BACKLOG = 1024

log = structlog.get_logger(__name__)


class Front(Protocol):
    """Takes a listener's connections in place of aiohttp's server, which gets those that it hands on."""

    def connection(self, make_handler: Callable[[], asyncio.Protocol], /) -> asyncio.Protocol:
        """The protocol of a new connection; `make_handler` makes one of aiohttp's."""
        ...

    async def drain(self, time_s: float, /) -> None: ...


@dataclass(frozen=True)
class Listener:
    """`ends_with_client`: a request is cancelled when its client leaves, instead of run to its end.

    `shares_port`: further processes may listen at the same address, and the system spreads connections.
    """

    name: str
    address: ListenAddress
    app: web.Application
    ends_with_client: bool = False
    front: Front | None = None
    shares_port: bool = False


async def serve_until_stopped(listeners: list[Listener]) -> None:
    """Serve all listeners; at SIGTERM or SIGINT stop accepting, finish running requests, return."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        for listener in listeners:
            await _listen(stack, listener)
        _quieten_collector()
        await stopped.wait()
        log.info("draining", seconds=DRAIN_TIME_S)


def _quieten_collector() -> None:
    """What was made at the start stays, so the collector need not look at it again and again.

    A request makes a dozen objects and no cycles: the default would look for some after each fifty.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def make_runner(
    app: web.Application, *, ends_with_client: bool = False, drain_time_s: float = DRAIN_TIME_S
) -> web.AppRunner:
    """How both servers, and their tests, run an application."""
    return _Runner(
        app,
        access_log=None,
        shutdown_timeout=drain_time_s,
        # What must not stop half-way is a task (common.tasks).
        handler_cancellation=ends_with_client,
        # Bodies are passed on as they come, and nobody makes megabytes here out of kilobytes.
        auto_decompress=False,
        max_field_size=LONGEST_HEADER_BYTES,
        # Longer than the proxy in front keeps its connections (30 s in our Caddyfile): it closes first.
        keepalive_timeout=75,
    )


class _Handler(web.RequestHandler):
    """aiohttp answers a request that it cannot parse by quoting it, and logs that with the parser's frames.

    A script that made the cookie header too long would so read the cookie that is hidden from it.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if message is None:
            return super().handle_error(request, status, exc, message)
        problem = ProblemError(ProblemCode.BAD_REQUEST, "The request is no HTTP that is read here.")
        request_id = new_request_id(SystemRandomness())
        log.info("unreadable_request", request_id=request_id, status=status, error=type(exc).__name__)
        response = web.Response(
            body=problem_body(problem, request_id),
            status=problem.status,
            content_type="application/problem+json",
            headers={"X-Request-Id": request_id},
        )
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    # aiohttp has no public place to say which class handles a connection; a test holds that this one does.
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            **server._kwargs,  # noqa: SLF001 - see above
        )


async def _listen(stack: AsyncExitStack, listener: Listener) -> None:
    runner = make_runner(listener.app, ends_with_client=listener.ends_with_client)
    host, port = listener.address.host, listener.address.port
    try:
        chosen = await open_listener(
            stack, runner, listener.front, host=host, port=port, reuse_port=listener.shares_port or None
        )
    except (OSError, UnicodeError) as error:
        # The resolver's errors have negative numbers, and a name that cannot be one has none.
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number is not None and number > 0 else "there is no such host"
        raise SettingsError(
            [f"The {listener.name} listener {host}:{port}: {reason}. Free it or set another address."]
        ) from error
    # Port 0 lets the system choose: what it chose is told.
    log.info("listening", listener=listener.name, host=host, port=chosen)


async def open_listener(
    stack: AsyncExitStack,
    runner: web.AppRunner,
    front: Front | None,
    drain_time_s: float = DRAIN_TIME_S,
    **where: Any,  # noqa: ANN401 - passed through
) -> int:
    """Listen until the stack closes; the port. `where` is what `loop.create_server` takes."""
    await runner.setup()
    stack.push_async_callback(_drain, runner, front, drain_time_s)
    make_handler = runner.server
    assert make_handler is not None  # noqa: S101 - there is one after `setup`
    make = make_handler if front is None else lambda: front.connection(make_handler)
    server = await asyncio.get_running_loop().create_server(make, backlog=_BACKLOG, **where)
    # First of all: no new connections. aiohttp's and the front's own are ended by what was pushed before.
    stack.callback(server.close)
    for listening in server.sockets:
        ask_whether_it_is_there(listening)
    return int(server.sockets[0].getsockname()[1])


async def _drain(runner: web.AppRunner, front: Front | None, time_s: float) -> None:
    """Both at once: each may take all of the time."""
    ends = [runner.cleanup()] if front is None else [front.drain(time_s), runner.cleanup()]
    await asyncio.gather(*ends)


def run_server(main: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run a server's `main`; a wrong configuration ends it as `faults_told` says."""
    with faults_told():
        uvloop.run(main())


@contextmanager
def faults_told() -> Iterator[None]:
    """A wrong configuration ends the process with status 2 and a sentence for each fault."""
    try:
        yield
    except SettingsError as error:
        sys.stderr.write("The configuration cannot be used:\n")
        sys.stderr.writelines(f"  - {fault}\n" for fault in error.faults)
        raise SystemExit(2) from None
