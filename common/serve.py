"""Listening and draining: a public and a private listener until SIGTERM, then no new work and a clean end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
import uvloop
from aiohttp import web

from common.env import ListenAddress, SettingsError

DRAIN_TIME_S = 20.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Listener:
    name: str
    address: ListenAddress
    app: web.Application


async def serve_until_stopped(listeners: list[Listener]) -> None:
    """Serve all listeners; at SIGTERM or SIGINT stop accepting, finish running requests, return."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        for listener in listeners:
            await _listen(stack, listener)
        await stopped.wait()
        log.info("draining", seconds=DRAIN_TIME_S)


def make_runner(app: web.Application, drain_time_s: float = DRAIN_TIME_S) -> web.AppRunner:
    """How both servers, and their tests, run an application."""
    return web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=drain_time_s,
        # A client that leaves ends its own request; what must not stop half-way is a task (common.tasks).
        handler_cancellation=True,
        # Bodies are passed on as they come, and nobody makes megabytes here out of kilobytes.
        auto_decompress=False,
    )


async def _listen(stack: AsyncExitStack, listener: Listener) -> None:
    runner = make_runner(listener.app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, listener.address.host, listener.address.port)
    try:
        await site.start()
    except OSError as error:
        host, port = listener.address.host, listener.address.port
        reason = os.strerror(error.errno) if error.errno else "it cannot be bound"
        raise SettingsError(
            [f"The {listener.name} listener {host}:{port}: {reason}. Free it or set another address."]
        ) from error
    log.info("listening", listener=listener.name, host=listener.address.host, port=listener.address.port)


def run_server(main: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run a server's `main`. A wrong configuration ends it with status 2 and a sentence for each fault."""
    try:
        uvloop.run(main())
    except SettingsError as error:
        sys.stderr.write("The configuration cannot be used:\n")
        sys.stderr.writelines(f"  - {fault}\n" for fault in error.faults)
        raise SystemExit(2) from None
