"""The storm at the second of expiry: `python -m bench.refresh_storm`.

Four agents on one Redis, a provider that takes its time and revokes the family on reuse, and a thousand
requests, spread over one second that begins when all access tokens have just expired.
"""

import asyncio
import statistics
import tempfile
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path

import aiohttp

from common.clock import SystemClock
from tests.bff.agent import SCRIPT, SESSION_COOKIE
from tests.bff.processes import Fleet, run_fleet
from tests.fakes.redis_servers import RedisServers

AGENTS, SESSIONS, REQUESTS = 4, 20, 1000
PROVIDER_TIME_S = 0.2
TOKEN_LIFE_S = 3

clock = SystemClock()


async def timed_call(client: aiohttp.ClientSession, url: str, cookie: str) -> tuple[int, float]:
    started = clock.monotonic()
    headers = {**SCRIPT, "Cookie": f"{SESSION_COOKIE}={cookie}"}
    async with client.get(f"{url}/api/v1/things", headers=headers) as answer:
        await answer.read()
        return answer.status, clock.monotonic() - started


async def storm(fleet: Fleet) -> list[tuple[int, float]]:
    async with AsyncExitStack() as stack:
        fleet.issuer.expires_in_s = TOKEN_LIFE_S
        browsers = [await fleet.signed_in(stack, f"user-{number}") for number in range(SESSIONS)]
        cookies = [browser.session_cookie or "" for browser in browsers]
        fleet.issuer.expires_in_s, fleet.issuer.token_delay_s = 300, PROVIDER_TIME_S
        client = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        )
        await asyncio.sleep(TOKEN_LIFE_S)
        return await _spread_over_a_second(client, fleet, cookies)


async def _spread_over_a_second(
    client: aiohttp.ClientSession, fleet: Fleet, cookies: list[str]
) -> list[tuple[int, float]]:
    async with asyncio.TaskGroup() as group:
        calls = []
        for number in range(REQUESTS):
            agent, cookie = fleet.agents[number % AGENTS], cookies[number % SESSIONS]
            calls.append(group.create_task(timed_call(client, agent.url, cookie)))
            await asyncio.sleep(1 / REQUESTS)
    return [call.result() for call in calls]


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        servers = RedisServers(Path(folder))
        try:
            async with run_fleet(servers.standalone().url, size=AGENTS) as fleet:
                answers = await storm(fleet)
                refreshes = fleet.refreshes()
                provider_ms = max(fleet.issuer.token_times_s[-refreshes:]) * 1000
        finally:
            servers.close()
    times = sorted(seconds * 1000 for _, seconds in answers)
    refused = sum(status != HTTPStatus.OK for status, _ in answers)
    print(f"requests {len(answers)}, not 200: {refused}")
    print(f"sessions {SESSIONS}, refreshes {refreshes}, provider's own time {provider_ms:.0f} ms")
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
    print(f"ms: p50 {p50:.0f}, p99 {p99:.0f}, max {times[-1]:.0f}")


if __name__ == "__main__":
    asyncio.run(main())
