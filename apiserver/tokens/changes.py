"""How a registration token may be changed: its words freely, its power only downwards. Pure.

A token lies in scripts, images and hands that its owner has lost sight of. Whoever could raise what it may do
would raise it for all of them; for more there is a new token.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import Final, Literal, TypeVar

from apiserver.tokens.registration_token import RegistrationToken


class _Keep(Enum):
    KEEP = "keep"


KEEP: Final = _Keep.KEEP
"""Leave this as it is; None would say: take the limit away."""
Keep = Literal[_Keep.KEEP]

_Limit = TypeVar("_Limit", int, datetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChange:
    """What is asked for, checked value by value; whether it narrows is said here."""

    label: str | Keep = KEEP
    description: str | Keep = KEEP
    expires_at: datetime | Keep | None = KEEP
    max_uses: int | Keep | None = KEEP
    pre_approved: bool | Keep = KEEP


class WouldWidenError(Exception):
    """The token could do more afterwards. `names` are the fields, `detail` a sentence for the caller."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.detail = f"A registration token can only be narrowed; this would widen {', '.join(names)}."
        super().__init__(self.detail)


def would_widen(token: RegistrationToken, change: TokenChange) -> tuple[str, ...]:
    """The names of the fields in which the token could do more afterwards."""
    widened = {
        "expires_at": change.expires_at is not KEEP and _is_raised(token.expires_at, change.expires_at),
        "max_uses": change.max_uses is not KEEP and _is_raised(token.max_uses, change.max_uses),
        "pre_approved": change.pre_approved is True and not token.pre_approved,
    }
    return tuple(name for name, is_wider in widened.items() if is_wider)


def changed(token: RegistrationToken, change: TokenChange) -> RegistrationToken:
    """The token afterwards, with the next version; raises `WouldWidenError`.

    Fewer uses than were spent already are a way to close a token: it is used up, and never counts more
    than it allows.
    """
    names = would_widen(token, change)
    if names:
        raise WouldWidenError(names)
    values = {field.name: getattr(change, field.name) for field in fields(change)}
    asked = {name: value for name, value in values.items() if value is not KEEP}
    if isinstance(change.max_uses, int):
        asked["max_uses"] = max(change.max_uses, token.uses)
    return replace(token, version=token.version + 1, **asked)


def _is_raised(before: _Limit | None, after: _Limit | None) -> bool:
    """Whether a limit is higher than it was; None is no limit, higher than every other."""
    if before is None:
        return False
    return after is None or after > before
