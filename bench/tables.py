"""One run: every peer beside Doorward, in turns, round by round."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec

from bench.ground import open_ground, run_measurer
from bench.idle import IdleFigures, IdleOrder
from bench.load import Order, Window
from bench.machine import describe_machine
from bench.other_load import requests_per_s_of_wrk
from bench.peers.base import BEARER_BYTES, Extra, Ground, Peer, Running
from bench.peers.everyone import APACHE, FORMS, GO, NGINX
from bench.processes import BenchError, Cores
from bench.refresh_storm import described, storms
from bench.results import MIB, Bulk, BulkRound, Idle, Measured, Results, Round, median_of
from bench.sessions_memory import SessionsFigures, SessionsOrder
from bench.traffic import HEADERS_PATH, Kind
from common.clock import Clock

T = TypeVar("T")

_QUIET_LOAD = 0.5
_ADDRESSES_OF_EACH = 4


@dataclass(frozen=True)
class Plan:
    """How much is measured. Seconds are those of one window."""

    rounds: int = 3
    window_s: float = 4.0
    bulk_window_s: float = 3.0
    idle_connections: int = 10_000
    sessions: int = 100_000
    storms: int = 3
    is_forward_auth_alone: bool = False


QUICK = Plan(rounds=1, window_s=1.0, bulk_window_s=1.0, idle_connections=1000, sessions=10_000, storms=1)


@dataclass(frozen=True)
class BulkCase:
    name: Bulk
    kind: Kind
    size: int
    connections: int


BULK_CASES = (
    BulkCase("1 MiB down", "download", MIB, 8),
    BulkCase("100 MiB down", "download", 100 * MIB, 4),
    BulkCase("1 MiB up", "upload", MIB, 8),
    BulkCase("100 MiB up", "upload", 100 * MIB, 4),
)


@dataclass(frozen=True)
class Started:
    peer: Peer
    running: Running
    measured: Measured


class Bench:
    """One run: peers stay up for all of it and are idle while another one is measured."""

    def __init__(self, plan: Plan, cores: Cores, clock: Clock, command: str) -> None:
        self._plan = plan
        self._cores = cores
        self._clock = clock
        self._started_at = clock.monotonic()
        self._started: list[Started] = []
        self.results = Results(
            date=clock.now().date().isoformat(),
            command=command,
            machine=describe_machine(cores),
            seconds=0,
            rounds=plan.rounds,
            window_s=plan.window_s,
        )

    async def run(self, peers: list[Peer]) -> None:
        load = self.results.machine.load_before
        if load > _QUIET_LOAD:
            self._say(f"WARNING: load average {load}: others use this machine, the figures will be rough")
        async with AsyncExitStack() as stack:
            ground = await stack.enter_async_context(open_ground(self._cores))
            for peer in peers:
                await self._start(stack, ground, peer)
            if not self._plan.is_forward_auth_alone:
                await self._measure_what_is_proxied()
            await self._measure_forward_auth()
        if any(peer.key.startswith("doorward") for peer in peers) and not self._plan.is_forward_auth_alone:
            self._measure_sessions()
            await self._measure_storms()
        self.results.seconds = self._clock.monotonic() - self._started_at

    async def _measure_what_is_proxied(self) -> None:
        await self._measure_idle()
        await self._measure_full()
        await self._measure_paced()
        await self._measure_bulk()
        await self._measure_other_load()

    async def _start(self, stack: AsyncExitStack, ground: Ground, peer: Peer) -> None:
        fault = peer.is_available()
        if fault is not None:
            self._leave_out(peer, fault)
            return
        self._say(f"starting {peer.label}")
        try:
            running = await stack.enter_async_context(peer.run(ground))
            await _look_at(peer, running)
        except BenchError as error:
            if "doorward" in peer.key:
                raise
            self._leave_out(peer, " ".join(str(error).split()))
            return
        measured = Measured(peer.label, peer.version())
        self.results.peers[peer.key] = measured
        self._started.append(Started(peer, running, measured))

    def _leave_out(self, peer: Peer, fault: str) -> None:
        self.results.left_out[peer.label] = fault
        self._say(f"left out: {peer.label}: {fault}")

    async def _measure_full(self) -> None:
        for number, started in self._turns(self._started):
            window = await self._window(self._order(started, self._plan.window_s))
            found = as_round(window)
            started.measured.full.append(found)
            self._say_round(f"round {number}", started, found)

    async def _measure_paced(self) -> None:
        """At half of the capacity of Go, or of the slowest that keeps sessions where there is no Go."""
        measured = self.results.peers
        agents = [key for key in (GO, APACHE) if key in measured]
        capacity = median_of(measured[agents[0]].full, lambda one: one.requests_per_s) if agents else None
        if capacity is None:
            return
        self.results.of_half, self.results.half_rate = measured[agents[0]].label, capacity / 2
        for number, started in self._turns(self._those_with("paced")):
            order = self._order(started, self._plan.window_s)
            order.rate = self.results.half_rate
            found = as_round(await self._window(order))
            started.measured.paced.append(found)
            self._say_round(f"half of Go, round {number}", started, found)

    async def _measure_bulk(self) -> None:
        for case in BULK_CASES:
            for number, started in self._turns(self._those_with("bulk")):
                order = self._order(started, self._plan.bulk_window_s)
                order.kind, order.size, order.connections = case.kind, case.size, case.connections
                found = as_bulk(await self._window(order))
                started.measured.bulk.setdefault(case.name, []).append(found)
                cost = f"{found.mib_per_s:,.0f} MiB/s, {found.cpu_s_per_gib:.2f} CPU s per GiB"
                self._say(f"{case.name}, round {number}: {started.peer.label}: {cost}{faults(found)}")

    async def _measure_forward_auth(self) -> None:
        for number, started in self._turns(self._started):
            forward_auth = started.running.forward_auth
            if forward_auth is None:
                continue
            order = self._order(started, self._plan.window_s)
            order.kind, order.ports = "forward-auth", [forward_auth.port]
            # Several addresses of each browser: the same head again and again would be the easiest of all.
            order.cookies = order.cookies * _ADDRESSES_OF_EACH
            order.proofs = forward_auth.proofs * _ADDRESSES_OF_EACH
            found = as_round(await self._window(order))
            started.measured.forward_auth.append(found)
            self._say_round(f"forward-auth, round {number}", started, found)

    async def _measure_idle(self) -> None:
        """First of all, while nobody has memory left over from other work."""
        for started in self._those_with("idle"):
            running = started.running
            order = IdleOrder(running.port, running.cookies, self._plan.idle_connections, running.pids)
            found = await self._ordered("bench.idle", order, IdleFigures)
            started.measured.idle = Idle(found.connections, found.bytes_each)
            self._say(f"{found.connections} idle: {started.peer.label}: {found.bytes_each:,.0f} bytes each")

    async def _measure_other_load(self) -> None:
        nginx = next((one for one in self._started if one.peer.key == NGINX), None)
        if nginx is None:
            return
        found = await asyncio.to_thread(
            requests_per_s_of_wrk, nginx.running.port, self._plan.window_s, self._cores.load
        )
        if found is not None:
            self.results.other_load["wrk"] = found
            self._say(f"wrk at nginx: {found:,.0f} requests/s")

    def _measure_sessions(self) -> None:
        count = self._plan.sessions
        order = SessionsOrder(count)
        found = run_measurer("bench.sessions_memory", order, SessionsFigures, self._cores.server)
        self.results.sessions_mb = found.mb * 100_000 / count
        self._say(f"{count} sessions in memory: {found.mb:.0f} MB")

    async def _measure_storms(self) -> None:
        self._say("the storm at the second of expiry, four agents")
        self.results.storms = await storms(FORMS[-1], self._plan.storms)
        for storm in self.results.storms:
            self._say(described(storm))

    def _those_with(self, extra: Extra) -> list[Started]:
        return [one for one in self._started if extra in one.peer.extras]

    def _turns(self, peers: list[Started]) -> Iterator[tuple[int, Started]]:
        return ((number, one) for number in range(1, self._plan.rounds + 1) for one in peers)

    def _order(self, started: Started, seconds: float) -> Order:
        running = started.running
        return Order(ports=[running.port], cookies=running.cookies, seconds=seconds, watched=running.pids)

    async def _window(self, order: Order) -> Window:
        return await self._ordered("bench.load", order, Window)

    async def _ordered(self, module: str, order: msgspec.Struct, figures: type[T]) -> T:
        # In a thread: the provider that agents may ask meanwhile lives on this loop.
        return await asyncio.to_thread(run_measurer, module, order, figures, self._cores.load)

    def _say_round(self, what: str, started: Started, found: Round) -> None:
        figures = f"{found.requests_per_s:,.0f}/s, CPU {found.total_cpu_us:.1f} us, busy {found.busy:.0%}"
        latency = f"p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms"
        self._say(f"{what}: {started.peer.label}: {figures}, {latency}{faults(found)}")

    def _say(self, sentence: str) -> None:
        print(f"{self._clock.monotonic() - self._started_at:4.0f} s  {sentence}", flush=True)


def as_round(window: Window) -> Round:
    answers = max(window.answers, 1)
    return Round(
        requests_per_s=window.answers / window.seconds,
        cpu_us={name: seconds / answers * 1e6 for name, seconds in window.cpu_s.items()},
        busy=sum(window.cpu_s.values()) / window.seconds,
        load_busy=window.load_cpu_s / window.seconds,
        p50_ms=window.p50_ms,
        p99_ms=window.p99_ms,
        wrong=window.wrong,
        broken=window.broken,
    )


def as_bulk(window: Window) -> BulkRound:
    gib = max(window.taken_bytes, 1) / (1024 * MIB)
    return BulkRound(
        mib_per_s=window.taken_bytes / MIB / window.seconds,
        cpu_s_per_gib=sum(window.cpu_s.values()) / gib,
        wrong=window.wrong,
        broken=window.broken,
    )


def faults(found: Round | BulkRound) -> str:
    return f"; WRONG {found.wrong}, BROKEN {found.broken}" if found.wrong or found.broken else ""


async def _look_at(peer: Peer, running: Running) -> None:
    """Before anything is measured: does a session's bearer reach the service? Raises BenchError."""
    url = f"http://127.0.0.1:{running.port}{HEADERS_PATH.decode()}"
    # The names of the load: its Host, and a script that reads.
    headers = {"Host": "localhost", "Cookie": running.cookies[0], "Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        arrived = (await answer.text()).lower()
        if answer.status != HTTPStatus.OK:
            raise BenchError(f"{peer.label} answers {answer.status} to its own sessions.")
    bearer = arrived.partition("authorization: bearer ")[2].partition("\n")[0]
    if peer.passes_bearer and len(bearer) < BEARER_BYTES * 0.9:
        raise BenchError(f"{peer.label} passes a bearer of {len(bearer)} bytes.")
