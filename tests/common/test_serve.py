"""A server as a process: how it starts, refuses to start, and ends without losing what it has begun."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from common.serve import LONGEST_HEADER_BYTES
from tests.common.server import serving

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def tiny_server(address: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.common.tiny_server", address),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_with(process: Process, word: str) -> str:
    """The next line of its output that holds the word."""
    assert process.stdout is not None
    async with asyncio.timeout(10):
        async for line in process.stdout:
            if word in line.decode():
                return line.decode()
    raise AssertionError(f"the process ended without saying {word}")


async def listening_url(process: Process) -> str:
    event: dict[str, Any] = json.loads(await line_with(process, "listening"))
    return f"http://{event['host']}:{event['port']}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_running_request_is_finished_while_no_new_one_is_taken(number: signal.Signals) -> None:
    async with (
        tiny_server("127.0.0.1:0") as process,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
    ):
        url = await listening_url(process)
        running = asyncio.create_task(client.get(f"{url}/slow"))
        await line_with(process, "slow")

        process.send_signal(number)
        await line_with(process, "draining")
        async with httpx.AsyncClient(trust_env=False, verify=False) as newcomer:
            await refused(newcomer, url)
        process.send_signal(signal.SIGUSR1)

        answer = await running
        assert (answer.status_code, answer.text) == (200, "to its end")
        assert await process.wait() == 0


async def refused(client: httpx.AsyncClient, url: str) -> None:
    """Returns when nobody listens any more: closing the listener follows the line in the log."""
    async with asyncio.timeout(5):
        while True:
            try:
                await client.get(f"{url}/nothing")
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                continue  # it was taken just before the end, and dropped


async def test_a_taken_port_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with tiny_server(f"127.0.0.1:{port}") as process:
            _, errors = await process.communicate()

    assert process.returncode == 2
    assert errors.decode() == (
        "The configuration cannot be used:\n"
        f"  - The public listener 127.0.0.1:{port}: Address already in use. Free it or set another address.\n"
    )


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        pytest.param("nowhere", "LISTEN is 'nowhere': write host:port", id="not an address"),
        pytest.param(
            "203.0.113.1:0", "203.0.113.1:0: Cannot assign requested address.", id="not of this machine"
        ),
        pytest.param("a..b:0", "The public listener a..b:0: ", id="no host name"),
    ],
)
async def test_an_address_that_cannot_be_used_is_a_sentence(address: str, sentence: str) -> None:
    async with tiny_server(address) as process:
        _, errors = await process.communicate()

    assert process.returncode == 2
    assert sentence in errors.decode()
    assert "Traceback" not in errors.decode()
    assert "Unknown error" not in errors.decode()


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_a_request_that_cannot_be_read_is_refused_without_being_quoted() -> None:
    app = web.Application()
    app.router.add_get("/", hello)
    cookie = "doorward_session=the-hidden-cookie; filler=" + "x" * LONGEST_HEADER_BYTES

    async with serving(app) as client:
        too_long = await client.get("/", headers={"Cookie": cookie})
        odd = await client.get("/", headers={"Cookie": "doorward_session=the-hidden-cookie\x01"})

    for answer in (too_long, odd):
        assert answer.status_code == 400
        assert answer.json()["code"] == "bad_request"
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
        assert "the-hidden-cookie" not in answer.text


async def test_the_cookies_of_sixty_tabs_are_read() -> None:
    app = web.Application()
    app.router.add_get("/", hello)

    async with serving(app) as client:
        answer = await client.get("/", headers={"Cookie": "; ".join(["name=" + "x" * 370] * 60)})

    assert answer.status_code == 200
