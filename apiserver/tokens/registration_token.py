"""A registration token: what is kept of it, whether it may be used now, and what it forces. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.name_pattern import fits
from common.addresses import is_within
from common.env import Network

_FOR_EVER_S = 100 * 365 * 86_400
"""Added to a date, much more would leave the calendar."""

RegistrationTokenId = NewType("RegistrationTokenId", str)


class TokenState(StrEnum):
    """`active` is the only one in which a new device may join."""

    ACTIVE = "active"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    USED_UP = "used_up"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class DeviceChoice(StrEnum):
    """What becomes of the devices of a token that is revoked."""

    KEEP = "keep"
    SUSPEND = "suspend"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Forced:
    """What every device of a token gets, whatever it asks for."""

    tenant_id: TenantId
    owner_id: UserId
    taints: tuple[str, ...]
    labels: Mapping[str, str]
    ephemeral_s: int | None

    def over(self, asked: Mapping[str, str]) -> dict[str, str]:
        """The labels a device asked for, under those that are forced. How many these are is not checked."""
        return {**asked, **self.labels}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationToken:
    """Lets devices join one tenant. Its secrets are rows of their own: while it is rotated it has two.

    `max_uses` None: reusable. `idle_s`: unused for so long, it has expired. `ephemeral_s`: its devices leave
    after so long a silence. `next_allowed_at` is the state of its rate (`apiserver.tokens.rate`).
    """

    id: RegistrationTokenId
    tenant_id: TenantId
    owner_id: UserId
    label: str
    description: str
    max_uses: int | None
    uses: int
    expires_at: datetime | None
    not_before: datetime | None
    idle_s: int | None
    last_used_at: datetime | None
    taints: tuple[str, ...]
    labels: Mapping[str, str]
    name_pattern: str | None
    source_networks: tuple[Network, ...]
    pre_approved: bool
    ephemeral_s: int | None
    rate_per_minute: int | None
    next_allowed_at: datetime | None
    suspended_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    version: int

    def state(self, now: datetime) -> TokenState:
        """The state at this moment. Where several hold, the one that is hardest to leave.

        `used_up` comes last, since a device that is already in may come again with a used-up token: hiding
        a suspension behind it would let that device in.
        """
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self._has_expired(now):
            return TokenState.EXPIRED
        if self.suspended_at is not None:
            return TokenState.SUSPENDED
        if self.not_before is not None and now < self.not_before:
            return TokenState.NOT_YET_VALID
        if self.max_uses is not None and self.uses >= self.max_uses:
            return TokenState.USED_UP
        return TokenState.ACTIVE

    @property
    def ends_at(self) -> datetime | None:
        """When it expires, unless it is used before."""
        ends = [self.expires_at, self._idle_until()]
        return min((end for end in ends if end is not None), default=None)

    def lets_come_again(self, now: datetime) -> bool:
        """Whether a device that joined with it may do so again, which spends no use."""
        return self.state(now) in {TokenState.ACTIVE, TokenState.USED_UP}

    def allows_name(self, name: str) -> bool:
        return self.name_pattern is None or fits(self.name_pattern, name)

    def allows_source(self, address: str) -> bool:
        """`address` is the client's, as configured proxies vouch for it (`common.addresses`)."""
        return not self.source_networks or is_within(address, self.source_networks)

    def what_it_forces(self) -> Forced:
        return Forced(self.tenant_id, self.owner_id, self.taints, self.labels, self.ephemeral_s)

    def _has_expired(self, now: datetime) -> bool:
        return self.ends_at is not None and now >= self.ends_at

    def _idle_until(self) -> datetime | None:
        if self.idle_s is None:
            return None
        usable_since = max(self.created_at, self.not_before or self.created_at)
        return (self.last_used_at or usable_since) + timedelta(seconds=min(self.idle_s, _FOR_EVER_S))
