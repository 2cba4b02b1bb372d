"""What people do to a device, and a device to itself: one transaction each, with its audit event."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.auth.permissions import Deed as Permission
from apiserver.auth.permissions import Reach, reach
from apiserver.devices import refusals
from apiserver.devices.comes_again import come_again, minted_token, stored
from apiserver.devices.device import (
    BY_ADMINISTRATOR,
    Device,
    DeviceId,
    DeviceState,
    WrongStateError,
    approve,
    expire,
    resume,
    revoke,
    suspend_by_user,
    take_over,
)
from apiserver.devices.facts import facts_of
from apiserver.devices.register import Registered
from apiserver.etags import changed_meanwhile, check_version
from apiserver.storage.contracts import ConstraintError, Storage, Transaction
from apiserver.tenants.acting import Acting, in_person
from apiserver.tenants.membership import allowed_on, no_such_thing
from apiserver.tenants.tenants import Membership
from apiserver.tenants.users import UserId
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness

Rule = Callable[[Device], Device]


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """What is asked for, checked value by value; None: leave it as it is."""

    name: str | None = None
    labels: dict[str, str] | None = None
    taints: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DeviceLifecycle:
    storage: Storage
    auditor: Auditor
    randomness: Randomness

    async def approve(self, acting: Acting, device_id: DeviceId, actor: Actor) -> Device:
        return await self._by_member(
            acting, device_id, Permission.APPROVE_DEVICES, partial(approve, now=actor.at), actor, "approved"
        )

    async def suspend(self, acting: Acting, device_id: DeviceId, actor: Actor) -> Device:
        return await self._by_member(
            acting,
            device_id,
            Permission.MANAGE_DEVICES,
            partial(suspend_by_user, user_id=acting.user_id),
            actor,
            "suspended",
        )

    async def resume(self, acting: Acting, device_id: DeviceId, actor: Actor) -> Device:
        """What an administrator suspended, only those resume who may approve devices."""

        async def work(transaction: Transaction) -> Device:
            device, membership = await self._allowed(
                transaction, acting, device_id, Permission.MANAGE_DEVICES
            )
            is_administrator = reach(membership.role, Permission.APPROVE_DEVICES) is Reach.ALL
            if device.state_reason == BY_ADMINISTRATOR and not is_administrator:
                raise refusals.suspended_by_administrator()
            return await self._write(transaction, device, _ruled(resume, device), actor, "resumed")

        return await self.storage.write(work)

    async def revoke(self, acting: Acting, device_id: DeviceId, actor: Actor) -> Device:
        """A device that was revoked stays so: nothing is done a second time."""
        return await self._by_member(
            acting,
            device_id,
            Permission.MANAGE_DEVICES,
            lambda device: device if device.state is DeviceState.REVOKED else revoke(device, actor.at),
            actor,
            "revoked",
        )

    async def take_over(self, user_id: UserId, device_id: DeviceId, actor: Actor) -> Device:
        """An administrator becomes the owner; a device that was suspended since its owner left acts again."""
        return await self._by_member(
            in_person(user_id),
            device_id,
            Permission.APPROVE_DEVICES,
            partial(take_over, owner_id=user_id),
            actor,
            "taken_over",
        )

    async def change(
        self, acting: Acting, device_id: DeviceId, change: DeviceChange, actor: Actor, version: int | None
    ) -> Device:
        """Raises `ProblemError` when the device is not of that version any more."""
        permission = Permission.MANAGE_DEVICES if change.taints is None else Permission.APPROVE_DEVICES

        async def work(transaction: Transaction) -> Device:
            device, _ = await self._allowed(transaction, acting, device_id, permission)
            check_version(version, device.version)
            if device.ended_at is not None:
                raise _wrong_state(f"A device that is {device.state.value} cannot be changed.")
            changed = _changed(device, change)
            return await self._write(transaction, device, changed, actor, "changed")

        try:
            return await self.storage.write(work)
        except ConstraintError:
            # Names are what the schema keeps apart of all that is changed here.
            raise refusals.name_taken() from None

    async def leave(self, device: Device, actor: Actor) -> Device:
        """The device ends itself."""
        return await self._done(device.id, lambda found: revoke(found, actor.at, "left"), actor, "left")

    async def expire(self, device_id: DeviceId, actor: Actor, *, by: datetime) -> bool:
        """Ends a device that has run out by then; says whether it did.

        Not one that was seen meanwhile, was suspended, or has ended.
        """

        async def work(transaction: Transaction) -> bool:
            device = await transaction.devices.locked(device_id)
            if device is None or not device.may_expire or not device.has_run_out(by):
                return False
            reason = "silent" if device.expires_at is None or by < device.expires_at else "time_is_up"
            await self._write(transaction, device, expire(device, actor.at, reason), actor, "expired")
            return True

        return await self.storage.write(work)

    async def rotate_token_by_member(self, acting: Acting, device_id: DeviceId, actor: Actor) -> Registered:
        async def work(transaction: Transaction) -> Registered:
            device, _ = await self._allowed(transaction, acting, device_id, Permission.MANAGE_DEVICES)
            return await self._rotated(transaction, device, actor)

        return await self.storage.write(work)

    async def rotate_token(self, device: Device, actor: Actor) -> Registered:
        """A new token beside the one in use, which holds until the new one is used."""

        async def work(transaction: Transaction) -> Registered:
            found = await transaction.devices.locked(device.id)
            if found is None:
                raise no_such_thing("device")
            return await self._rotated(transaction, found, actor)

        return await self.storage.write(work)

    async def _rotated(self, transaction: Transaction, device: Device, actor: Actor) -> Registered:
        if device.ended_at is not None:
            raise _wrong_state(f"A device that is {device.state.value} gets no new token.")
        token_id, secret = minted_token(actor.at, self.randomness)
        await come_again(transaction, device, stored(token_id, secret, actor.at), self.randomness)
        after = {"device_token_id": token_id}
        deed = Deed(device.tenant_id, "device.token_rotated", "device", device.id, after=after)
        await self.auditor.record(transaction, actor, deed)
        return Registered(device, token_id, secret, former=device)

    async def _by_member(
        self,
        acting: Acting,
        device_id: DeviceId,
        permission: Permission,
        rule: Rule,
        actor: Actor,
        verb: str,
    ) -> Device:
        async def work(transaction: Transaction) -> Device:
            device, _ = await self._allowed(transaction, acting, device_id, permission)
            return await self._write(transaction, device, _ruled(rule, device), actor, verb)

        return await self.storage.write(work)

    async def _done(self, device_id: DeviceId, rule: Rule, actor: Actor, verb: str) -> Device:
        async def work(transaction: Transaction) -> Device:
            device = await transaction.devices.locked(device_id)
            if device is None:
                raise no_such_thing("device")
            return await self._write(transaction, device, _ruled(rule, device), actor, verb)

        return await self.storage.write(work)

    async def _allowed(
        self, transaction: Transaction, acting: Acting, device_id: DeviceId, permission: Permission
    ) -> tuple[Device, Membership]:
        device = await transaction.devices.locked(device_id)
        if device is None:
            raise no_such_thing("device")
        membership = await allowed_on(
            transaction, device.tenant_id, device.owner_id, acting, permission, thing="device"
        )
        return device, membership

    async def _write(
        self, transaction: Transaction, device: Device, changed: Device, actor: Actor, verb: str
    ) -> Device:
        if changed == device:
            return device
        if changed.ended_at is not None and device.ended_at is None:
            await transaction.devices.free_addresses(device.id)
            await transaction.devices.revoke_all_tokens(device.id, actor.at)
        if not await transaction.devices.update(changed, former_version=device.version):
            raise changed_meanwhile()
        if device.state is DeviceState.SUSPENDED and changed.may_expire and device.ephemeral_s is not None:
            # While it was shut out it could not be heard: its silence begins anew.
            await transaction.devices.seen(device.id, actor.at)
        before, after = facts_of(device), facts_of(changed)
        deed = Deed(device.tenant_id, f"device.{verb}", "device", device.id, before, after)
        await self.auditor.record(transaction, actor, deed)
        return changed


def _ruled(rule: Rule, device: Device) -> Device:
    try:
        return rule(device)
    except WrongStateError as error:
        raise _wrong_state(error.detail) from None


def _wrong_state(detail: str) -> ProblemError:
    return ProblemError(ProblemCode.WRONG_STATE, detail)


def _changed(device: Device, change: DeviceChange) -> Device:
    changed = replace(
        device,
        name=device.name if change.name is None else change.name,
        labels=device.labels if change.labels is None else change.labels,
        taints=device.taints if change.taints is None else change.taints,
    )
    return device if changed == device else replace(changed, version=device.version + 1)
