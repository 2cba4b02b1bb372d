"""Rate limits: how many requests one address, token or owner has in a window of time (docs/rate-limits.md).

Who is counted, and which rule applies, is decided by each server; where the counts are kept, by
`common.rate_limit_counters`.
"""

import ipaddress
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from limits import RateLimitItem, parse_many
from prometheus_client import CollectorRegistry, Counter

from common.env import Environment
from common.problems import ProblemCode, ProblemError
from common.redis_url import RedisAddress, RedisAddressError, parse_redis_address

ADDRESS = "address"
DEFAULT_RATE_OF_ADDRESS = "1200/minute"

_OFF = "off"
# RFC 9651 section 3.3.1: an integer of a structured field has at most 15 digits.
_MOST = 10**15 - 1
_IN_NO_TIME = re.compile("(/|per) *0+ *[a-z]", re.IGNORECASE)
_PREFIX_OF_ONE_HOLDER = 64


@dataclass(frozen=True)
class Rule:
    """`item.amount` requests for each key in a window that begins with the first of them."""

    name: str
    item: RateLimitItem

    @cached_property
    def policy(self) -> str:
        """As `RateLimit-Policy` tells it."""
        return f'"{self.name}";q={self.item.amount};w={self.item.get_expiry()}'


@dataclass(frozen=True, slots=True)
class Standing:
    """How one key stands after a request. `remaining` is None where it would cost another question."""

    rule: Rule
    is_over: bool
    remaining: int | None
    resets_in_s: float

    @property
    def wait_s(self) -> int:
        """Whole seconds, never none: who comes back at once would only be refused again."""
        return max(1, math.ceil(self.resets_in_s))

    def __str__(self) -> str:
        """As `RateLimit` tells it."""
        return f'"{self.rule.name}";r={self.remaining};t={self.wait_s}'


class Counters(Protocol):
    async def hit(self, rule: Rule, key: str) -> Standing:
        """Counts one request. Never raises: a store that is away is replaced."""
        ...


class RateLimiter:
    """The rules of one server. A rule that is not among them is off."""

    def __init__(self, rules: Iterable[Rule], counters: Counters, registry: CollectorRegistry) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._counters = counters
        self._refused = Counter(
            "rate_limited", "Requests refused for their number, by rule", ["rule"], registry=registry
        )

    async def spend(self, rule_name: str, key: str) -> Standing | None:
        """Counts one request; None where the rule is off. Raises `ProblemError` (429) for one too many."""
        rule = self._rules.get(rule_name)
        if rule is None:
            return None
        standing = await self._counters.hit(rule, key)
        if standing.is_over:
            self._refused.labels(rule_name).inc()
            raise _too_many(standing)
        return standing


def limit_headers(standings: Iterable[Standing | None]) -> dict[str, str]:
    """draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4. `RateLimit` only where it is known."""
    policies, known = [], []
    for standing in standings:
        if standing is not None:
            policies.append(standing.rule.policy)
            if standing.remaining is not None:
                known.append(str(standing))
    headers = {}
    if policies:
        headers["RateLimit-Policy"] = ", ".join(policies)
    if known:
        headers["RateLimit"] = ", ".join(known)
    return headers


def _too_many(standing: Standing) -> ProblemError:
    return ProblemError(
        ProblemCode.TOO_MANY_REQUESTS,
        f"This {standing.rule.name} has used up its requests. Wait for {standing.wait_s} s.",
        cause=f"rate_limit_{standing.rule.name}",
        # Section 6 of the draft: it must not be earlier than the end of the window that RateLimit tells.
        retry_after_s=standing.wait_s,
        headers=limit_headers([standing]),
    )


def key_of_address(address: str) -> str:
    """What one holder of addresses is counted under: of IPv6 the whole /64.

    Each customer gets a /64 at least, and could come from another of its addresses with every request.
    """
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _PREFIX_OF_ONE_HOLDER), strict=False))


def read_rule(environment: Environment, setting: str, name: str, default: str) -> Rule | None:
    """The rule that a setting describes, such as `1200/minute`; None for `off`."""
    text = environment.text(setting, default)
    if text == _OFF:
        return None
    try:
        [item] = parse_many(text)
    except ValueError:
        environment.fault(f"{setting} is {text!r}: write one rate such as {default} or 10/second, or off.")
        return None
    # The library makes one of none: `9 per 0 minutes` would be another rate than what was written.
    if not 0 < item.amount <= _MOST or item.get_expiry() > _MOST or _IN_NO_TIME.search(text):
        environment.fault(f"{setting} is {text!r}: use numbers from 1 to {_MOST}, or off for no limit.")
    return Rule(name, item)


def read_rate_limit_store(environment: Environment) -> RedisAddress | None:
    """Where the counts are kept; None for the memory of this process."""
    text = environment.secret("RATE_LIMIT_STORE")
    if text is None or text == "memory:":
        return None
    try:
        return parse_redis_address(text)
    except RedisAddressError as error:
        environment.fault(f"RATE_LIMIT_STORE {error}.")
        return None
