"""What a service token is: a scoped credential of a tenant that expires, for CI and services. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from apiserver.auth.scopes import Scope
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.texts import InvalidValueError, in_utc

ServiceTokenId = NewType("ServiceTokenId", str)

SERVICE_TOKEN_PREFIX = "svt_"  # noqa: S105 - the prefix of ids, which are public
DEFAULT_LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=366)


class ServiceTokenState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceToken:
    """`owner_id` is the administrator who made it: it never does more than they may do themselves by now.

    Nothing of what it may do is ever changed; who needs another one makes it.
    """

    id: ServiceTokenId
    tenant_id: TenantId
    owner_id: UserId
    label: str
    scopes: frozenset[Scope]
    secret_hash: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> ServiceTokenState:
        if self.revoked_at is not None:
            return ServiceTokenState.REVOKED
        return ServiceTokenState.EXPIRED if self.expires_at <= now else ServiceTokenState.ACTIVE


def checked_expiry(asked: datetime | None, now: datetime) -> datetime:
    """When a service token made now ends; raises `InvalidValueError`."""
    expires_at = in_utc(asked)
    if expires_at is None:
        return now + DEFAULT_LIFETIME
    if expires_at <= now:
        raise InvalidValueError("The service token would have expired already.")
    if expires_at > now + LONGEST_LIFETIME:
        raise InvalidValueError(f"A service token holds for at most {LONGEST_LIFETIME.days} days.")
    return expires_at
