"""What people do with registration tokens: one transaction each, with its audit event.

Only what is done to the devices of a token that is revoked is done in several: there may be very many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import assert_never

from apiserver.audit.trail import Actor, Auditor, Deed, Facts
from apiserver.auth.permissions import Deed as Permission
from apiserver.auth.permissions import Reach, reach
from apiserver.devices.device import BY_ADMINISTRATOR, DeviceId
from apiserver.devices.steps import DEVICES_AT_ONCE, do_the_rest
from apiserver.etags import check_version
from apiserver.idempotency import RepeatableRequest, secret_already_used
from apiserver.storage.contracts import DeviceSet, OvertakenError, Storage, Transaction
from apiserver.storage.records import Step, StoredSecret
from apiserver.tenants.acting import Acting, in_person
from apiserver.tenants.membership import allowed_on, membership_for, no_such_thing
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.changes import TokenChange, WouldWidenError, changed
from apiserver.tokens.facts import facts_of
from apiserver.tokens.new_token import AskedToken, minted_secret, new_token
from apiserver.tokens.registration_token import (
    DeviceChoice,
    RegistrationToken,
    RegistrationTokenId,
    TokenState,
)
from apiserver.tokens.secret import Secret
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness

_THING = "registration token"
_REASON = "registration_token_revoked"
_DEVICES_VERBS = {DeviceChoice.SUSPEND: "devices_suspended", DeviceChoice.REVOKE: "devices_revoked"}
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class WithSecret:
    """The token and a new secret of it, to be shown once."""

    token: RegistrationToken
    secret: Secret
    is_new: bool


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was done; after a dry run, what would be. `devices` is the number of those it is done to."""

    token: RegistrationToken
    choice: DeviceChoice
    devices: int
    is_dry_run: bool


