"""The real demo: every part started, greeted, stopped; and nothing left behind, however it ends."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.deploy.caddy_door import ROOT, free_port

pytestmark = [
    pytest.mark.caddy,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

GREETED = b"Ctrl-C stops everything"
WITHIN_S = 60


@dataclass
class Run:
    process: asyncio.subprocess.Process
    said: str = ""
    parts: tuple[int, ...] = ()

    async def greeted(self) -> None:
        await self.said_so_far(GREETED)

    async def said_so_far(self, end: bytes) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        try:
            async with asyncio.timeout(WITHIN_S):
                self.said += (await stdout.readuntil(end)).decode()
        except asyncio.IncompleteReadError as error:
            pytest.fail(f"it ended early: {error.partial.decode()}")
        self.parts = children(self.process.pid)

    async def ended(self) -> int:
        async with asyncio.timeout(WITHIN_S):
            rest, _ = await self.process.communicate()
        self.said += rest.decode()
        assert self.process.returncode is not None
        return self.process.returncode

    async def parts_gone(self) -> None:
        """Fails when one is still there after a while: the end of a killed process takes a moment."""
        async with asyncio.timeout(WITHIN_S):
            while any(is_running(part) for part in self.parts):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.02)


@asynccontextmanager
async def demo(data: Path, port: int, stdin: int = asyncio.subprocess.DEVNULL) -> AsyncIterator[Run]:
    console = data.parent / "console"
    console.mkdir(exist_ok=True)
    (console / "index.html").write_text("<title>console</title>")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.demo", "--data", data, "--console", console),
        cwd=ROOT,
        env=os.environ | {"PORT": str(port)},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Run(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def children(parent: int) -> tuple[int, ...]:
    return tuple(int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split())


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def passwords(said: str) -> list[str]:
    return re.findall(r"[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}", said)


async def test_it_starts_greets_and_ctrl_c_stops_everything(tmp_path: Path) -> None:
    data, port = tmp_path / "demo", free_port()
    async with demo(data, port) as run:
        await run.greeted()
        url = f"http://localhost:{port}"
        assert len(run.parts) == 5
        assert all(word in run.said for word in (url, "alice", "bob", "admin", "/api/v1/users/me"))
        assert f"doorward login --server {url}" in run.said
        assert len(passwords(run.said)) == 3
        for secret in (*passwords(run.said), *(path.read_text() for path in (data / "secrets").iterdir())):
            assert not any(secret in command(part) for part in run.parts)
        async with aiohttp.ClientSession() as browser, browser.get(f"{url}/session") as session:
            assert (await session.json())["logged_in"] is False

        async with demo(data, port) as second:
            assert await second.ended() == 1
        async with demo(tmp_path / "other", port) as third:
            assert await third.ended() == 1

        run.process.send_signal(signal.SIGINT)
        assert await run.ended() == 0

    assert f"already runs in {data} ({url}, process {run.process.pid})" in second.said
    assert f"Port {port} is taken" in third.said
    assert "Traceback" not in run.said + second.said + third.said
    assert not any(is_running(part) for part in run.parts)


async def test_it_keeps_addresses_and_passwords_and_dies_without_orphans(tmp_path: Path) -> None:
    """Three ends in one test, since each needs a whole demo: a closed terminal, a dead part, kill -9."""
    data, port = tmp_path / "demo", free_port()
    terminal, its_other_end = os.openpty()
    async with demo(data, port, stdin=its_other_end) as first:
        os.close(its_other_end)
        await first.greeted()
        os.close(terminal)
        assert await first.ended() == 0
        assert not any(is_running(part) for part in first.parts)

    async with demo(data, port) as second:
        await second.greeted()
        assert passwords(second.said) == passwords(first.said)
        assert provider(second.said) == provider(first.said)
        os.kill(next(part for part in second.parts if "apiserver" in command(part)), signal.SIGKILL)
        assert await second.ended() == 1
        assert "apiserver ended by itself. The last lines of" in second.said
        assert "demo/logs/apiserver.log" in second.said
        assert '"event":"listening"' in second.said
        assert not any(is_running(part) for part in second.parts)

    async with demo(data, port) as third:
        await third.greeted()
        third.process.kill()
        await third.parts_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_it_can_be_stopped_while_it_starts(tmp_path: Path, number: signal.Signals) -> None:
    async with demo(tmp_path / "demo", free_port()) as run:
        await run.said_so_far(b"provider ")
        run.process.send_signal(number)
        assert await run.ended() == 0

    assert "Everything has stopped." in run.said
    assert "Traceback" not in run.said
    assert not any(is_running(part) for part in run.parts)


def provider(said: str) -> list[str]:
    return re.findall(r"provider +(http://\S+)", said)


async def test_without_a_console_it_says_so(tmp_path: Path) -> None:
    status, said = await refusal(tmp_path, port="8080")

    assert status == 1
    assert "The console is not built" in said


@pytest.mark.parametrize("port", ["http", "-1", "80 80", "\N{ARABIC-INDIC DIGIT THREE}"])
async def test_a_port_that_is_no_number_is_told(tmp_path: Path, port: str) -> None:
    status, said = await refusal(tmp_path, port=port)

    assert status == 1
    assert "it must be a number" in said


async def refusal(folder: Path, port: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.demo", "--data", folder, "--console", folder / "none"),
        cwd=ROOT,
        env=os.environ | {"PORT": port},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()
