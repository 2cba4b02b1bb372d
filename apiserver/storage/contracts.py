"""What the storage promises. Every engine keeps all of it; tests/apiserver/storage holds each to it.

Times are given by the caller and come back aware, in UTC. What is not there is None or an empty list, never
an error. Every method may raise `StorageUnavailableError`.
"""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from apiserver.tenants.tenants import Membership, Role, Tenant, TenantId
from apiserver.tenants.users import Identity, Profile, User, UserId

T = TypeVar("T")


class OvertakenError(Exception):
    """Raised inside a unit of work: another server took what it was about to take. It is run again."""


class ConstraintError(Exception):
    """A rule of the schema was broken: a mistake of ours, the next try would fail the same way."""


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
        """A second personal tenant of one user is a `ConstraintError`, and the transaction is lost."""
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


Work: TypeAlias = Callable[[Transaction], Coroutine[Any, Any, T]]
"""A unit of work: an async function that awaits nothing but its transaction.

It may be run in another thread, and again from its start: it changes nothing outside its transaction.
"""


class Storage(Protocol):
    async def write(self, work: Work[T]) -> T:
        """All or nothing: what `work` returns comes back once everything is kept durably.

        What it raises is raised here and leaves no trace. Writers may wait for each other, so nothing slow
        and nothing outside belongs inside.
        """
        ...

    async def read(self, work: Work[T]) -> T:
        """One unchanging view for reads. It does not wait for writers nor hold them up; a write fails.

        What was acknowledged before the call is seen.
        """
        ...

    async def ping(self) -> None:
        """Returns when the storage answers."""
        ...
