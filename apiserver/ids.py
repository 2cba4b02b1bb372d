"""Ids of everything that is kept: a prefix that names the kind, the millisecond of making, random bits.

An id is public and never a secret. It is time-ordered, so that an index grows at one end, and random, so
that nobody can count or guess what others have.
"""

from datetime import UTC, datetime, timedelta

from apiserver.base62 import base62
from common.randomness import Randomness

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME_LENGTH = 8  # 62 ** 8 milliseconds: until the year 8888
_RANDOM_LENGTH = 14
_RANDOM_BITS = 83  # the most that always fit: 62 ** 14 > 2 ** 83
_RANDOM_BYTES = 11


def id_form(prefix: str) -> str:
    """The regular expression of these ids, and of no other text."""
    return f"{prefix}_[0-9A-Za-z]{{{_TIME_LENGTH + _RANDOM_LENGTH}}}"


def new_id(prefix: str, now: datetime, randomness: Randomness) -> str:
    """A new id such as `usr_0V3kq8Zw4x0T...`: 22 characters after the prefix.

    The random bits alone make it the only one: a clock that steps back, or stands, costs order and
    nothing else.
    """
    milliseconds = max((now - _EPOCH) // _MILLISECOND, 0)
    number = int.from_bytes(randomness.token_bytes(_RANDOM_BYTES)) >> (8 * _RANDOM_BYTES - _RANDOM_BITS)
    return f"{prefix}_{base62(milliseconds, _TIME_LENGTH)}{base62(number, _RANDOM_LENGTH)}"
