"""The user of a verified login; the first one makes the user and their personal tenant."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.bounded import Bounded
from apiserver.ids import new_id
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants.facts import facts_of_tenant
from apiserver.tenants.tenants import Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import Identity, Profile, User, UserId
from common.clock import Clock
from common.randomness import Randomness

KNOWN_FOR = timedelta(minutes=1)
"""How long a user is taken from memory. Id and identity never part; another server may have heard of another
name, and a database that was restored may have no such user."""

_MOST_KNOWN = 20_000


@dataclass(frozen=True, slots=True)
class _Known:
    """What the storage said about a user whose token told this."""

    told: Profile
    user: User
    until: float


@dataclass(frozen=True)
class UserDirectory:
    storage: Storage
    clock: Clock
    randomness: Randomness
    auditor: Auditor
    _known: Bounded[Identity, _Known] = field(default_factory=lambda: Bounded(_MOST_KNOWN), init=False)

    async def user_of(self, identity: Identity, told: Profile) -> User:
        """The user with this identity, made now if this is the first login.

        `identity` must come from a verified token. What the provider tells is written only when it
        changed. However many first logins run at once, there is one user with one personal tenant.
        """
        known, now = self._known.get(identity), self.clock.monotonic()
        if known is not None and known.told == told and now < known.until:
            return known.user
        user = await self._found_or_made(identity, told)
        self._known.put(identity, _Known(told, user, now + KNOWN_FOR.total_seconds()))
        return user

    async def _found_or_made(self, identity: Identity, told: Profile) -> User:
        user = await self.storage.read(lambda view: view.users.by_identity(identity))
        if user is None:
            return await self._welcome(identity, told)
        profile = told.completed_by(user.profile)
        if profile == user.profile:
            return user
        user_id = user.id
        await self.storage.write(lambda transaction: transaction.users.set_profile(user_id, profile))
        return replace(user, profile=profile)

    async def _welcome(self, identity: Identity, profile: Profile) -> User:
        now = self.clock.now()
        user = User(
            id=UserId(new_id("usr", now, self.randomness)),
            identity=identity,
            profile=profile,
            created_at=now,
        )
        tenant = self._personal_tenant(user)

        async def welcome(transaction: Transaction) -> User | None:
            if not await transaction.users.add(user):
                return await transaction.users.by_identity(identity)
            await transaction.tenants.add(tenant)
            await transaction.tenants.add_member(tenant.id, user.id, Role.OWNER, joined_at=user.created_at)
            # The first event of the tenant's chain. It does not say from where: the request's line in the
            # log does, and logins have no other use for the request.
            deed = Deed(tenant.id, "tenant.created", "tenant", tenant.id, after=facts_of_tenant(tenant))
            await self.auditor.record(transaction, Actor("user", user.id, user.created_at), deed)
            return user

        welcomed = await self.storage.write(welcome)
        if welcomed is None:
            raise LookupError("a user that was there a moment ago is gone")
        return welcomed

    def _personal_tenant(self, user: User) -> Tenant:
        return Tenant(
            id=TenantId(new_id("ten", user.created_at, self.randomness)),
            name=user.profile.name or "Personal",
            kind=TenantKind.PRIVATE,
            personal_of=user.id,
            created_at=user.created_at,
        )
