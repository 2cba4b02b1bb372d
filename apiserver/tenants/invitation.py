"""An invitation: lets one user, whoever brings its secret first, become a member of a tenant. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import UserId
from apiserver.texts import InvalidValueError

InvitationId = NewType("InvitationId", str)

DEFAULT_LIFETIME = timedelta(days=7)
LONGEST_LIFETIME = timedelta(days=30)


class InvitationState(StrEnum):
    """`open` is the only one in which it can be accepted."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    id: InvitationId
    tenant_id: TenantId
    role: Role
    secret_hash: bytes = field(repr=False)
    created_by: UserId
    created_at: datetime
    expires_at: datetime
    accepted_by: UserId | None = None
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> InvitationState:
        if self.accepted_at is not None:
            return InvitationState.ACCEPTED
        if self.revoked_at is not None:
            return InvitationState.REVOKED
        return InvitationState.EXPIRED if now >= self.expires_at else InvitationState.OPEN


def checked_expiry(asked: datetime | None, now: datetime) -> datetime:
    """When an invitation made now ends; raises `InvalidValueError`."""
    if asked is None:
        return now + DEFAULT_LIFETIME
    if asked <= now:
        raise InvalidValueError("The invitation would have expired already.")
    if asked > now + LONGEST_LIFETIME:
        raise InvalidValueError(f"An invitation holds for at most {LONGEST_LIFETIME.days} days.")
    return asked
