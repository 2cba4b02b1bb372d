"""What the storage promises. Every engine keeps all of it; tests/apiserver/storage holds each to it.

Times are given by the caller and come back aware, in UTC. What is not there is None or an empty list, never
an error. Every method may raise `StorageUnavailableError`.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from apiserver.tenants.tenants import Membership, Role, Tenant, TenantId
from apiserver.tenants.users import Identity, Profile, User, UserId


class UserRepository(Protocol):
    async def by_identity(self, identity: Identity) -> User | None: ...

    async def add(self, user: User) -> bool:
        """Whether the user was added. False, and nothing written, when that identity is already there.

        Of many who add one identity at once exactly one is told True; the others then find that user.
        """
        ...

    async def set_profile(self, user_id: UserId, profile: Profile) -> None: ...


class TenantRepository(Protocol):
    async def add(self, tenant: Tenant) -> None:
        """A second personal tenant of one user is an error, and the transaction is lost."""
        ...

    async def add_member(
        self, tenant_id: TenantId, user_id: UserId, role: Role, *, joined_at: datetime
    ) -> None: ...

    async def memberships_of(self, user_id: UserId) -> Sequence[Membership]:
        """All tenants of the user: the personal one first, then in the order they were joined."""
        ...


class Transaction(Protocol):
    """Reads and writes that belong together."""

    @property
    def users(self) -> UserRepository: ...

    @property
    def tenants(self) -> TenantRepository: ...


class Storage(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """All or nothing: leaving the block normally keeps everything durably, an error leaves no trace.

        Writers may wait for each other, so nothing slow and nothing outside belongs inside.
        """
        ...

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """One unchanging view for reads. It does not wait for writers nor hold them up; a write fails."""
        ...

    async def ping(self) -> None:
        """Returns when the storage answers."""
        ...
