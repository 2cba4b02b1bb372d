"""What a service token is: a scoped credential of a tenant that expires, for CI and services. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from apiserver.auth.scopes import Scope
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId

ServiceTokenId = NewType("ServiceTokenId", str)


class ServiceTokenState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """`owner_id` is the administrator who made it: it never does more than they may do themselves by now.

    Nothing of it is ever changed; who needs another one makes it.
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
