"""A tenant: the isolation border. Whatever is kept belongs to one, and is seen by its members alone."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from apiserver.tenants.users import Profile, UserId

TenantId = NewType("TenantId", str)


class TenantKind(StrEnum):
    """`private`: members only. `community`: any signed-in user may join."""

    PRIVATE = "private"
    COMMUNITY = "community"


class DeviceApproval(StrEnum):
    """Whether a device that joins may act at once, or waits until somebody approved it."""

    AUTOMATIC = "automatic"
    REQUIRED = "required"


class Role(StrEnum):
    """What a member may do; each one may do what the former ones may."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Tenant:
    """`personal_of` is the user whose personal tenant this is; each user has exactly one."""

    id: TenantId
    name: str
    kind: TenantKind
    personal_of: UserId | None
    created_at: datetime
    device_approval: DeviceApproval = DeviceApproval.AUTOMATIC
    version: int = 1


@dataclass(frozen=True, slots=True)
class Membership:
    """A tenant as one of its members sees it."""

    tenant: Tenant
    role: Role


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a tenant, as those who manage its members see them."""

    user_id: UserId
    profile: Profile
    role: Role
    joined_at: datetime
