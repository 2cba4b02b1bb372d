"""How many registrations a minute a token allows: GCRA, a leaky bucket whose state is one moment. Pure."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

_MINUTE = timedelta(minutes=1)
_FARTHEST = 2 * _MINUTE


@dataclass(frozen=True, slots=True)
class Allowed:
    """One more may register, if `next_allowed_at` is stored over the value that was decided on."""

    next_allowed_at: datetime


@dataclass(frozen=True, slots=True)
class TooFast:
    """Nothing is to be stored."""

    retry_after_s: int


def decide(next_allowed_at: datetime | None, now: datetime, rate_per_minute: int) -> Allowed | TooFast:
    """Whether one more may register now: a whole minute's worth at once, then evenly spread.

    `next_allowed_at` is the moment at which all that was allowed has been paid off: at most a minute away.
    One far beyond that was written before the clock stepped back; the count begins again, since the token
    would otherwise be shut for as long as the step. Two minutes leave room for servers whose clocks differ.
    """
    paid_at = max(next_allowed_at or now, now)
    if paid_at - now > _FARTHEST:
        paid_at = now
    price = _MINUTE // rate_per_minute  # rounded up, a minute's worth would not fit into the minute
    early = paid_at + price - _MINUTE - now
    if early > timedelta(0):
        return TooFast(math.ceil(early.total_seconds()))
    return Allowed(paid_at + price)
