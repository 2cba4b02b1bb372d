"""Budgets in a real Redis: shared by all who count there, and never a reason to fail when it is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from limits import parse
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from common.problems import ProblemError
from common.rate_limit_counters import open_counters
from common.rate_limit_redis import MOST_CONNECTIONS, PAUSE_S
from common.rate_limits import RateLimiter, Rule, Standing, limit_headers
from common.redis_url import parse_redis_address
from tests.fakes.clock import FakeClock
from tests.fakes.redis_servers import RedisServer, RedisServers
from tests.fakes.tls_front import tls_front
from tests.fakes.waiting import eventually

RULE = Rule("token", parse("3/minute"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServers]:
    servers = RedisServers(tmp_path_factory.mktemp("redis"))
    yield servers
    servers.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """One of its own, which the test may break."""
    with RedisServer.running(tmp_path) as running:
        yield running


class Budget:
    def __init__(self, limiter: RateLimiter, clock: FakeClock, registry: CollectorRegistry) -> None:
        self._limiter = limiter
        self.clock = clock
        self._registry = registry

    async def spend(self, key: str = "a") -> Standing:
        standing = await self._limiter.spend("token", key)
        assert standing is not None
        return standing

    async def allowed(self, tries: int) -> int:
        """How many of so many requests were not refused."""
        count = 0
        for _ in range(tries):
            try:
                await self.spend()
                count += 1
            except ProblemError:
                pass
        return count

    def outages(self) -> float | None:
        return self._registry.get_sample_value("rate_limit_store_outages_total")


@asynccontextmanager
async def budget_at(url: str, rule: Rule = RULE, server: str = "apiserver") -> AsyncIterator[Budget]:
    clock, registry = FakeClock(), CollectorRegistry()
    async with open_counters(parse_redis_address(url), server, clock, registry) as counters:
        yield Budget(RateLimiter([rule], counters, registry), clock, registry)


@pytest.mark.parametrize("kind", ["standalone", "sentinel", "cluster"])
async def test_all_who_count_in_one_redis_share_a_budget(servers: RedisServers, kind: str) -> None:
    url = getattr(servers, kind)().url
    async with budget_at(url) as one, budget_at(url) as other:
        assert [await one.allowed(2), await other.allowed(2)] == [2, 1]
        assert (one.outages(), other.outages()) == (0, 0)


async def test_redis_is_reached_over_tls(servers: RedisServers, tmp_path: Path) -> None:
    async with tls_front(tmp_path, servers.standalone().port) as front:
        url = f"rediss://127.0.0.1:{front.port}/0?ca_file={front.certificate}"
        async with budget_at(url) as budget:
            assert await budget.allowed(4) == 3
            assert budget.outages() == 0


async def test_redis_is_reached_with_a_password(tmp_path: Path) -> None:
    with RedisServer.running(tmp_path) as server:
        server.command("ACL", "SETUSER", "limits", "on", ">hush", "+@all", "~*")
        async with budget_at(f"redis://limits:hush@127.0.0.1:{server.port}/2") as budget:
            assert await budget.allowed(4) == 3
            assert budget.outages() == 0
        assert "db2" in server.command("INFO", "keyspace")


async def test_servers_of_another_kind_have_a_budget_of_their_own(servers: RedisServers) -> None:
    url = servers.standalone().url
    async with budget_at(url, server="apiserver") as one, budget_at(url, server="bff") as other:
        assert [await one.allowed(4), await other.allowed(4)] == [3, 3]


async def test_keys_say_whose_they_are_and_leave_by_themselves(servers: RedisServers) -> None:
    server = servers.standalone()
    async with budget_at(server.url) as budget:
        await budget.spend()

    [key] = server.command("KEYS", "*")
    assert key.startswith(b"dw:rate:apiserver:")
    assert 0 < server.command("TTL", key) <= 60


async def test_a_budget_is_whole_again_when_its_window_ends(servers: RedisServers) -> None:
    async with budget_at(servers.standalone().url, Rule("token", parse("2/second"))) as budget:
        assert await budget.allowed(3) == 2
        assert await eventually(lambda: budget.allowed(1), lambda allowed: allowed == 1)


async def test_an_allowed_request_tells_the_policy_alone_and_a_refusal_tells_all(
    servers: RedisServers,
) -> None:
    async with budget_at(servers.standalone().url) as budget:
        standings = [await budget.spend() for _ in range(3)]
        with pytest.raises(ProblemError) as refused:
            await budget.spend()

    assert limit_headers(standings[:1]) == {"RateLimit-Policy": '"token";q=3;w=60'}
    wait_s = int(refused.value.headers["Retry-After"])
    assert 55 <= wait_s <= 60
    assert refused.value.headers["RateLimit"] == f'"token";r=0;t={wait_s}'


async def test_while_redis_is_away_requests_are_counted_in_memory(server: RedisServer) -> None:
    async with budget_at(server.url) as budget:
        await budget.spend()
        server.stop()

        assert await budget.allowed(5) == 3


async def test_a_redis_that_was_never_there_stops_nothing(server: RedisServer) -> None:
    server.stop()
    async with budget_at(server.url) as budget:
        assert await budget.allowed(5) == 3


async def test_a_redis_that_comes_back_is_asked_again(server: RedisServer) -> None:
    async with budget_at(server.url) as budget:
        server.stop()
        await budget.spend()
        server.start()
        server.wait_until_ready()
        budget.clock.advance(seconds=PAUSE_S)
        await budget.spend()

    assert len(server.command("KEYS", "*")) == 1


async def test_an_outage_is_told_and_counted_once(server: RedisServer) -> None:
    async with budget_at(server.url) as budget:
        server.stop()
        with capture_logs() as logs:
            for _ in range(3):
                await budget.allowed(3)
                budget.clock.advance(seconds=PAUSE_S)
            server.start()
            server.wait_until_ready()
            await budget.allowed(3)

        assert [entry["event"] for entry in logs] == ["rate_limit_store_away", "rate_limit_store_back"]
        assert budget.outages() == 1


async def test_a_silent_redis_is_waited_for_once_and_not_for_long(server: RedisServer) -> None:
    async with budget_at(server.url) as budget:
        await budget.spend()
        server.pause()
        started = time.monotonic()
        try:
            await budget.allowed(50)
        finally:
            server.resume()

        assert time.monotonic() - started < 2
        assert budget.outages() == 1


async def test_one_request_tries_for_all_whether_redis_is_back(server: RedisServer) -> None:
    async with budget_at(server.url, Rule("token", parse("1000/minute"))) as budget:
        await budget.spend()
        server.pause()
        await budget.spend()
        budget.clock.advance(seconds=PAUSE_S)
        asked = [asyncio.ensure_future(budget.spend()) for _ in range(10)]
        _, waiting = await asyncio.wait(asked, timeout=0.1)
        server.resume()
        await asyncio.gather(*asked)

    assert len(waiting) == 1


async def test_a_crowd_does_not_wait_in_line_for_a_silent_redis(server: RedisServer) -> None:
    async with budget_at(server.url, Rule("token", parse("1000/minute"))) as budget:
        await budget.spend()
        server.pause()
        started = time.monotonic()
        try:
            await asyncio.gather(*(budget.spend() for _ in range(8 * MOST_CONNECTIONS)))
        finally:
            server.resume()

    assert time.monotonic() - started < 1


async def test_a_crowd_opens_no_crowd_of_connections(server: RedisServer) -> None:
    async with budget_at(server.url, Rule("token", parse("1000/minute"))) as budget:
        await asyncio.gather(*(budget.spend() for _ in range(4 * MOST_CONNECTIONS)))
        clients = server.command("CLIENT", "LIST").count(b"\n")

    assert clients <= MOST_CONNECTIONS + 1


async def test_an_answer_to_what_was_asked_before_an_outage_is_not_its_end(server: RedisServer) -> None:
    """Else a slow Redis would be away and back with every other request, and each of them would wait."""
    async with budget_at(server.url, Rule("token", parse("1000/minute"))) as budget:
        await budget.spend()
        server.pause()
        with capture_logs() as logs:
            # The last one asks when the first has given up.
            asked = [asyncio.ensure_future(budget.spend()) for _ in range(MOST_CONNECTIONS + 1)]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            server.resume()
            await asyncio.gather(*asked)

    assert [entry["event"] for entry in logs] == ["rate_limit_store_away"]


async def test_a_request_that_left_takes_nobody_elses_answer(server: RedisServer) -> None:
    async with budget_at(server.url, Rule("token", parse("100/minute"))) as budget:
        await budget.spend()
        server.pause()
        left = [asyncio.ensure_future(budget.spend("another")) for _ in range(5)]
        await asyncio.sleep(0)
        for request in left:
            request.cancel()
        await asyncio.wait(left)
        server.resume()
        # One of them may have waited for the time-out: it was cancelled while it sent its question.
        budget.clock.advance(seconds=PAUSE_S)

        assert await budget.allowed(100) == 99


async def test_the_log_of_an_outage_holds_no_password(server: RedisServer) -> None:
    async with budget_at(f"redis://limits:hush-hush@127.0.0.1:{server.port}") as budget:
        with capture_logs() as logs:
            assert await budget.allowed(5) == 3

    assert [entry["event"] for entry in logs] == ["rate_limit_store_away"]
    assert "hush-hush" not in repr(logs)
