"""Which upstream of a route is asked next: those that are well, in turn. Pure logic; time is passed in.

Two things take an upstream out: a connection that could not be made (for a time that grows), and a health
check that went wrong (until one goes well; `health_checks` makes them). When all are out, the one whose last
failure is the longest ago is tried: refusing outright would make a short fault of all into a long one.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from bff.proxy.route_table import ProxyRoute, UpstreamAddress

FIRST_COOL_DOWN_S: Final = 1.0
LONGEST_COOL_DOWN_S: Final = 30.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Trouble:
    """`turn` orders failures, `failures` counts those in a row; `is_tried`: a request was let through to see.

    `is_ill` is what the last health check found.
    """

    turn: int
    failures: int = 0
    until_s: float = 0.0
    is_tried: bool = False
    is_ill: bool = False

    @property
    def cool_down_s(self) -> float:
        # The exponent is bounded first: an upstream that is away for days would leave the floats.
        return min(FIRST_COOL_DOWN_S * 2.0 ** min(self.failures - 1, 16), LONGEST_COOL_DOWN_S)


class Targets:
    """The upstreams of one route. `now_s` is of a clock that never goes back."""

    def __init__(self, route: ProxyRoute) -> None:
        self.addresses = route.upstreams
        self._route = route.name
        self._next = 0
        self._turn = 0
        self._troubles: dict[UpstreamAddress, _Trouble] = {}

    def pick(self, now_s: float) -> UpstreamAddress:
        """The next one that is well. Whoever could not connect says `failed`, whoever could `recovered`."""
        if not self._troubles:
            return self._in_turn()
        for _ in self.addresses:
            address = self._in_turn()
            if self._may_be_asked(address, now_s):
                return address
        # Only when all are out, so each has its trouble.
        address = min(self._troubles, key=lambda one: self._troubles[one].turn)
        self._troubles[address].turn = self._new_turn()
        return address

    def failed(self, address: UpstreamAddress, now_s: float) -> None:
        """No connection could be made: out for a while, longer each time in a row."""
        trouble = self._troubles.get(address)
        if trouble is None:
            trouble = self._out(address, "connection")
        elif now_s < trouble.until_s and not trouble.is_tried:
            # Many requests meet the same fault at once: those that were on their way count as one.
            return
        trouble.turn = self._new_turn()
        trouble.failures += 1
        trouble.until_s = now_s + trouble.cool_down_s
        trouble.is_tried = False

    def recovered(self, address: UpstreamAddress) -> None:
        """A connection was made, or one that was idle is still good. What a check found wrong stays."""
        if not self._troubles:
            return
        trouble = self._troubles.get(address)
        if trouble is None:
            return
        if trouble.is_ill:
            trouble.failures, trouble.until_s, trouble.is_tried = 0, 0.0, False
        else:
            self._back(address)

    def checked(self, address: UpstreamAddress, fault: str | None) -> None:
        """What a health check found: a word for the log, or None when all is well."""
        trouble = self._troubles.get(address)
        if fault is not None:
            trouble = trouble or self._out(address, fault)
            trouble.is_ill = True
        elif trouble is not None:
            # It was asked over a connection of its own, so it can be connected to as well.
            self._back(address)

    def _out(self, address: UpstreamAddress, cause: str) -> _Trouble:
        log.warning("upstream_out", route=self._route, upstream=str(address), cause=cause)
        trouble = self._troubles[address] = _Trouble(self._new_turn())
        return trouble

    def _back(self, address: UpstreamAddress) -> None:
        log.info("upstream_back", route=self._route, upstream=str(address))
        del self._troubles[address]

    def _may_be_asked(self, address: UpstreamAddress, now_s: float) -> bool:
        trouble = self._troubles.get(address)
        if trouble is None:
            return True
        if trouble.is_ill or now_s < trouble.until_s:
            return False
        # One request tries; the others keep away until it has succeeded, or said nothing for as long again.
        trouble.until_s, trouble.is_tried = now_s + trouble.cool_down_s, True
        return True

    def _in_turn(self) -> UpstreamAddress:
        address = self.addresses[self._next]
        self._next = (self._next + 1) % len(self.addresses)
        return address

    def _new_turn(self) -> int:
        self._turn += 1
        return self._turn