@dataclass(frozen=True)
class RegistrationTokenLifecycle:
    storage: Storage
    auditor: Auditor
    randomness: Randomness
    devices_at_once: int = DEVICES_AT_ONCE

    async def create(
        self,
        acting: Acting,
        tenant_id: TenantId,
        asked: AskedToken,
        actor: Actor,
        repeatable: RepeatableRequest | None,
    ) -> WithSecret:
        """Makes a token of the user who acts. A repeat gets a new secret of it, while the first is unused."""

        async def work(transaction: Transaction) -> WithSecret:
            membership, _ = await membership_for(
                transaction, tenant_id, acting, Permission.MANAGE_REGISTRATION_TOKENS
            )
            former = repeatable and await repeatable.former_resource(transaction)
            if former:
                return await self._made_again(transaction, acting, RegistrationTokenId(former), actor)
            if reach(membership.role, Permission.APPROVE_DEVICES) is not Reach.ALL:
                _check_vouches_for_nothing(asked)
            token = new_token(asked, tenant_id, acting.user_id, actor.at, self.randomness)
            secret, stored = minted_secret(actor.at, self.randomness)
            await transaction.registration_tokens.add(token)
            await transaction.registration_tokens.add_secret(token.id, stored)
            if repeatable is not None:
                await repeatable.remember(transaction, token.id, actor.at)
            after = {**facts_of(token), "secret_id": stored.id}
            await self._record(transaction, actor, token, "created", after=after)
            return WithSecret(token, secret, is_new=True)

        return await self.storage.write(work)

    async def change(
        self,
        acting: Acting,
        token_id: RegistrationTokenId,
        change: TokenChange,
        actor: Actor,
        version: int | None,
    ) -> RegistrationToken:
        """Raises `ProblemError` for what would let the token do more, and where it is another version."""

        async def work(transaction: Transaction) -> RegistrationToken:
            token = await self._locked(transaction, acting, token_id)
            check_version(version, token.version)
            if token.revoked_at is not None:
                raise _wrong_state("A registration token that was revoked cannot be changed.")
            after = _narrowed(token, change)
            if replace(after, version=token.version) == token:
                return token
            return await self._write(transaction, token, after, actor, "changed")

        return await self.storage.write(work)

    async def rotate(self, acting: Acting, token_id: RegistrationTokenId, actor: Actor) -> WithSecret:
        """A new secret. The oldest one holds until the new one is used; what a former rotation gave, ends."""

        async def work(transaction: Transaction) -> WithSecret:
            token = await self._locked(transaction, acting, token_id)
            _check_is_of_use(token, actor.at)
            former = await transaction.registration_tokens.secrets_of(token.id)
            return await self._rotated(transaction, token, former, former[1:], actor)

        return await self.storage.write(work)

    async def take_over(
        self, user_id: UserId, token_id: RegistrationTokenId, actor: Actor
    ) -> RegistrationToken:
        """An administrator becomes the owner; a token that its owner's leaving suspended lives on."""

        async def work(transaction: Transaction) -> RegistrationToken:
            token = await self._locked(transaction, in_person(user_id), token_id, Permission.APPROVE_DEVICES)
            _check_is_of_use(token, actor.at)
            after = replace(token, owner_id=user_id, suspended_at=None, version=token.version + 1)
            return await self._write(transaction, token, after, actor, "taken_over")

        return await self.storage.write(work)

    async def revoke(
        self, acting: Acting, token_id: RegistrationTokenId, choice: DeviceChoice, actor: Actor
    ) -> Revocation:
        """Ends the token at once, and does to its devices, step by step, what was chosen.

        A later choice may be another one. A repeat of one that was broken off does the rest.
        """
        most = self.devices_at_once

        async def begin(transaction: Transaction) -> tuple[Revocation, Sequence[DeviceId]]:
            token = await self._locked(transaction, acting, token_id)
            done = await _apply(transaction, token, choice, acting, actor, Step(most))
            kept = await _devices_of(transaction, token).count() if choice is DeviceChoice.KEEP else 0
            after = token
            if token.revoked_at is None:
                after = replace(token, revoked_at=actor.at, version=token.version + 1)
                await self._write(transaction, token, after, actor, "revoked", _told(choice, done, kept))
            else:
                await self._record_devices(transaction, actor, token, choice, done)
            return Revocation(after, choice, kept, is_dry_run=False), done

        revocation, first = await self.storage.write(begin)

        async def go_on(transaction: Transaction, step: Step) -> Sequence[DeviceId]:
            done = await _apply(transaction, revocation.token, choice, acting, actor, step)
            await self._record_devices(transaction, actor, revocation.token, choice, done)
            return done

        count = await do_the_rest(self.storage, go_on, first, most)
        return replace(revocation, devices=revocation.devices + count)

    async def what_revoking_does(
        self, acting: Acting, token_id: RegistrationTokenId, choice: DeviceChoice
    ) -> Revocation:
        """What `revoke` would do now, to whoever may do it."""

        async def look(view: Transaction) -> Revocation:
            found = await view.registration_tokens.by_id(token_id)
            token = await allowed_token(view, found, acting)
            devices = _devices_of(view, token)
            is_suspending = choice is DeviceChoice.SUSPEND
            count = await (devices.count_awake() if is_suspending else devices.count())
            return Revocation(token, choice, count, is_dry_run=True)

        return await self.storage.read(look)

    async def _made_again(
        self, transaction: Transaction, acting: Acting, token_id: RegistrationTokenId, actor: Actor
    ) -> WithSecret:
        token = await self._locked(transaction, acting, token_id)
        _check_is_of_use(token, actor.at)
        former = await transaction.registration_tokens.secrets_of(token.id)
        if any(secret.first_used_at is not None for secret in former):
            raise secret_already_used()
        return await self._rotated(transaction, token, former, former, actor)

    async def _rotated(
        self,
        transaction: Transaction,
        token: RegistrationToken,
        former: Sequence[StoredSecret],
        replaced: Sequence[StoredSecret],
        actor: Actor,
    ) -> WithSecret:
        for one in replaced:
            await transaction.registration_tokens.revoke_secret(one.id, actor.at)
        # What is used first ends all that are older. A clock that stepped back must not make the new one
        # older than what it replaces.
        made_at = max([actor.at, *(one.created_at + _MOMENT for one in former)])
        secret, stored = minted_secret(made_at, self.randomness)
        await transaction.registration_tokens.add_secret(token.id, stored)
        await self._record(transaction, actor, token, "rotated", after={"secret_id": stored.id})
        return WithSecret(token, secret, is_new=False)

    async def _locked(
        self,
        transaction: Transaction,
        acting: Acting,
        token_id: RegistrationTokenId,
        permission: Permission = Permission.MANAGE_REGISTRATION_TOKENS,
    ) -> RegistrationToken:
        found = await transaction.registration_tokens.locked(token_id)
        return await allowed_token(transaction, found, acting, permission)

    async def _write(
        self,
        transaction: Transaction,
        token: RegistrationToken,
        after: RegistrationToken,
        actor: Actor,
        verb: str,
        told: Facts = MappingProxyType({}),
    ) -> RegistrationToken:
        if not await transaction.registration_tokens.update(after, former_version=token.version):
            raise OvertakenError
        facts = {**facts_of(after), **told}
        await self._record(transaction, actor, token, verb, before=facts_of(token), after=facts)
        return after

    async def _record_devices(
        self,
        transaction: Transaction,
        actor: Actor,
        token: RegistrationToken,
        choice: DeviceChoice,
        done: Sequence[DeviceId],
    ) -> None:
        if done:
            await self._record(transaction, actor, token, _DEVICES_VERBS[choice], after=_told(choice, done))

    async def _record(
        self,
        transaction: Transaction,
        actor: Actor,
        token: RegistrationToken,
        verb: str,
        *,
        before: Facts | None = None,
        after: Facts,
    ) -> None:
        action = f"registration_token.{verb}"
        deed = Deed(token.tenant_id, action, "registration_token", token.id, before, after)
        await self.auditor.record(transaction, actor, deed)


