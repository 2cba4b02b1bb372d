"""What a peer is: something that may be had, is started on its core, and then takes requests at a port."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

from bench.processes import Cores, Program, start
from tests.fakes.issuer import FakeIssuer

Extra = Literal["paced", "bulk", "idle"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)

SESSIONS = 1000
BEARER_BYTES = 1000


@dataclass(frozen=True)
class Ground:
    """What all peers stand on: the cores, the service behind them, Redis, a provider, a folder for files."""

    cores: Cores
    folder: Path
    upstream_port: int
    redis_port: int
    issuer: FakeIssuer

    @property
    def upstream(self) -> str:
        return f"127.0.0.1:{self.upstream_port}"


@dataclass(frozen=True)
class ForwardAuth:
    """Where proxies ask about a request. `proofs`: what the answer about each of the sessions must hold."""

    port: int
    proofs: list[str]


@dataclass(frozen=True)
class Running:
    """A started peer. `pids`: its processes by name, their children with them. `cookies`: a session each."""

    port: int
    pids: dict[str, int]
    cookies: list[str] = field(default_factory=lambda: anonymous_cookies(SESSIONS))
    forward_auth: ForwardAuth | None = None


class Peer(Protocol):
    """`key` is its name in commands and files, `label` its name in tables.

    `passes_bearer`: turns a session cookie into a bearer, which is looked at before anything is measured.
    `extras`: what is measured of it beside requests at full speed.
    """

    @property
    def key(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def passes_bearer(self) -> bool: ...

    @property
    def extras(self) -> frozenset[Extra]: ...

    def is_available(self) -> str | None:
        """None when it can be started, else why it cannot."""
        ...

    def version(self) -> str:
        """Asked only where it is available."""
        ...

    def run(self, ground: Ground) -> AbstractAsyncContextManager[Running]:
        """Started and with its sessions made; stopped at the end. Raises BenchError."""
        ...


def anonymous_cookies(count: int) -> list[str]:
    """As long as ours, for peers that look at none."""
    return [f"doorward_session={number:043}" for number in range(count)]


@asynccontextmanager
async def run_alone(ground: Ground, program: Program) -> AsyncIterator[Running]:
    """A peer that is one program and knows no sessions."""
    async with AsyncExitStack() as stack:
        pid = await start(stack, program, ground.cores.server, ground.folder)
        yield Running(program.port, {program.name: pid})
