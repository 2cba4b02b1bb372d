"""The storm at the second of expiry: `python -m bench.refresh_storm`.

Four agents on one Redis, a provider that takes its time and revokes the family on reuse, and a thousand
requests, spread over one second that begins when all access tokens have just expired. Load, provider, service
and agents are a process each, so that the agents' time is what is measured.
"""

import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from bench.ground import run_measurer, start_redis, start_upstream
from bench.load import Order, Window
from bench.peers.doorward import agent_settings, log_in
from bench.peers.everyone import FORMS
from bench.processes import free_port, python_program, start
from bench.results import Storm

AGENTS, SESSIONS, REQUESTS = 4, 20, 1000
PROVIDER_TIME_S = 0.2
TOKEN_LIFE_S, LONG_LIFE_S = 3, 300
RUNS = 3


class Told(msgspec.Struct):
    """What `bench.storm_provider` tells."""

    url: str
    refresh_times_s: list[float]


@dataclass(frozen=True)
class Provider:
    """The provider's process, by the port that steers it."""

    client: aiohttp.ClientSession

    async def url(self) -> str:
        return (await self._told()).url

    async def refresh_times_s(self) -> list[float]:
        return (await self._told()).refresh_times_s

    async def switch(self, *, expires_in_s: int, token_delay_s: float) -> None:
        wanted = {"expires_in_s": expires_in_s, "token_delay_s": token_delay_s}
        async with self.client.post("/switch", json=wanted):
            pass

    async def consent(self, address: str, sub: str) -> Mapping[str, str]:
        async with self.client.post("/consent", json={"address": address, "sub": sub}) as answer:
            callback: dict[str, str] = await answer.json()
            return callback

    async def _told(self) -> Told:
        async with self.client.get("/") as answer:
            return msgspec.json.decode(await answer.read(), type=Told)


@dataclass(frozen=True)
class Fleet:
    ports: list[int]
    provider: Provider

    async def storm(self) -> Storm:
        await self.provider.switch(expires_in_s=TOKEN_LIFE_S, token_delay_s=0)
        cookies = await log_in(f"http://127.0.0.1:{self.ports[0]}", self.provider.consent, SESSIONS)
        await self.provider.switch(expires_in_s=LONG_LIFE_S, token_delay_s=PROVIDER_TIME_S)
        refreshed_before = len(await self.provider.refresh_times_s())
        await asyncio.sleep(TOKEN_LIFE_S)
        order = Order(
            ports=self.ports,
            # Every session comes to every agent: requests change the agent each time, and the session only
            # when all of them had it.
            cookies=[cookie for cookie in cookies for _ in self.ports],
            seconds=1.0,
            warm_s=0.0,
            rate=REQUESTS,
            connections=REQUESTS,
            drain_s=10.0,
        )
        window = await asyncio.to_thread(run_measurer, "bench.load", order, Window, None)
        times_s = (await self.provider.refresh_times_s())[refreshed_before:]
        return Storm(
            requests=window.answers,
            wrong=window.wrong + window.broken,
            sessions=SESSIONS,
            refreshes=len(times_s),
            provider_ms=max(times_s, default=0) * 1000,
            p50_ms=window.p50_ms,
            p99_ms=window.p99_ms,
            longest_ms=window.longest_ms,
        )


@asynccontextmanager
async def run_fleet(form: str) -> AsyncIterator[Fleet]:
    """`form`: the agents' DATA_PLANE. Nothing is kept to a core: there are more processes than cores."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorward-storm-")))
        steering = free_port()
        program = python_program("provider", "bench.storm_provider", steering, str(steering))
        await start(stack, program, None, folder)
        client = aiohttp.ClientSession(f"http://127.0.0.1:{steering}", raise_for_status=True)
        provider = Provider(await stack.enter_async_context(client))
        upstream = await start_upstream(stack, None, folder)
        redis = await start_redis(stack, None, folder)
        ports = [free_port() for _ in range(AGENTS)]
        for number, port in enumerate(ports):
            settings = agent_settings(
                await provider.url(),
                port=port,
                public_url=f"http://127.0.0.1:{ports[0]}",
                backend=f"http://127.0.0.1:{upstream}",
                session_store=f"redis://127.0.0.1:{redis}",
            )
            agent = python_program(f"agent-{number}", "bff", port, **settings, DATA_PLANE=form)
            await start(stack, agent, None, folder)
        yield Fleet(ports, provider)


async def storms(form: str, runs: int) -> list[Storm]:
    async with run_fleet(form) as fleet:
        return [await fleet.storm() for _ in range(runs)]


def described(storm: Storm) -> str:
    return (
        f"requests {storm.requests}, wrong {storm.wrong}; sessions {storm.sessions}, "
        f"refreshes {storm.refreshes}; provider's own time {storm.provider_ms:.0f} ms; "
        f"ms: p50 {storm.p50_ms:.0f}, p99 {storm.p99_ms:.0f}, longest {storm.longest_ms:.0f}"
    )


def main() -> None:
    found = asyncio.run(storms(FORMS[-1], RUNS))
    print(*map(described, found), sep="\n")
    p99s = [storm.p99_ms - storm.provider_ms for storm in found]
    print(f"median of p99 beyond the provider's own time: {statistics.median(p99s):.0f} ms")


if __name__ == "__main__":
    main()
