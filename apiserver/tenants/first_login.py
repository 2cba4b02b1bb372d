"""The user of a verified login; the first one makes the user and their personal tenant."""

from dataclasses import dataclass, replace

from apiserver.ids import new_id
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants.tenants import Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import Identity, Profile, User, UserId
from common.clock import Clock
from common.randomness import Randomness


@dataclass(frozen=True)
class UserDirectory:
    storage: Storage
    clock: Clock
    randomness: Randomness

    async def user_of(self, identity: Identity, told: Profile) -> User:
        """The user with this identity, made now if this is the first login.

        `identity` must come from a verified token. What the provider tells is written only when it
        changed. However many first logins run at once, there is one user with one personal tenant.
        """
        async with self.storage.reading() as view:
            user = await view.users.by_identity(identity)
        if user is None:
            return await self._welcome(identity, told)
        profile = told.completed_by(user.profile)
        if profile == user.profile:
            return user
        async with self.storage.transaction() as transaction:
            await transaction.users.set_profile(user.id, profile)
        return replace(user, profile=profile)

    async def _welcome(self, identity: Identity, profile: Profile) -> User:
        user = User(
            id=UserId(new_id("usr", self.randomness)),
            identity=identity,
            profile=profile,
            created_at=self.clock.now(),
        )
        async with self.storage.transaction() as transaction:
            if await transaction.users.add(user):
                await self._add_personal_tenant(transaction, user)
                return user
            there = await transaction.users.by_identity(identity)
        if there is None:
            raise LookupError("a user that was there a moment ago is gone")
        return there

    async def _add_personal_tenant(self, transaction: Transaction, user: User) -> None:
        tenant = Tenant(
            id=TenantId(new_id("ten", self.randomness)),
            name=user.profile.name or "Personal",
            kind=TenantKind.PRIVATE,
            personal_of=user.id,
            created_at=user.created_at,
        )
        await transaction.tenants.add(tenant)
        await transaction.tenants.add_member(tenant.id, user.id, Role.OWNER, joined_at=user.created_at)