async def allowed_token(
    transaction: Transaction,
    token: RegistrationToken | None,
    acting: Acting,
    permission: Permission = Permission.MANAGE_REGISTRATION_TOKENS,
) -> RegistrationToken:
    """The token, if it is there and they may do this to it; raises `ProblemError`."""
    if token is None:
        raise no_such_thing(_THING)
    await allowed_on(transaction, token.tenant_id, token.owner_id, acting, permission, thing=_THING)
    return token


def _check_vouches_for_nothing(asked: AskedToken) -> None:
    """What only administrators give a device, a member must not give by way of a token."""
    if asked.pre_approved or asked.taints:
        raise ProblemError(
            ProblemCode.FORBIDDEN,
            "Only who may approve devices may pre-approve them, or force taints on them.",
        )


def _devices_of(transaction: Transaction, token: RegistrationToken) -> DeviceSet:
    return transaction.device_sets.of_registration_token(token.tenant_id, token.id)


async def _apply(
    transaction: Transaction,
    token: RegistrationToken,
    choice: DeviceChoice,
    acting: Acting,
    actor: Actor,
    step: Step,
) -> Sequence[DeviceId]:
    devices = _devices_of(transaction, token)
    match choice:
        case DeviceChoice.KEEP:
            return []
        case DeviceChoice.SUSPEND:
            is_own = token.owner_id == acting.user_id
            return await devices.suspend(_REASON if is_own else BY_ADMINISTRATOR, step)
        case DeviceChoice.REVOKE:
            return await devices.revoke(_REASON, actor.at, step)
        case _:
            assert_never(choice)


def _told(choice: DeviceChoice, done: Sequence[DeviceId], kept: int = 0) -> Facts:
    """Of one step: each has an event of its own."""
    return {"devices": {"choice": choice, "count": kept + len(done), "ids": done}}


def _narrowed(token: RegistrationToken, change: TokenChange) -> RegistrationToken:
    try:
        return changed(token, change)
    except WouldWidenError as error:
        raise ProblemError(ProblemCode.WOULD_WIDEN, error.detail) from None


def _check_is_of_use(token: RegistrationToken, now: datetime) -> None:
    """Raises `ProblemError` for a token that no secret and no owner brings back."""
    state = token.state(now)
    if state in {TokenState.REVOKED, TokenState.EXPIRED}:
        raise _wrong_state(f"A registration token that is {state.value} stays so. Make a new one.")


def _wrong_state(detail: str) -> ProblemError:
    return ProblemError(ProblemCode.WRONG_STATE, detail)
