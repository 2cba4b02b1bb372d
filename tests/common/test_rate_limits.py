"""Budgets in the memory of one process: what they allow, tell and forget, and how they are written."""

import time
from collections.abc import Mapping

import pytest
from limits import parse
from prometheus_client import CollectorRegistry

from common.env import Environment
from common.problems import ProblemCode, ProblemError
from common.rate_limit_counters import MOST_KEYS, MemoryCounters, Windows
from common.rate_limits import (
    RateLimiter,
    Rule,
    Standing,
    key_of_address,
    limit_headers,
    read_rate_limit_store,
    read_rule,
)
from tests.fakes.clock import FakeClock

TOKEN, OWNER = Rule("token", parse("2/minute")), Rule("owner", parse("100 per 5 minutes"))


class Budget:
    """A limiter with a clock that the test moves."""

    def __init__(self, *rules: Rule, most_keys: int = 100) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self._limiter = RateLimiter(rules, MemoryCounters(self.clock, most_keys), self.registry)

    async def spend(self, name: str, key: str) -> Standing | None:
        return await self._limiter.spend(name, key)

    async def refused(self, name: str, key: str) -> ProblemError:
        with pytest.raises(ProblemError) as refused:
            await self.spend(name, key)
        return refused.value


async def test_a_budget_allows_its_number_and_not_one_more() -> None:
    budget = Budget(TOKEN)
    await budget.spend("token", "a")
    await budget.spend("token", "a")

    assert (await budget.refused("token", "a")).code is ProblemCode.TOO_MANY_REQUESTS


async def test_a_budget_is_whole_again_when_its_window_ends() -> None:
    budget = Budget(TOKEN)
    await budget.spend("token", "a")
    budget.clock.advance(seconds=59)
    await budget.spend("token", "a")
    await budget.refused("token", "a")
    budget.clock.advance(seconds=1)

    standing = await budget.spend("token", "a")

    assert standing is not None
    assert standing.remaining == 1


async def test_one_key_leaves_the_others_alone() -> None:
    budget = Budget(TOKEN)
    for _ in range(2):
        await budget.spend("token", "a")
    await budget.refused("token", "a")

    assert await budget.spend("token", "b")


async def test_one_rule_leaves_the_others_alone() -> None:
    budget = Budget(TOKEN, OWNER)
    for _ in range(2):
        await budget.spend("token", "a")
    await budget.refused("token", "a")

    assert await budget.spend("owner", "a")


async def test_a_rule_that_is_off_counts_nothing() -> None:
    budget = Budget()

    assert [await budget.spend("token", "a") for _ in range(5)] == [None] * 5


async def test_a_refusal_says_when_to_come_again() -> None:
    budget = Budget(TOKEN)
    for _ in range(2):
        await budget.spend("token", "a")
    budget.clock.advance(seconds=42.5)

    refusal = await budget.refused("token", "a")

    assert refusal.headers == {
        "Retry-After": "18",
        "RateLimit-Policy": '"token";q=2;w=60',
        "RateLimit": '"token";r=0;t=18',
    }


async def test_the_wait_is_never_nothing() -> None:
    budget = Budget(TOKEN)
    for _ in range(2):
        await budget.spend("token", "a")
    budget.clock.advance(seconds=59.99)

    assert (await budget.refused("token", "a")).headers["Retry-After"] == "1"


async def test_headers_tell_each_limit_that_was_counted() -> None:
    budget = Budget(TOKEN, OWNER)
    standings = [await budget.spend(name, "a") for name in ("token", "off", "owner")]

    assert limit_headers(standings) == {
        "RateLimit-Policy": '"token";q=2;w=60, "owner";q=100;w=300',
        "RateLimit": '"token";r=1;t=60, "owner";r=99;t=300',
    }


def test_headers_tell_nothing_where_nothing_was_counted() -> None:
    assert limit_headers([None, None]) == {}


def test_what_is_left_is_not_told_where_it_is_not_known() -> None:
    standing = Standing(TOKEN, is_over=False, remaining=None, resets_in_s=60)

    assert limit_headers([standing]) == {"RateLimit-Policy": '"token";q=2;w=60'}


async def test_refusals_are_counted_by_rule() -> None:
    budget = Budget(TOKEN, OWNER)
    for _ in range(2):
        await budget.spend("token", "a")
    for _ in range(3):
        await budget.refused("token", "a")

    assert budget.registry.get_sample_value("rate_limited_total", {"rule": "token"}) == 3
    assert budget.registry.get_sample_value("rate_limited_total", {"rule": "owner"}) is None


async def test_a_flood_from_many_addresses_does_not_grow_without_end() -> None:
    windows = Windows(60, most=10)
    for number in range(1000):
        windows.hit(f"address-{number}", 0)

    assert len(windows) == 10


