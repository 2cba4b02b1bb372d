"""`python -m apiserver` as an operator runs it."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.apiserver.server import AUDIENCE, ME, environment
from tests.fakes.issuer import FakeIssuer

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def apiserver(variables: Mapping[str, str], directory: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "apiserver",
        cwd=directory, stdout=PIPE, stderr=PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def has_started(process: Process) -> None:
    """Returns when the log says that the last listener is up."""
    assert process.stdout is not None
    async for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "listening" and event["listener"] == "private":
            return
    raise AssertionError("the server ended before it listened")


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"


async def test_it_serves_until_sigterm_and_ends_clean(tmp_path: Path) -> None:
    async with FakeIssuer.start(audience=AUDIENCE) as issuer:
        public, private = free_address(), free_address()
        variables = environment(issuer.url, Path("doorward.db"), LISTEN=public, PRIVATE_LISTEN=private)
        async with apiserver(variables, tmp_path) as process, aiohttp.ClientSession() as client:
            await has_started(process)
            bearer = {"Authorization": f"Bearer {issuer.access_token()}"}
            async with client.get(f"http://{public}{ME}", headers=bearer) as answer:
                status = answer.status
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                _, errors = await process.communicate()

    assert status == 200
    assert process.returncode == 0
    assert errors == b""
    assert (tmp_path / "doorward.db").exists()


async def test_a_wrong_configuration_does_not_start_and_says_all_that_is_wrong(tmp_path: Path) -> None:
    async with apiserver({"LISTEN": "nowhere"}, tmp_path) as process:
        _, errors = await process.communicate()

    written = errors.decode()
    assert process.returncode == 2
    assert all(
        f"  - {name} " in written for name in ("LISTEN", "OIDC_PROVIDER", "OIDC_AUDIENCE", "DATABASE_URL")
    )
    assert "Traceback" not in written
