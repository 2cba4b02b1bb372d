"""Several upstreams of a route: who is asked next, who is left out, and when it is tried again."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bff.proxy.health_checks import fault_of, start_health_checks
from bff.proxy.route_table import HealthCheck, ProxyRoute, UpstreamAddress
from bff.proxy.route_values import parse_upstream
from bff.proxy.targets import LONGEST_COOL_DOWN_S, Targets
from common.tasks import Tasks
from tests.fakes.waiting import until

A, B, C = (UpstreamAddress("http", host, 80) for host in "abc")


def targets(*addresses: UpstreamAddress) -> Targets:
    return Targets(ProxyRoute("shop", "/shop/", addresses))


def picked(found: Targets, count: int, now_s: float) -> dict[UpstreamAddress, int]:
    return dict(Counter(found.pick(now_s) for _ in range(count)))


def test_those_that_are_well_take_turns() -> None:
    assert [targets(A, B, C).pick(0)] == [A]
    assert picked(targets(A, B, C), 9, 0) == {A: 3, B: 3, C: 3}


def test_one_that_failed_is_left_out_and_the_others_share_its_part() -> None:
    found = targets(A, B, C)
    found.failed(B, 0)

    assert picked(found, 8, 0.9) == {A: 4, C: 4}


def test_after_its_time_one_request_tries_it() -> None:
    found = targets(A, B)
    found.failed(B, 0)

    assert picked(found, 8, 1.0) == {A: 7, B: 1}
    # Nobody said how the trial went: after the same time, another one.
    assert picked(found, 8, 1.9) == {A: 8}
    assert picked(found, 8, 2.0) == {A: 7, B: 1}


def test_a_good_trial_brings_it_back() -> None:
    found = targets(A, B)
    found.failed(B, 0)
    picked(found, 2, 1.0)
    found.recovered(B)

    assert picked(found, 8, 1.0) == {A: 4, B: 4}


def test_each_failure_in_a_row_leaves_it_out_for_longer_but_not_for_ever() -> None:
    found, now_s, pauses_s = targets(A, B), 0.0, []
    for _ in range(40):
        found.failed(B, now_s)
        failed_at_s = now_s
        while B not in picked(found, 2, now_s):
            now_s += 0.5
        pauses_s.append(now_s - failed_at_s)

    assert pauses_s[:6] == [1, 2, 4, 8, 16, 30]
    assert set(pauses_s[6:]) == {LONGEST_COOL_DOWN_S}


def test_a_recovery_forgets_the_failures_before_it() -> None:
    found = targets(A, B)
    for now_s in (0.0, 1.0, 3.0):
        picked(found, 2, now_s)
        found.failed(B, now_s)
    found.recovered(B)
    found.failed(B, 10)

    assert B in picked(found, 2, 11)


def test_many_requests_that_meet_one_fault_count_as_one() -> None:
    found = targets(A, B)
    for _ in range(50):
        found.failed(B, 0)

    assert B in picked(found, 2, 1.0)


def test_many_requests_that_meet_one_failed_trial_count_as_one() -> None:
    found = targets(A, B)
    found.failed(B, 0)
    picked(found, 2, 1.0)
    for _ in range(50):
        found.failed(B, 1.0)

    assert B in picked(found, 2, 3.0)


def test_when_all_are_out_they_are_tried_from_the_longest_out_on() -> None:
    found = targets(A, B, C)
    for address in (B, C, A):
        found.failed(address, 0)

    assert [found.pick(0) for _ in range(6)] == [B, C, A, B, C, A]


def test_a_single_upstream_is_never_refused() -> None:
    found = targets(A)
    found.failed(A, 0)
    found.checked(A, "status_503")

    assert picked(found, 3, 0) == {A: 3}


def test_one_that_is_ill_stays_out_until_a_check_goes_well() -> None:
    found = targets(A, B)
    found.checked(B, "status_503")
    found.recovered(B)

    assert picked(found, 4, 1_000_000) == {A: 4}
    found.checked(B, None)
    assert picked(found, 4, 1_000_000) == {A: 2, B: 2}


def test_a_check_that_goes_well_ends_a_cool_down() -> None:
    found = targets(A, B)
    found.failed(B, 0)
    found.checked(B, None)

    assert picked(found, 4, 0) == {A: 2, B: 2}


def test_changes_are_logged_once() -> None:
    found = targets(A, B)
    with capture_logs() as logs:
        for _ in range(3):
            found.checked(B, "timeout")
            found.failed(B, 0)
        for _ in range(3):
            found.checked(B, None)
            found.recovered(B)

    assert [(log["event"], log["route"], log["upstream"]) for log in logs] == [
        ("upstream_out", "shop", "http://b"),
        ("upstream_back", "shop", "http://b"),
    ]
    assert logs[0]["cause"] == "timeout"


# The checks, with real servers


@dataclass
class Service:
    address: UpstreamAddress
    status: int = 200
    asked: int = 0
    headers: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.headers = str(dict(request.headers))
        assert request.raw_path == "/healthz"
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def service(unix_path: Path | None = None, base_path: str = "") -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        found = Service(A)
        app = web.Application()
        app.router.add_get("/{path:.*}", found.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        if unix_path is not None:
            await web.UnixSite(runner, str(unix_path)).start()
            found.address = parse_upstream(f"unix:{unix_path}")
        else:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            found.address = parse_upstream(f"http://127.0.0.1:{runner.addresses[0][1]}{base_path}")
        yield found


CHECK = HealthCheck("/healthz", 0.02)


@pytest.mark.parametrize(
    ("status", "fault"), [(200, None), (204, None), (302, "status_302"), (503, "status_503")]
)
async def test_any_2xx_is_well(status: int, fault: str | None) -> None:
    async with service(base_path="/v2") as one:
        one.status = status

        assert await fault_of(one.address, HealthCheck("/healthz", 5)) == fault
        assert one.asked == 1
        assert "Authorization" not in one.headers


async def test_a_socket_is_asked_as_well(tmp_path: Path) -> None:
    async with service(tmp_path / "s.sock") as one:
        assert await fault_of(one.address, HealthCheck("/healthz", 5)) is None


async def test_one_that_is_not_there_or_says_nothing_is_ill(tmp_path: Path) -> None:
    nobody = parse_upstream(f"unix:{tmp_path}/nobody.sock")
    async with service() as gone:
        pass

    assert await fault_of(nobody, CHECK) == "connection"
    assert await fault_of(gone.address, HealthCheck("/healthz", 5)) == "connection"


async def test_one_that_does_not_answer_is_ill_after_the_interval() -> None:
    app, runner_stack = web.Application(), AsyncExitStack()

    async def never(request: web.Request) -> web.Response:
        assert request.transport is not None
        await until(request.transport.is_closing)
        return web.Response()

    app.router.add_get("/healthz", never)
    async with runner_stack:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        runner_stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = parse_upstream(f"http://127.0.0.1:{runner.addresses[0][1]}")

        assert await fault_of(address, CHECK) == "timeout"


async def test_the_checks_take_out_and_bring_back() -> None:
    async with service() as one, service() as other:
        route = ProxyRoute("shop", "/shop/", (one.address, other.address), health=CHECK)
        found, tasks = Targets(route), Tasks()
        start_health_checks(tasks, route, found)
        try:
            other.status = 503
            await until(lambda: picked(found, 4, 0) == {one.address: 4})
            other.status = 200
            await until(lambda: picked(found, 4, 0) == {one.address: 2, other.address: 2})
        finally:
            await tasks.close()
        asked = one.asked

    assert asked >= 1


async def test_without_a_path_nobody_is_asked() -> None:
    async with service() as one, service() as other:
        quiet = ProxyRoute("quiet", "/quiet/", (one.address,))
        asked = ProxyRoute("asked", "/asked/", (other.address,), health=CHECK)
        tasks = Tasks()
        for route in (quiet, asked):
            start_health_checks(tasks, route, Targets(route))
        await until(lambda: other.asked == 2)
        await tasks.close()

        assert one.asked == 0