async def test_a_flood_from_many_addresses_costs_each_no_more_than_before() -> None:
    """Else it would pay to ask from many: each refusal would cost more than the request."""
    windows = Windows(60, MOST_KEYS)

    def cost_of_each(numbers: range) -> float:
        started = time.process_time()
        for number in numbers:
            windows.hit(f"address-{number}", 0)
        return (time.process_time() - started) / len(numbers)

    with_room = cost_of_each(range(MOST_KEYS))

    assert cost_of_each(range(MOST_KEYS, 4 * MOST_KEYS)) < 6 * with_room


async def test_the_newest_of_a_flood_stay_counted() -> None:
    budget = Budget(TOKEN, most_keys=10)
    for number in range(100):
        await budget.spend("token", f"{number}")
    await budget.spend("token", "99")

    assert (await budget.refused("token", "99")).code is ProblemCode.TOO_MANY_REQUESTS


async def test_a_flood_of_one_rule_pushes_out_no_count_of_another() -> None:
    budget = Budget(TOKEN, OWNER, most_keys=10)
    for _ in range(2):
        await budget.spend("token", "a")
    for number in range(100):
        await budget.spend("owner", f"{number}")

    assert (await budget.refused("token", "a")).code is ProblemCode.TOO_MANY_REQUESTS


async def test_windows_that_have_ended_leave() -> None:
    windows = Windows(60, most=1000)
    for number in range(100):
        windows.hit(f"address-{number}", 0)
    windows.hit("another", 60)

    assert len(windows) == 1


@pytest.mark.parametrize(
    ("address", "key"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="IPv4"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6"),
        pytest.param("2001:DB8:1:2::9", "2001:db8:1:2::/64", id="IPv6 of the same /64"),
        pytest.param("2001:db8:1:3::9", "2001:db8:1:3::/64", id="IPv6 of another /64"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7", id="IPv4 in the clothes of IPv6"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="IPv6 with a zone"),
        pytest.param("unix", "unix", id="no address"),
    ],
)
def test_an_address_is_counted_with_all_that_its_holder_has(address: str, key: str) -> None:
    assert key_of_address(address) == key


def rule_of(text: str | None) -> tuple[Rule | None, list[str]]:
    values: Mapping[str, str] = {} if text is None else {"RATE": text}
    environment = Environment(values)
    return read_rule(environment, "RATE", "token", "7/hour"), environment.faults


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        pytest.param(None, '"token";q=7;w=3600', id="default"),
        pytest.param("10/second", '"token";q=10;w=1', id="slash"),
        pytest.param("100 per 5 minutes", '"token";q=100;w=300', id="words"),
    ],
)
def test_a_rate_is_written_as_the_library_does(text: str | None, policy: str) -> None:
    rule, faults = rule_of(text)

    assert faults == []
    assert rule is not None
    assert rule.policy == policy


def test_off_is_no_rule() -> None:
    assert rule_of("off") == (None, [])


@pytest.mark.parametrize("text", ["many", "10", "10/fortnight", "1/second;100/minute", "-1/minute", "OFF!"])
def test_what_is_no_rate_is_refused_in_a_sentence(text: str) -> None:
    assert rule_of(text)[1] == [f"RATE is {text!r}: write one rate such as 7/hour or 10/second, or off."]


@pytest.mark.parametrize(
    "text", ["0/minute", "1000000000000000/minute", "9 per 40000000 years", "9 per 0 minutes", "9/00Hours"]
)
def test_a_rate_that_nobody_can_have_meant_is_refused(text: str) -> None:
    assert rule_of(text)[1] == [
        f"RATE is {text!r}: use numbers from 1 to 999999999999999, or off for no limit."
    ]


@pytest.mark.parametrize("text", ["", "memory:"])
def test_requests_are_counted_in_memory_unless_something_else_is_said(text: str) -> None:
    environment = Environment({"RATE_LIMIT_STORE": text})

    assert (read_rate_limit_store(environment), environment.faults) == (None, [])


def test_a_redis_is_taken_in_the_forms_of_the_session_store() -> None:
    environment = Environment({"RATE_LIMIT_STORE": "rediss+cluster://:hush@one,two:7000"})
    address = read_rate_limit_store(environment)

    assert environment.faults == []
    assert address is not None
    assert (address.kind, address.hosts, address.is_tls) == ("cluster", (("one", 6379), ("two", 7000)), True)


@pytest.mark.parametrize("text", ["memcached://host", "mongodb://host", "async+redis://host", "nonsense"])
def test_another_store_is_refused_in_a_sentence(text: str) -> None:
    environment = Environment({"RATE_LIMIT_STORE": text})
    read_rate_limit_store(environment)

    [fault] = environment.faults
    assert fault.startswith("RATE_LIMIT_STORE must be memory:, or begin with redis://")
