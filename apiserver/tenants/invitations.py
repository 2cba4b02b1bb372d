"""Inviting people into a tenant: one transaction each, with its audit events."""

from dataclasses import dataclass
from datetime import datetime

from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.auth.permissions import Deed as Permission
from apiserver.idempotency import RepeatableRequest, secret_already_used
from apiserver.ids import new_id
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants import refusals
from apiserver.tenants.facts import facts_of_invitation
from apiserver.tenants.invitation import Invitation, InvitationId, InvitationState
from apiserver.tenants.members import check_may_grant, deed_on_member
from apiserver.tenants.membership import membership_to_change, no_such_thing
from apiserver.tenants.tenants import Membership, Role, TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.secret import PresentedSecret, Secret, SecretKind, hash_of, matches, mint
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness

_PREFIX = "inv_"


@dataclass(frozen=True, slots=True)
class AskedInvitation:
    """What is asked for, checked value by value."""

    role: Role
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """The invitation and its secret, to be shown once."""

    invitation: Invitation
    secret: Secret
    is_new: bool


@dataclass(frozen=True)
class Invitations:
    storage: Storage
    auditor: Auditor
    randomness: Randomness

    async def create(
        self,
        user_id: UserId,
        tenant_id: TenantId,
        asked: AskedInvitation,
        actor: Actor,
        repeatable: RepeatableRequest | None,
    ) -> Invited:
        """Raises `ProblemError` for a role that is not the user's to give."""

        async def work(transaction: Transaction) -> Invited:
            own = await membership_to_change(transaction, tenant_id, user_id, Permission.MANAGE_MEMBERS)
            check_may_grant(own.role, asked.role)
            if own.tenant.personal_of is not None:
                raise refusals.personal_tenant_is_not_shared()
            former_id = repeatable and await repeatable.former_resource(transaction)
            if former_id:
                return await self._again(transaction, InvitationId(former_id), actor)
            invited = self._invited(user_id, tenant_id, asked, actor)
            await transaction.invitations.add(invited.invitation)
            if repeatable is not None:
                await repeatable.remember(transaction, invited.invitation.id, actor.at)
            await self._record(transaction, actor, invited.invitation, "created")
            return invited

        return await self.storage.write(work)

    async def revoke(
        self, user_id: UserId, tenant_id: TenantId, invitation_id: InvitationId, actor: Actor
    ) -> None:
        """One that was revoked stays so. Raises `ProblemError` for one that was accepted."""

        async def work(transaction: Transaction) -> None:
            await membership_to_change(transaction, tenant_id, user_id, Permission.MANAGE_MEMBERS)
            invitation = await transaction.invitations.by_id(invitation_id)
            if invitation is None or invitation.tenant_id != tenant_id:
                raise no_such_thing("invitation")
            if invitation.accepted_at is not None:
                raise ProblemError(
                    ProblemCode.WRONG_STATE, "This invitation was accepted. Remove the member instead."
                )
            if await transaction.invitations.revoke(invitation_id, actor.at):
                await self._record(transaction, actor, invitation, "revoked")

        await self.storage.write(work)

    async def accept(self, user_id: UserId, presented: PresentedSecret, actor: Actor) -> Membership:
        """Once: of several who bring the secret at the same moment, one becomes a member.

        Who is a member already spends nothing. Who could not join by themselves can from now on. Raises
        `ProblemError`, with a reason only for a right secret.
        """

        async def work(transaction: Transaction) -> Membership:
            invitation = await self._brought(transaction, presented)
            tenant = await transaction.tenants.locked(invitation.tenant_id)
            if tenant is None:
                raise refusals.invitation_not_usable(InvitationState.REVOKED)
            if await transaction.tenants.membership(tenant.id, user_id) is not None:
                raise refusals.already_member()
            if not await transaction.invitations.accept(invitation.id, user_id, actor.at):
                now_it_is = await self._brought(transaction, presented)
                raise refusals.invitation_not_usable(now_it_is.state(actor.at))
            await transaction.tenants.add_member(tenant.id, user_id, invitation.role, joined_at=actor.at)
            await transaction.tenants.unbar(tenant.id, user_id)
            await self._record(transaction, actor, invitation, "accepted")
            after = {"role": invitation.role, "invitation_id": invitation.id}
            await self.auditor.record(
                transaction, actor, deed_on_member(tenant.id, user_id, "joined", after=after)
            )
            return Membership(tenant, invitation.role)

        return await self.storage.write(work)

    async def _brought(self, transaction: Transaction, presented: PresentedSecret) -> Invitation:
        invitation_id = InvitationId(f"{_PREFIX}{presented.public_id}")
        invitation = await transaction.invitations.by_id(invitation_id)
        # Secrets of other kinds match none: the hash is that of the whole text, prefix and all.
        if invitation is None or not matches(invitation.secret_hash, presented):
            raise refusals.unknown_invitation()
        return invitation

    async def _again(self, transaction: Transaction, invitation_id: InvitationId, actor: Actor) -> Invited:
        """The same invitation with a new secret: the first answer may never have arrived."""
        invitation = await transaction.invitations.by_id(invitation_id)
        if invitation is None:
            raise no_such_thing("invitation")
        match invitation.state(actor.at):
            case InvitationState.OPEN:
                secret = self._secret(invitation_id)
                await transaction.invitations.replace_secret(invitation_id, hash_of(secret))
                await self._record(transaction, actor, invitation, "rotated")
                return Invited(invitation, secret, is_new=False)
            case InvitationState.ACCEPTED:
                raise secret_already_used()
            case state:
                raise refusals.invitation_not_usable(state)

    def _invited(self, user_id: UserId, tenant_id: TenantId, asked: AskedInvitation, actor: Actor) -> Invited:
        invitation_id = InvitationId(new_id("inv", actor.at, self.randomness))
        secret = self._secret(invitation_id)
        invitation = Invitation(
            id=invitation_id,
            tenant_id=tenant_id,
            role=asked.role,
            secret_hash=hash_of(secret),
            created_by=user_id,
            created_at=actor.at,
            expires_at=asked.expires_at,
        )
        return Invited(invitation, secret, is_new=True)

    def _secret(self, invitation_id: InvitationId) -> Secret:
        return mint(SecretKind.INVITATION, invitation_id.removeprefix(_PREFIX), self.randomness)

    async def _record(
        self, transaction: Transaction, actor: Actor, invitation: Invitation, verb: str
    ) -> None:
        facts = facts_of_invitation(invitation)
        deed = Deed(invitation.tenant_id, f"invitation.{verb}", "invitation", invitation.id, after=facts)
        await self.auditor.record(transaction, actor, deed)
