"""Who is in a tenant, and as what: joining, roles, leaving. One transaction each, with its audit event.

Only the devices of who leaves are suspended in several: there may be very many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apiserver.audit.trail import Actor, Auditor, Deed, Facts
from apiserver.auth.permissions import Deed as Permission
from apiserver.auth.permissions import Reach, may_grant, reach
from apiserver.devices.device import OWNER_LEFT, DeviceId
from apiserver.devices.steps import DEVICES_AT_ONCE, do_the_rest
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import Step
from apiserver.tenants import refusals
from apiserver.tenants.membership import lock, membership_to_change, no_such_thing
from apiserver.tenants.tenants import Member, Membership, Role, TenantId, TenantKind
from apiserver.tenants.users import UserId

_WHO_JOINS_IS = Role.MEMBER


@dataclass(frozen=True)
class Members:
    storage: Storage
    auditor: Auditor
    devices_at_once: int = DEVICES_AT_ONCE

    async def join(self, user_id: UserId, tenant_id: TenantId, actor: Actor) -> Membership:
        """The user becomes a member of a community tenant. A private one is 404 to who is not in it.

        Raises `ProblemError` for who was removed, or left as less than they would become.
        """

        async def work(transaction: Transaction) -> Membership:
            tenant = await lock(transaction, tenant_id)
            if await transaction.tenants.membership(tenant_id, user_id) is not None:
                raise refusals.already_member()
            if tenant.kind is not TenantKind.COMMUNITY:
                raise no_such_thing("tenant")
            if await transaction.tenants.is_barred(tenant_id, user_id):
                raise refusals.takes_an_invitation()
            await transaction.tenants.add_member(tenant_id, user_id, _WHO_JOINS_IS, joined_at=actor.at)
            deed = deed_on_member(tenant_id, user_id, "joined", after={"role": _WHO_JOINS_IS})
            await self.auditor.record(transaction, actor, deed)
            return Membership(tenant, _WHO_JOINS_IS)

        return await self.storage.write(work)

    async def set_role(
        self, user_id: UserId, tenant_id: TenantId, member_id: UserId, role: Role, actor: Actor
    ) -> Member:
        """Raises `ProblemError` where a role is not the user's to give or take, and for the last owner."""

        async def work(transaction: Transaction) -> Member:
            own = await membership_to_change(transaction, tenant_id, user_id, Permission.MANAGE_MEMBERS)
            member = await _found(transaction, tenant_id, member_id)
            if member.role is role:
                return member
            check_may_grant(own.role, role)
            check_may_grant(own.role, member.role)
            await _check_an_owner_stays(transaction, tenant_id, member)
            await transaction.tenants.set_role(tenant_id, member_id, role)
            ended = await _end_what_role_ends(transaction, tenant_id, member_id, role, actor)
            before, after = {"role": member.role}, {"role": role, **ended}
            deed = deed_on_member(tenant_id, member_id, "role_changed", before, after)
            await self.auditor.record(transaction, actor, deed)
            return replace(member, role=role)

        return await self.storage.write(work)

    async def leave(self, user_id: UserId, tenant_id: TenantId, actor: Actor) -> None:
        """Whatever the user's role. Their devices and registration tokens there are suspended.

        Where that is broken off the user has left, and nothing there is theirs to do: `remove` does the rest.
        """

        async def begin(transaction: Transaction) -> Sequence[DeviceId]:
            await lock(transaction, tenant_id)
            member = await transaction.tenants.member(tenant_id, user_id)
            if member is None:
                raise no_such_thing("tenant")
            suspended = await self._end(transaction, tenant_id, member, actor, "left")
            if _is_less(member.role, _WHO_JOINS_IS):
                # Without this a member who was made a viewer would leave, join, and be a member.
                await transaction.tenants.bar(tenant_id, user_id, actor.at)
            return suspended

        await self._suspend_the_rest(tenant_id, user_id, actor, await self.storage.write(begin))

    async def remove(self, user_id: UserId, tenant_id: TenantId, member_id: UserId, actor: Actor) -> None:
        """Another one removes the member. Their devices and registration tokens there are suspended.

        A repeat of one that was broken off does the rest: of who is gone already, devices are suspended.
        """

        async def begin(transaction: Transaction) -> Sequence[DeviceId]:
            own = await membership_to_change(transaction, tenant_id, user_id, Permission.MANAGE_MEMBERS)
            member = await transaction.tenants.member(tenant_id, member_id)
            if member is None:
                left = await self._suspend(
                    transaction, tenant_id, member_id, actor, Step(self.devices_at_once)
                )
                if not left:
                    raise no_such_thing("member")
                return left
            check_may_grant(own.role, member.role)
            suspended = await self._end(transaction, tenant_id, member, actor, "removed")
            await transaction.tenants.bar(tenant_id, member_id, actor.at)
            return suspended

        await self._suspend_the_rest(tenant_id, member_id, actor, await self.storage.write(begin))

    async def _end(
        self, transaction: Transaction, tenant_id: TenantId, member: Member, actor: Actor, verb: str
    ) -> Sequence[DeviceId]:
        """Gives the devices of the first step."""
        await _check_an_owner_stays(transaction, tenant_id, member)
        await transaction.tenants.remove_member(tenant_id, member.user_id)
        ended = await _end_what_role_ends(transaction, tenant_id, member.user_id, None, actor)
        # After the tokens, whose locks let no more devices in.
        devices = transaction.device_sets.of_owner(tenant_id, member.user_id)
        suspended = await devices.suspend(OWNER_LEFT, Step(self.devices_at_once))
        after = {**ended, **_told(suspended)}
        deed = deed_on_member(tenant_id, member.user_id, verb, {"role": member.role}, after)
        await self.auditor.record(transaction, actor, deed)
        return suspended

    async def _suspend_the_rest(
        self, tenant_id: TenantId, user_id: UserId, actor: Actor, first: Sequence[DeviceId]
    ) -> None:
        async def go_on(transaction: Transaction, step: Step) -> Sequence[DeviceId]:
            await transaction.tenants.locked(tenant_id)
            if await transaction.tenants.member(tenant_id, user_id) is not None:
                # Who has come back meanwhile may resume devices, and register new ones.
                return []
            return await self._suspend(transaction, tenant_id, user_id, actor, step)

        await do_the_rest(self.storage, go_on, first, self.devices_at_once)

    async def _suspend(
        self, transaction: Transaction, tenant_id: TenantId, user_id: UserId, actor: Actor, step: Step
    ) -> Sequence[DeviceId]:
        devices = transaction.device_sets.of_owner(tenant_id, user_id)
        suspended = await devices.suspend(OWNER_LEFT, step)
        if suspended:
            deed = deed_on_member(tenant_id, user_id, "devices_suspended", after=_told(suspended))
            await self.auditor.record(transaction, actor, deed)
        return suspended


