"""Each size of each engine: a database is filled, a server started on one core and asked from the other."""

import asyncio
import base64
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from apiserver.storage.location import DatabaseLocation, PostgresAddress, SqliteFile
from bench.api.load import Figures, Order
from bench.api.seed import SUBJECT, Seeded, seed
from bench.ground import run_measurer
from bench.machine import describe_machine
from bench.processes import Cores, free_port, python_program, start
from bench.results import Machine
from common.clock import Clock
from tests.fakes.issuer import FakeIssuer
from tests.fakes.postgres_servers import PostgresServer

Engine = Literal["SQLite", "PostgreSQL"]

ENGINES: tuple[Engine, ...] = ("SQLite", "PostgreSQL")
SIZES = (10, 10_000, 1_000_000)
# Lists and look-ups first: registrations make the table larger.
KINDS = ("device", "edge", "exchange", "list", "list by name", "user", "register", "register with a key")
_HOURS_S = 4 * 3600
# One user and one token ask here as often as nobody else does.
_NO_LIMITS = dict.fromkeys(("RATE_LIMIT_ADDRESS", "RATE_LIMIT_TOKEN", "RATE_LIMIT_OWNER"), "off")


@dataclass(frozen=True)
class Plan:
    rounds: int = 3
    window_s: float = 2.0
    sizes: tuple[int, ...] = SIZES
    engines: tuple[Engine, ...] = ENGINES


@dataclass(frozen=True)
class _Server:
    port: int
    private_port: int
    pid: int


class Case(msgspec.Struct):
    """What was asked of which database: one figure for each round."""

    engine: str
    devices: int
    kind: str
    rounds: list[Figures]


class ApiResults(msgspec.Struct):
    date: str
    command: str
    machine: Machine
    seconds: float
    rounds: int
    window_s: float
    cases: list[Case] = []


@dataclass(frozen=True)
class ApiBench:
    plan: Plan
    cores: Cores
    clock: Clock

    async def run(self, command: str) -> ApiResults:
        started = self.clock.monotonic()
        results = ApiResults(
            date=self.clock.now().date().isoformat(),
            command=command,
            machine=describe_machine(self.cores),
            seconds=0,
            rounds=self.plan.rounds,
            window_s=self.plan.window_s,
        )
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorward-bench-")))
            issuer = await stack.enter_async_context(FakeIssuer.start())
            issuer.expires_in_s = _HOURS_S
            results.cases.append(await self._hello(folder))
            for engine in self.plan.engines:
                for size in self.plan.sizes:
                    results.cases += await self._one_database(engine, size, issuer, folder)
        results.seconds = self.clock.monotonic() - started
        return results

    async def _one_database(
        self, engine: Engine, devices: int, issuer: FakeIssuer, folder: Path
    ) -> list[Case]:
        home = folder / f"{engine}-{devices}"
        home.mkdir()
        cases = [Case(engine, devices, kind, []) for kind in KINDS]
        async with AsyncExitStack() as stack:
            location = await stack.enter_async_context(_database(engine, home))
            print(f"{engine}, {devices:,} devices: filling", flush=True)
            seeded = await seed(location, issuer.url, devices)
            server = await self._server(stack, location, issuer, home)
            for number in range(self.plan.rounds):
                for case in cases:
                    case.rounds.append(await self._window(case.kind, seeded, issuer, server))
                    last = case.rounds[-1]
                    print(
                        f"{engine}, {devices:,} devices, round {number + 1}: {case.kind}: "
                        f"{last.answers / last.seconds:,.0f}/s, p99 {last.p99_ms:.1f} ms",
                        flush=True,
                    )
        return cases

    async def _window(self, kind: str, seeded: Seeded, issuer: FakeIssuer, server: _Server) -> Figures:
        bearers = {
            "device": seeded.device_tokens,
            "edge": seeded.device_tokens,
            "exchange": seeded.device_tokens,
            "register": [seeded.registration_token],
            "register with a key": [seeded.registration_token],
        }
        now = issuer.now()
        user = [issuer.access_token(SUBJECT, exp=now + _HOURS_S)]
        port = server.private_port if kind == "edge" else server.port
        order = Order(port, kind, bearers.get(kind, user), server.pid, self.plan.window_s)
        # A list of a hundred is asked by few at once: what counts is how long it takes.
        order.connections = 4 if kind.startswith("list") else 64
        return await asyncio.to_thread(run_measurer, "bench.api.load", order, Figures, self.cores.load)

    async def _server(
        self, stack: AsyncExitStack, location: DatabaseLocation, issuer: FakeIssuer, home: Path
    ) -> _Server:
        port, private_port, url = free_port(), free_port(), _url(location)
        program = python_program(
            "apiserver",
            "apiserver",
            port,
            LISTEN=f"127.0.0.1:{port}",
            PRIVATE_LISTEN=f"127.0.0.1:{private_port}",
            OIDC_PROVIDER=issuer.url,
            OIDC_AUDIENCE=issuer.audience,
            DATABASE_URL=url,
            SERVER_KEY=base64.b64encode(bytes(range(32))).decode(),
            **_NO_LIMITS,
        )
        return _Server(port, private_port, await start(stack, program, self.cores.server, home))

    async def _hello(self, folder: Path) -> Case:
        case = Case("aiohttp", 0, "hello", [])
        async with AsyncExitStack() as stack:
            port = free_port()
            program = python_program("hello", "bench.api.hello", port, str(port))
            pid = await start(stack, program, self.cores.server, folder)
            for _ in range(self.plan.rounds):
                order = Order(port, "hello", ["none"], pid, self.plan.window_s)
                case.rounds.append(
                    await asyncio.to_thread(run_measurer, "bench.api.load", order, Figures, self.cores.load)
                )
        return case


@asynccontextmanager
async def _database(engine: Engine, home: Path) -> AsyncIterator[DatabaseLocation]:
    if engine == "SQLite":
        yield SqliteFile(home / "doorward.db")
        return
    with PostgresServer.running() as server, server.database() as url:
        yield PostgresAddress(url)


def _url(location: DatabaseLocation) -> str:
    return f"sqlite:///{location.path}" if isinstance(location, SqliteFile) else location.url
