"""Starting what is measured and what measures it: each on its core, each stopped again."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_STARTED_WITHIN_S = 20.0
_STOPPED_WITHIN_S = 10.0
_HANDED_ON = ("PATH", "LANG", "LC_ALL", "TZ")


class BenchError(Exception):
    """Something that is needed did not start or did not answer; a sentence."""


@dataclass(frozen=True)
class Cores:
    """One core for what is measured and another for all that measures; None where there is one only."""

    server: int | None
    load: int | None

    @classmethod
    def of_this_machine(cls) -> "Cores":
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2 or shutil.which("taskset") is None:  # noqa: PLR2004 - one for each side
            return cls(None, None)
        return cls(usable[0], usable[1])


@dataclass(frozen=True)
class Program:
    """What to run. `port`: what it listens on once it has started. `settings`: beside a bare environment."""

    name: str
    command: Sequence[str | Path]
    port: int
    settings: Mapping[str, str]


def python_program(name: str, module: str, port: int, *arguments: str, **settings: str) -> Program:
    return Program(name, [sys.executable, "-m", module, *arguments], port, settings)


async def start(stack: AsyncExitStack, program: Program, core: int | None, folder: Path) -> int:
    """The process id of the program, once it listens; the stack stops it. Raises BenchError."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    environment |= {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(ROOT), **program.settings}
    log_path = folder / f"{program.name}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - takes a millisecond; the programs are named in bench
            on_core(core, program.command), env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    stack.push_async_callback(_stop, process)
    try:
        async with asyncio.timeout(_STARTED_WITHIN_S):
            await _until_it_listens(process, program.port)
    except (TimeoutError, BenchError) as error:
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-5:])
        raise BenchError(f"{program.name} did not start. The end of its log:\n{tail}") from error
    return process.pid


def on_core(core: int | None, command: Sequence[str | Path]) -> list[str | Path]:
    return [*command] if core is None else ["taskset", "--cpu-list", str(core), *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return
    raise BenchError("It ended.")


async def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        await asyncio.to_thread(process.wait, _STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