def _told(suspended: Sequence[DeviceId]) -> dict[str, object]:
    """Of one step: each has an event of its own."""
    return {"suspended_devices": len(suspended), "suspended_device_ids": suspended}


def deed_on_member(
    tenant_id: TenantId, user_id: UserId, verb: str, before: Facts | None = None, after: Facts | None = None
) -> Deed:
    return Deed(tenant_id, f"member.{verb}", "user", user_id, before, after)


def check_may_grant(giver: Role, role: Role) -> None:
    """Raises `ProblemError`. That the giver manages members at all was checked."""
    if not may_grant(giver, role):
        raise refusals.role_not_yours_to_give(role)


def _is_less(role: Role, other: Role) -> bool:
    """Each role may do what those may that stand before it."""
    ranks = list(Role)
    return ranks.index(role) < ranks.index(other)


async def _found(transaction: Transaction, tenant_id: TenantId, member_id: UserId) -> Member:
    member = await transaction.tenants.member(tenant_id, member_id)
    if member is None:
        raise no_such_thing("member")
    return member


async def _check_an_owner_stays(transaction: Transaction, tenant_id: TenantId, leaving: Member) -> None:
    """Of two owners who leave at once the later one finds itself alone: the tenant is locked."""
    if leaving.role is Role.OWNER and await transaction.tenants.count_owners(tenant_id) == 1:
        raise refusals.last_owner()


async def _end_what_role_ends(
    transaction: Transaction, tenant_id: TenantId, user_id: UserId, role: Role | None, actor: Actor
) -> dict[str, int]:
    """Ends what somebody with this role, or who is no member any more, may no longer have; counts it.

    Without this, who is about to be removed could keep an invitation for themselves; who may register no
    devices could let them in by a registration token, and who may approve none by one that pre-approves.
    """
    not_theirs = [given for given in Role if role is None or not may_grant(role, given)]
    invitations = 0
    for given in not_theirs:
        invitations += await transaction.invitations.revoke_made_by(tenant_id, user_id, given, actor.at)
    tokens = await _suspend_tokens(transaction, tenant_id, user_id, role, actor)
    ended = {"revoked_invitations": invitations, "suspended_registration_tokens": tokens}
    if role is None:
        # They could do nothing any more, but would again as soon as their maker is a member again. A maker
        # who may less than before needs nothing here: neither may what acts for them.
        services = await transaction.service_tokens.revoke_of_owner(tenant_id, user_id, actor.at)
        ended["revoked_service_tokens"] = services
    return ended


async def _suspend_tokens(
    transaction: Transaction, tenant_id: TenantId, user_id: UserId, role: Role | None, actor: Actor
) -> int:
    tokens = transaction.registration_tokens
    if role is None or reach(role, Permission.MANAGE_REGISTRATION_TOKENS) is Reach.NONE:
        return await tokens.suspend_of_owner(tenant_id, user_id, actor.at)
    if reach(role, Permission.APPROVE_DEVICES) is not Reach.ALL:
        return await tokens.suspend_vouching_of_owner(tenant_id, user_id, actor.at)
    return 0
