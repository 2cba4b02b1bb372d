"""A signing key as it is kept, and when it signs, is published and is over. Pure.

    pending --its time comes--> signing --the next one signs--> retired --its last token is gone--> removed
    any of them --compromised--> withdrawn --its last token is gone--> removed

A key is published from the moment it is made, and signs only once every copy of the key set that may lie in
a cache has it. So a third party never meets a token whose key it cannot know.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from common.jwt import LEEWAY

KeyId = NewType("KeyId", str)

LONGEST_LIFE = timedelta(minutes=5)
"""Of a JWT that we sign."""

JWKS_MAX_AGE = timedelta(minutes=5)

LOOK_INTERVAL = timedelta(seconds=1)
"""How often each server looks which keys there are."""

# Twice: a cache in front of us may hand out a copy that is old already, and whoever gets it keeps it again.
LEAD = 2 * JWKS_MAX_AGE + LOOK_INTERVAL + LEEWAY
"""How long a new key is published before it signs."""

# A server whose clock is behind signs with the old one for so long; whoever verifies has a leeway as well.
KEPT_AFTER_LAST_SIGNATURE = LONGEST_LIFE + 2 * LEEWAY


class KeyState(StrEnum):
    PENDING = "pending"
    SIGNING = "signing"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`id` is the `kid`: the thumbprint of the public key (RFC 7638), which the private one tells."""

    id: KeyId
    algorithm: str
    sealed_private_key: bytes = field(repr=False)
    created_at: datetime
    signs_from: datetime
    withdrawn_at: datetime | None = None


def signing_at(keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
    """The key that signs now: the one whose time came last.

    Where no time has come, the clock of who made the first one is ahead of ours: it signs all the same.
    """
    live = [key for key in keys if key.withdrawn_at is None]
    ready = [key for key in live if key.signs_from <= now]
    return max(ready, key=_order) if ready else min(live, key=_order, default=None)


def state_of(key: SigningKey, keys: Sequence[SigningKey], now: datetime) -> KeyState:
    """What `key`, which is one of `keys`, is now."""
    if key.withdrawn_at is not None:
        return KeyState.WITHDRAWN
    if key == signing_at(keys, now):
        return KeyState.SIGNING
    return KeyState.PENDING if key.signs_from > now else KeyState.RETIRED


def is_over(key: SigningKey, keys: Sequence[SigningKey], now: datetime) -> bool:
    """Whether the last token that it signed is gone, everywhere."""
    signed_until = key.withdrawn_at or _followed_at(key, keys, now)
    return signed_until is not None and signed_until + KEPT_AFTER_LAST_SIGNATURE <= now


def _followed_at(key: SigningKey, keys: Sequence[SigningKey], now: datetime) -> datetime | None:
    later = [
        other.signs_from
        for other in keys
        if other.withdrawn_at is None and other.signs_from <= now and _order(other) > _order(key)
    ]
    return min(later, default=None)


def _order(key: SigningKey) -> tuple[datetime, str]:
    return key.signs_from, key.id
