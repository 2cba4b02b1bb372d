"""The bodies that this package reads and answers. The OpenAPI document is made of these types."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from apiserver.answers import Resource
from apiserver.bodies import Body, Query
from apiserver.fields import InvitationIdText, Label, Limit, TenantIdText, Time, UserIdText
from apiserver.pages import DEFAULT_LIMIT
from apiserver.tenants.invitation import Invitation, InvitationState
from apiserver.tenants.invitations import Invited
from apiserver.tenants.tenants import DeviceApproval, Member, Membership, Role, TenantKind
from apiserver.tenants.users import User

_NewestFirstOrLast = Literal["created_at", "-created_at"]


class MyTenant(msgspec.Struct, frozen=True):
    """A tenant that the caller is in, and the caller's role there."""

    id: TenantIdText
    name: str
    kind: TenantKind
    role: Role


class Me(msgspec.Struct, frozen=True):
    """The signed-in user. `name` and `email` are what the provider told; null when it told nothing."""

    id: UserIdText
    issuer: str
    subject: str
    name: str | None
    email: str | None
    created_at: Time
    personal_tenant_id: TenantIdText
    tenants: list[MyTenant]


class NewTenant(Body, frozen=True):
    """With `device_approval` `required`, devices wait until an administrator approves them."""

    name: Label
    kind: TenantKind = TenantKind.PRIVATE
    device_approval: DeviceApproval = DeviceApproval.AUTOMATIC


class ChangedTenant(Body, frozen=True):
    """What stays away stays as it is."""

    name: Label | UnsetType = UNSET
    kind: TenantKind | UnsetType = UNSET
    device_approval: DeviceApproval | UnsetType = UNSET


class TenantAnswer(Resource, frozen=True):
    """A tenant, and the caller's `role` in it. A personal one is of its user alone."""

    id: TenantIdText
    name: str
    kind: TenantKind
    is_personal: bool
    device_approval: DeviceApproval
    role: Role
    created_at: Time


class TenantQuery(Query, frozen=True):
    sort: _NewestFirstOrLast = "created_at"
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


class TenantList(msgspec.Struct, frozen=True):
    """`next_cursor` is null on the last page."""

    items: list[TenantAnswer]
    next_cursor: str | None


class ChangedMember(Body, frozen=True):
    role: Role


class MemberAnswer(msgspec.Struct, frozen=True):
    """A member of a tenant. `name` and `email` are what the provider told of the user."""

    user_id: UserIdText
    name: str | None
    email: str | None
    role: Role
    joined_at: Time


class MemberQuery(Query, frozen=True):
    role: Role | None = None
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


class MemberList(msgspec.Struct, frozen=True):
    """In the order of the user ids. `next_cursor` is null on the last page."""

    items: list[MemberAnswer]
    next_cursor: str | None


class NewInvitation(Body, frozen=True):
    """Without `expires_at` it holds for 7 days; 30 are the most."""

    role: Role
    expires_at: Time | None = None


class InvitationAnswer(msgspec.Struct, frozen=True):
    id: InvitationIdText
    tenant_id: TenantIdText
    role: Role
    state: InvitationState
    created_by: UserIdText
    created_at: Time
    expires_at: Time
    accepted_by: UserIdText | None
    accepted_at: Time | None
    revoked_at: Time | None


class CreatedInvitation(msgspec.Struct, frozen=True):
    """The invitation, with its `token`: shown once, for the one who is invited."""

    id: InvitationIdText
    tenant_id: TenantIdText
    role: Role
    created_by: UserIdText
    created_at: Time
    expires_at: Time
    token: str


class InvitationQuery(Query, frozen=True):
    sort: _NewestFirstOrLast = "-created_at"
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


class InvitationList(msgspec.Struct, frozen=True):
    """`next_cursor` is null on the last page."""

    items: list[InvitationAnswer]
    next_cursor: str | None


class BroughtInvitation(Body, frozen=True):
    token: str


def me(user: User, memberships: Sequence[Membership]) -> Me:
    """`memberships` begin with the personal one, as the storage promises."""
    return Me(
        id=user.id,
        issuer=user.identity.issuer,
        subject=user.identity.subject,
        name=user.profile.name,
        email=user.profile.email,
        created_at=user.created_at,
        personal_tenant_id=memberships[0].tenant.id,
        tenants=[
            MyTenant(
                id=membership.tenant.id,
                name=membership.tenant.name,
                kind=membership.tenant.kind,
                role=membership.role,
            )
            for membership in memberships
        ],
    )


def tenant_answer(membership: Membership) -> TenantAnswer:
    tenant = membership.tenant
    return TenantAnswer(
        id=tenant.id,
        name=tenant.name,
        kind=tenant.kind,
        is_personal=tenant.personal_of is not None,
        device_approval=tenant.device_approval,
        role=membership.role,
        created_at=tenant.created_at,
    )


def member_answer(member: Member) -> MemberAnswer:
    return MemberAnswer(
        user_id=member.user_id,
        name=member.profile.name,
        email=member.profile.email,
        role=member.role,
        joined_at=member.joined_at,
    )


def invitation_answer(invitation: Invitation, now: datetime) -> InvitationAnswer:
    return InvitationAnswer(
        id=invitation.id,
        tenant_id=invitation.tenant_id,
        role=invitation.role,
        state=invitation.state(now),
        created_by=invitation.created_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        accepted_by=invitation.accepted_by,
        accepted_at=invitation.accepted_at,
        revoked_at=invitation.revoked_at,
    )


def created_invitation(invited: Invited) -> CreatedInvitation:
    invitation = invited.invitation
    return CreatedInvitation(
        id=invitation.id,
        tenant_id=invitation.tenant_id,
        role=invitation.role,
        created_by=invitation.created_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        token=invited.secret.reveal(),
    )
