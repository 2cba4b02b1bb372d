"""What the storage promises about users, tenants and members: a part of `contracts`, whose rules hold."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from apiserver.storage.records import InvitationPage, MemberPage, MembershipPage
from apiserver.tenants.invitation import Invitation, InvitationId
from apiserver.tenants.tenants import Member, Membership, Role, Tenant, TenantId
from apiserver.tenants.users import Identity, Profile, User, UserId


class UserRepository(Protocol):
    async def by_id(self, user_id: UserId) -> User | None: ...

    async def by_identity(self, identity: Identity) -> User | None: ...

    async def add(self, user: User) -> bool:
        """Whether the user was added. False, and nothing written, when that identity is already there.

        Of many who add one identity at once exactly one is told True; the others then find that user.
        """
        ...

    async def set_profile(self, user_id: UserId, profile: Profile) -> None: ...


class TenantRepository(Protocol):
    async def add(self, tenant: Tenant) -> None:
        """A second personal tenant of one user is a `ConstraintError`, and the transaction is lost."""
        ...

    async def by_id(self, tenant_id: TenantId) -> Tenant | None:
        """None for one that was deleted."""
        ...

    async def locked(self, tenant_id: TenantId) -> Tenant | None:
        """As `by_id`. Whoever changes a tenant, its members or its invitations locks it first."""
        ...

    async def update(self, tenant: Tenant) -> None:
        """Writes what people change of a locked tenant."""
        ...

    async def delete(self, tenant_id: TenantId, now: datetime) -> None:
        """Nobody finds a tenant that was deleted; its rows stay."""
        ...

    async def add_member(
        self, tenant_id: TenantId, user_id: UserId, role: Role, *, joined_at: datetime
    ) -> bool:
        """False, and nothing written, when the user is a member."""
        ...

    async def set_role(self, tenant_id: TenantId, user_id: UserId, role: Role) -> None: ...

    async def remove_member(self, tenant_id: TenantId, user_id: UserId) -> None: ...

    async def bar(self, tenant_id: TenantId, user_id: UserId, since: datetime) -> None:
        """Notes that the user may not join by themselves. Who is barred already stays so."""
        ...

    async def unbar(self, tenant_id: TenantId, user_id: UserId) -> None: ...

    async def is_barred(self, tenant_id: TenantId, user_id: UserId) -> bool: ...

    async def member(self, tenant_id: TenantId, user_id: UserId) -> Member | None: ...

    async def members(self, page: MemberPage) -> Sequence[Member]: ...

    async def count_owners(self, tenant_id: TenantId) -> int: ...

    async def membership(self, tenant_id: TenantId, user_id: UserId) -> Membership | None:
        """None where the user is no member, and for a tenant that was deleted.

        In a unit that writes it stays as it is until the end: whoever removes the member waits for what
        was done as one, and then finds it.
        """
        ...

    async def memberships(self, page: MembershipPage) -> Sequence[Membership]: ...

    async def personal_of(self, user_id: UserId) -> TenantId:
        """Raises `LookupError` for a user who was never added."""
        ...

    async def memberships_of(self, user_id: UserId) -> Sequence[Membership]:
        """All tenants of the user: the personal one first, then in the order they were joined."""
        ...


class InvitationRepository(Protocol):
    async def add(self, invitation: Invitation) -> None: ...

    async def by_id(self, invitation_id: InvitationId) -> Invitation | None: ...

    async def page(self, page: InvitationPage) -> Sequence[Invitation]: ...

    async def accept(self, invitation_id: InvitationId, user_id: UserId, now: datetime) -> bool:
        """Whether it was open and is now accepted. Of many who do it at once, one is told True."""
        ...

    async def revoke(self, invitation_id: InvitationId, now: datetime) -> bool:
        """Whether it was neither accepted nor revoked, and is revoked now."""
        ...

    async def revoke_made_by(self, tenant_id: TenantId, user_id: UserId, role: Role, now: datetime) -> int:
        """Revokes the open ones to this role that the user made; gives their number."""
        ...

    async def replace_secret(self, invitation_id: InvitationId, secret_hash: bytes) -> None: ...
