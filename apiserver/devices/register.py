"""A machine becomes a device: one transaction, of which nothing is left when it fails.

It spends a use, allocates addresses, adds the device and its token, and writes the audit event. Who comes
again with the same key, or repeats a request, gets the same device and spends no use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.auth.permissions import Deed as Permission
from apiserver.auth.principal import RegistrationTokenCaller
from apiserver.devices import refusals
from apiserver.devices.comes_again import (
    NAMES_TRIED,
    check_secret_is_unused,
    come_again,
    minted_token,
    stored,
)
from apiserver.devices.device import (
    Device,
    DeviceId,
    DeviceState,
    DeviceTokenId,
    first_state_by_member,
    first_state_by_token,
)
from apiserver.devices.facts import facts_of
from apiserver.devices.keys import PublicKey
from apiserver.devices.names import checked_labels, with_suffix
from apiserver.idempotency import RepeatableRequest
from apiserver.ids import new_id
from apiserver.networks.allocate import allocate
from apiserver.storage.contracts import ConstraintError, OvertakenError, Storage, Transaction, Work
from apiserver.tenants.acting import Acting
from apiserver.tenants.membership import membership_for
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.texts import InvalidValueError
from apiserver.tokens.rate import TooFast, decide
from apiserver.tokens.registration_token import Forced, RegistrationToken, TokenState
from apiserver.tokens.secret import Secret
from common.randomness import Randomness


@dataclass(frozen=True, slots=True)
class AskedDevice:
    """What a client says of itself, checked value by value."""

    name: str
    public_key: PublicKey | None
    fingerprint: str | None
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Registered:
    """The device, and its new token, to be shown or sealed once."""

    device: Device
    device_token_id: DeviceTokenId
    device_token: Secret
    former: Device | None = None
    """What it was before, for one that came again."""

    @property
    def is_new(self) -> bool:
        return self.former is None


@dataclass(frozen=True)
class Registrar:
    storage: Storage
    auditor: Auditor
    randomness: Randomness

    async def by_token(
        self,
        caller: RegistrationTokenCaller,
        asked: AskedDevice,
        actor: Actor,
        repeatable: RepeatableRequest | None,
    ) -> Registered:
        """Registers with a registration token. Raises `ProblemError`; then no use was spent."""
        joining = _Joining(self, asked, actor, repeatable)
        return await self._write(lambda transaction: joining.by_token(transaction, caller))

    async def by_user(
        self,
        acting: Acting,
        tenant_id: TenantId,
        asked: AskedDevice,
        actor: Actor,
        repeatable: RepeatableRequest | None,
    ) -> Registered:
        """Registers as a member of the tenant, who owns the device then: in person, or by a service."""
        joining = _Joining(self, asked, actor, repeatable)
        return await self._write(lambda transaction: joining.by_user(transaction, acting, tenant_id))

    async def _write(self, work: Work[Registered]) -> Registered:
        try:
            return await self.storage.write(work)
        except ConstraintError:
            # A device that was there took a key or a name which another server has given away between the
            # look and the write. The second look sees that.
            return await self.storage.write(work)


@dataclass(frozen=True)
class _Joining:
    """One request to register. Its methods run inside the transaction."""

    parts: Registrar
    asked: AskedDevice
    actor: Actor
    repeatable: RepeatableRequest | None

    async def by_token(self, transaction: Transaction, caller: RegistrationTokenCaller) -> Registered:
        token = await transaction.registration_tokens.locked(caller.token.id)
        if token is None:
            raise OvertakenError
        now = self.actor.at
        if not token.allows_source(self.actor.address or ""):
            raise refusals.source_not_allowed()
        # Before anything is said of the key: a token that is of no use any more would tell which ones are
        # registered here.
        if not token.lets_come_again(now):
            raise refusals.refusal_of_token(token.state(now))
        former = await self._former_device(transaction)
        if former is None:
            registered = await self._new_by_token(transaction, token)
        elif former.registration_token_id == token.id:
            await self._pace(transaction, token)
            device = await self._with_an_owner(transaction, former, token)
            again = await self._again(transaction, device, name_pattern=token.name_pattern)
            registered = replace(again, former=former)
        else:
            self._check_is_active(token)
            raise refusals.key_in_use()
        if caller.secret.first_used_at is None:
            await transaction.registration_tokens.use_secret(token.id, caller.secret, now)
        await self._finish(transaction, registered)
        return registered

    async def by_user(self, transaction: Transaction, acting: Acting, tenant_id: TenantId) -> Registered:
        owner_id = acting.user_id
        membership, _ = await membership_for(transaction, tenant_id, acting, Permission.REGISTER_DEVICES)
        former = await self._former_device(transaction)
        if former is not None and (former.owner_id != owner_id or former.tenant_id != tenant_id):
            raise refusals.key_in_use()
        incumbent = None if former else await self._holder_of_fingerprint(transaction, tenant_id)
        if former is not None:
            registered = await self._again(transaction, former)
        elif incumbent is not None and incumbent.owner_id == owner_id:
            # The owner, signed in: the machine was set up anew and is the same one.
            registered = await self._again(transaction, incumbent, new_key=self.asked.public_key)
        else:
            device = self._device(
                tenant_id, owner_id, first_state_by_member(membership.tenant.device_approval, membership.role)
            )
            registered = await self._add(transaction, device)
        await self._finish(transaction, registered)
        return registered

    async def _former_device(self, transaction: Transaction) -> Device | None:
        """The device that this request, or one with this key, made before."""
        device_id = self.repeatable and await self.repeatable.former_resource(transaction)
        if device_id:
            device = await transaction.devices.locked(DeviceId(device_id))
            if device is None:
                raise refusals.device_was_revoked()
            if self.asked.public_key is None:
                await check_secret_is_unused(transaction, device)
            return device
        if self.asked.public_key is None:
            return None
        return await transaction.devices.by_public_key(self.asked.public_key)

    async def _again(
        self,
        transaction: Transaction,
        device: Device,
        *,
        new_key: PublicKey | None = None,
        name_pattern: str | None = None,
    ) -> Registered:
        token_id, secret = minted_token(self.actor.at, self.parts.randomness)
        changed = await come_again(
            transaction,
            device,
            stored(token_id, secret, self.actor.at),
            self.parts.randomness,
            new_key=new_key,
            name_pattern=name_pattern,
        )
        return Registered(changed, token_id, secret, former=device)

    async def _with_an_owner(
        self, transaction: Transaction, device: Device, token: RegistrationToken
    ) -> Device:
        """A device that was away when its owner left the tenant is of whoever took the token over.

        One that was there then was suspended, until somebody takes it over.
        """
        if device.state is not DeviceState.EXPIRED or device.owner_id == token.owner_id:
            return device
        owner = await transaction.tenants.member(device.tenant_id, device.owner_id)
        return device if owner else replace(device, owner_id=token.owner_id)

    async def _new_by_token(self, transaction: Transaction, token: RegistrationToken) -> Registered:
        await self._spend(transaction, token)
        tenant = await transaction.tenants.by_id(token.tenant_id)
        if tenant is None:
            raise refusals.refusal_of_token(TokenState.REVOKED)
        state = first_state_by_token(tenant.device_approval, pre_approved=token.pre_approved)
        forced = token.what_it_forces()
        device = replace(
            self._device(forced.tenant_id, forced.owner_id, state),
            registration_token_id=token.id,
            taints=forced.taints,
            labels=_labels_of_both(forced, self.asked),
            ephemeral_s=forced.ephemeral_s,
        )
        return await self._add(transaction, device, name_pattern=token.name_pattern)

    async def _spend(self, transaction: Transaction, token: RegistrationToken) -> None:
        now = self.actor.at
        self._check_is_active(token)
        if not token.allows_name(self.asked.name):
            raise refusals.name_not_allowed(token.name_pattern or "")
        if await transaction.registration_tokens.spend(token.id, now, self._next_allowed_at(token)) is None:
            raise OvertakenError

    async def _pace(self, transaction: Transaction, token: RegistrationToken) -> None:
        """Coming again spends no use, but each time writes a token and an event.

        Without this, a thief of the registration token who knows the public key of one device could fill
        the database.
        """
        next_allowed_at = self._next_allowed_at(token)
        if next_allowed_at is not None:
            await transaction.registration_tokens.pace(token.id, next_allowed_at)

    def _next_allowed_at(self, token: RegistrationToken) -> datetime | None:
        """What the rate allows from now on; None where there is no rate. Raises `ProblemError`."""
        if token.rate_per_minute is None:
            return None
        decision = decide(token.next_allowed_at, self.actor.at, token.rate_per_minute)
        if isinstance(decision, TooFast):
            raise refusals.too_fast(decision.retry_after_s)
        return decision.next_allowed_at

    def _check_is_active(self, token: RegistrationToken) -> None:
        state = token.state(self.actor.at)
        if state is not TokenState.ACTIVE:
            raise refusals.refusal_of_token(state)

    async def _holder_of_fingerprint(self, transaction: Transaction, tenant_id: TenantId) -> Device | None:
        if self.asked.fingerprint is None:
            return None
        return await transaction.devices.live_with_fingerprint(tenant_id, self.asked.fingerprint)

    def _device(self, tenant_id: TenantId, owner_id: UserId, state: DeviceState) -> Device:
        now = self.actor.at
        return Device(
            id=DeviceId(new_id("dev", now, self.parts.randomness)),
            tenant_id=tenant_id,
            owner_id=owner_id,
            registration_token_id=None,
            name=self.asked.name,
            state=state,
            state_reason=None,
            public_key=self.asked.public_key,
            fingerprint=self.asked.fingerprint,
            ipv4=None,
            ipv6=None,
            taints=(),
            labels=self.asked.labels,
            ephemeral_s=None,
            evidence=None,
            registered_at=now,
            approved_at=now if state is DeviceState.ACTIVE else None,
            expires_at=None,
            last_seen_at=None,
            ended_at=None,
            version=1,
        )

    async def _add(
        self, transaction: Transaction, device: Device, name_pattern: str | None = None
    ) -> Registered:
        if device.public_key is not None:
            addresses = await allocate(transaction, device.tenant_id, self.parts.randomness)
            if addresses is None:
                raise refusals.no_address_left()
            device = replace(device, ipv4=addresses.ipv4, ipv6=addresses.ipv6)
        # Under the lock of the address pool: of two clones that come at once the second sees the first.
        incumbent = await self._holder_of_fingerprint(transaction, device.tenant_id)
        if incumbent is not None:
            device = _quarantined(device, incumbent)
        device = await self._add_under_a_free_name(transaction, device, name_pattern)
        token_id, secret = minted_token(self.actor.at, self.parts.randomness)
        await transaction.devices.add_token(device.id, stored(token_id, secret, self.actor.at))
        return Registered(device, token_id, secret)

    async def _add_under_a_free_name(
        self, transaction: Transaction, device: Device, name_pattern: str | None
    ) -> Device:
        named = device
        for _ in range(NAMES_TRIED):
            if await transaction.devices.add(named):
                return named
            if not await transaction.devices.is_name_taken(named.tenant_id, named.name):
                # Then it is the key, which another server has added meanwhile.
                raise OvertakenError
            other = with_suffix(device.name, self.parts.randomness, name_pattern)
            if other is None:
                break
            named = replace(device, name=other)
        raise refusals.name_taken()

    async def _finish(self, transaction: Transaction, registered: Registered) -> None:
        device, former = registered.device, registered.former
        await self._remember(transaction, registered)
        action = "device.registered" if registered.is_new else "device.came_again"
        before = None if former is None else facts_of(former)
        after = {**facts_of(device), "device_token_id": registered.device_token_id}
        deed = Deed(device.tenant_id, action, "device", device.id, before, after)
        await self.parts.auditor.record(transaction, self.actor, deed)

    async def _remember(self, transaction: Transaction, registered: Registered) -> None:
        if self.repeatable is None:
            return
        # What is new in any case: there it shows that another server has done the same request meanwhile.
        if registered.is_new or await self.repeatable.former_resource(transaction) is None:
            await self.repeatable.remember(transaction, registered.device.id, self.actor.at)


def _labels_of_both(forced: Forced, asked: AskedDevice) -> dict[str, str]:
    try:
        return checked_labels(forced.over(asked.labels))
    except InvalidValueError as error:
        raise refusals.invalid_with_what_is_forced(error.detail) from None


def _quarantined(device: Device, incumbent: Device) -> Device:
    """A newcomer with a fingerprint that is in use: a clone, or a thief of the registration token."""
    return replace(
        device,
        state=DeviceState.QUARANTINED,
        approved_at=None,
        evidence={"same_fingerprint_as": incumbent.id, "fingerprint": device.fingerprint or ""},
    )
