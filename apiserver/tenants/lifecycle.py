"""Making, changing and deleting tenants: one transaction each, with its audit event."""

from dataclasses import dataclass, replace

from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.auth.permissions import Deed as Permission
from apiserver.etags import check_version
from apiserver.idempotency import RepeatableRequest
from apiserver.ids import new_id
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants import refusals
from apiserver.tenants.facts import facts_of_tenant
from apiserver.tenants.membership import membership_to_change, no_such_thing
from apiserver.tenants.tenants import DeviceApproval, Membership, Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import UserId
from common.randomness import Randomness


@dataclass(frozen=True, slots=True)
class AskedTenant:
    """What a user asks for, checked value by value."""

    name: str
    kind: TenantKind
    device_approval: DeviceApproval


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What is asked for, checked value by value; None: leave it as it is."""

    name: str | None = None
    kind: TenantKind | None = None
    device_approval: DeviceApproval | None = None


@dataclass(frozen=True)
class TenantLifecycle:
    storage: Storage
    auditor: Auditor
    randomness: Randomness

    async def create(
        self, user_id: UserId, asked: AskedTenant, actor: Actor, repeatable: RepeatableRequest | None
    ) -> tuple[Membership, bool]:
        """The tenant, with the user as its owner, and whether it is new."""

        async def work(transaction: Transaction) -> tuple[Membership, bool]:
            former_id = repeatable and await repeatable.former_resource(transaction)
            if former_id:
                return await self._former(transaction, TenantId(former_id), user_id), False
            tenant = self._tenant(asked, actor)
            await transaction.tenants.add(tenant)
            await transaction.tenants.add_member(tenant.id, user_id, Role.OWNER, joined_at=actor.at)
            if repeatable is not None:
                await repeatable.remember(transaction, tenant.id, actor.at)
            deed = Deed(tenant.id, "tenant.created", "tenant", tenant.id, after=facts_of_tenant(tenant))
            await self.auditor.record(transaction, actor, deed)
            return Membership(tenant, Role.OWNER), True

        return await self.storage.write(work)

    async def change(
        self, user_id: UserId, tenant_id: TenantId, change: TenantChange, actor: Actor, version: int | None
    ) -> Membership:
        """Raises `ProblemError` when the tenant is not of that version any more."""

        async def work(transaction: Transaction) -> Membership:
            membership = await membership_to_change(transaction, tenant_id, user_id, Permission.CHANGE_TENANT)
            tenant = membership.tenant
            check_version(version, tenant.version)
            changed = _changed(tenant, change)
            if changed == tenant:
                return membership
            await transaction.tenants.update(changed)
            before, after = facts_of_tenant(tenant), facts_of_tenant(changed)
            deed = Deed(tenant_id, "tenant.changed", "tenant", tenant_id, before, after)
            await self.auditor.record(transaction, actor, deed)
            return replace(membership, tenant=changed)

        return await self.storage.write(work)

    async def delete(self, user_id: UserId, tenant_id: TenantId, actor: Actor) -> None:
        """Its registration and service tokens end with it. Raises `ProblemError` while it has devices."""

        async def work(transaction: Transaction) -> None:
            membership = await membership_to_change(transaction, tenant_id, user_id, Permission.DELETE_TENANT)
            tenant = membership.tenant
            if tenant.personal_of is not None:
                raise refusals.personal_tenant_stays()
            # Tokens first: this waits for who is registering with one, and what came of it is counted below.
            await transaction.registration_tokens.revoke_of_tenant(tenant_id, actor.at)
            devices = await transaction.device_sets.of_tenant(tenant_id).count()
            if devices:
                raise refusals.tenant_has_devices(devices)
            await transaction.service_tokens.revoke_of_tenant(tenant_id, actor.at)
            await transaction.tenants.delete(tenant_id, actor.at)
            deed = Deed(tenant_id, "tenant.deleted", "tenant", tenant_id, before=facts_of_tenant(tenant))
            await self.auditor.record(transaction, actor, deed)

        await self.storage.write(work)

    async def _former(self, transaction: Transaction, tenant_id: TenantId, user_id: UserId) -> Membership:
        membership = await transaction.tenants.membership(tenant_id, user_id)
        if membership is None:
            raise no_such_thing("tenant")
        return membership

    def _tenant(self, asked: AskedTenant, actor: Actor) -> Tenant:
        return Tenant(
            id=TenantId(new_id("ten", actor.at, self.randomness)),
            name=asked.name,
            kind=asked.kind,
            personal_of=None,
            created_at=actor.at,
            device_approval=asked.device_approval,
        )


def _changed(tenant: Tenant, change: TenantChange) -> Tenant:
    """Raises `ProblemError` for a personal tenant that others could join then."""
    changed = replace(
        tenant,
        name=change.name or tenant.name,
        kind=change.kind or tenant.kind,
        device_approval=change.device_approval or tenant.device_approval,
    )
    if tenant.personal_of is not None and changed.kind is not tenant.kind:
        raise refusals.personal_tenant_is_not_shared()
    return tenant if changed == tenant else replace(changed, version=tenant.version + 1)
