"""What goes into and comes out of the storage beside the models."""

from dataclasses import dataclass, field
from datetime import datetime

from apiserver.devices.device import DeviceId, DeviceState
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationTokenId


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What is kept of a secret: its public id, its hash, its times."""

    id: str
    hash: bytes = field(repr=False)
    created_at: datetime
    first_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FormerRequest:
    """What an Idempotency-Key was used for."""

    request_hash: bytes
    resource_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipPage:
    """Which tenants of a user are asked for; `after` is the id of the last one seen."""

    user_id: UserId
    limit: int
    is_newest_first: bool
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPage:
    """Which members are asked for, in the order of their user ids; `after` is the last one seen."""

    tenant_id: TenantId
    limit: int
    role: Role | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationPage:
    """Which invitations are asked for; `after` is the id of the last one seen."""

    tenant_id: TenantId
    limit: int
    is_newest_first: bool
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationTokenPage:
    """Which registration tokens are asked for; `after` is the id of the last one seen. None: any."""

    tenant_id: TenantId
    limit: int
    is_newest_first: bool
    owner_id: UserId | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTokenPage:
    """Which service tokens are asked for; `after` is the id of the last one seen."""

    tenant_id: TenantId
    limit: int
    is_newest_first: bool
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """Which devices are asked for. Without a state: all that have not ended.

    `after` is the last one seen: its id, or the key of its name where the order is that `by_name`.
    """

    tenant_id: TenantId
    limit: int
    by_name: bool
    is_descending: bool
    owner_id: UserId | None = None
    registration_token_id: RegistrationTokenId | None = None
    state: DeviceState | None = None
    name: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Which of many devices come next: at most so many, beyond the last one of the former step."""

    most: int
    after: DeviceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Which events are asked for; `since` is included, `until`, `before_seq` and `after_seq` are not."""

    tenant_id: TenantId
    limit: int
    is_newest_first: bool
    actor_id: str | None = None
    action: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_seq: int | None = None
    after_seq: int | None = None

    @property
    def has_filters(self) -> bool:
        """Whether there may be many events between two that are asked for."""
        return any(
            wanted is not None
            for wanted in (self.actor_id, self.action, self.target_id, self.since, self.until)
        )
