"""Making and ending service tokens: one transaction each, with its audit event.

People alone do this, never a service: one that leaked would make others that outlive it.
"""

from dataclasses import dataclass
from datetime import datetime

from apiserver.audit.trail import Actor, Auditor, Deed, Facts
from apiserver.auth.permissions import Deed as Permission
from apiserver.auth.scopes import Scope
from apiserver.idempotency import RepeatableRequest, secret_already_used
from apiserver.ids import new_id
from apiserver.storage.contracts import OvertakenError, Storage, Transaction
from apiserver.tenants.acting import in_person
from apiserver.tenants.membership import allowed_on, membership_for, no_such_thing
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.secret import Secret, SecretKind, hash_of, mint
from apiserver.tokens.service_token import (
    SERVICE_TOKEN_PREFIX,
    ServiceToken,
    ServiceTokenId,
    ServiceTokenState,
)
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness

_THING = "service token"


@dataclass(frozen=True, slots=True)
class AskedServiceToken:
    """What is asked for, checked value by value."""

    label: str
    scopes: frozenset[Scope]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MadeServiceToken:
    """The token and its secret, to be shown once."""

    token: ServiceToken
    secret: Secret
    is_new: bool


@dataclass(frozen=True)
class ServiceTokens:
    storage: Storage
    auditor: Auditor
    randomness: Randomness

    async def create(
        self,
        user_id: UserId,
        tenant_id: TenantId,
        asked: AskedServiceToken,
        actor: Actor,
        repeatable: RepeatableRequest | None,
    ) -> MadeServiceToken:
        """A token that acts for the user. A repeat gets a new secret of it, while the first is unused.

        Whether the user's login has the scopes itself is not checked here.
        """

        async def work(transaction: Transaction) -> MadeServiceToken:
            await membership_for(transaction, tenant_id, in_person(user_id), Permission.MANAGE_SERVICE_TOKENS)
            former_id = repeatable and await repeatable.former_resource(transaction)
            if former_id:
                return await self._again(transaction, ServiceTokenId(former_id), actor)
            made = self._made(user_id, tenant_id, asked, actor)
            await transaction.service_tokens.add(made.token)
            if repeatable is not None:
                await repeatable.remember(transaction, made.token.id, actor.at)
            await self._record(transaction, actor, made.token, "created")
            return made

        return await self.storage.write(work)

    async def revoke(self, user_id: UserId, token_id: ServiceTokenId, actor: Actor) -> ServiceToken:
        """The token, ended for ever. One that was revoked stays so: nothing is done a second time."""

        async def work(transaction: Transaction) -> ServiceToken:
            token = await allowed_service_token(transaction, user_id, token_id)
            if await transaction.service_tokens.revoke(token_id, actor.at):
                await self._record(transaction, actor, token, "revoked")
            # Somebody else may have revoked it since the look.
            return await allowed_service_token(transaction, user_id, token_id)

        return await self.storage.write(work)

    async def _again(
        self, transaction: Transaction, token_id: ServiceTokenId, actor: Actor
    ) -> MadeServiceToken:
        """The same token with a new secret: the first answer may never have arrived."""
        token = await transaction.service_tokens.by_id(token_id)
        if token is None:
            raise no_such_thing(_THING)
        if (state := token.state(actor.at)) is not ServiceTokenState.ACTIVE:
            raise ProblemError(
                ProblemCode.WRONG_STATE, f"A service token that is {state.value} stays so. Make a new one."
            )
        if token.last_used_at is not None:
            raise secret_already_used()
        secret = self._secret(token_id)
        if not await transaction.service_tokens.replace_secret(token_id, hash_of(secret)):
            # It was used or revoked since the look: the next one says which.
            raise OvertakenError
        await self._record(transaction, actor, token, "rotated")
        return MadeServiceToken(token, secret, is_new=False)

    def _made(
        self, user_id: UserId, tenant_id: TenantId, asked: AskedServiceToken, actor: Actor
    ) -> MadeServiceToken:
        token_id = ServiceTokenId(new_id("svt", actor.at, self.randomness))
        secret = self._secret(token_id)
        token = ServiceToken(
            id=token_id,
            tenant_id=tenant_id,
            owner_id=user_id,
            label=asked.label,
            scopes=asked.scopes,
            secret_hash=hash_of(secret),
            created_at=actor.at,
            expires_at=asked.expires_at,
        )
        return MadeServiceToken(token, secret, is_new=True)

    def _secret(self, token_id: ServiceTokenId) -> Secret:
        return mint(SecretKind.SERVICE, token_id.removeprefix(SERVICE_TOKEN_PREFIX), self.randomness)

    async def _record(self, transaction: Transaction, actor: Actor, token: ServiceToken, verb: str) -> None:
        deed = Deed(
            token.tenant_id, f"service_token.{verb}", "service_token", token.id, after=_facts_of(token)
        )
        await self.auditor.record(transaction, actor, deed)


async def allowed_service_token(
    transaction: Transaction, user_id: UserId, token_id: ServiceTokenId
) -> ServiceToken:
    """The token, if it is there and the user manages the service tokens of its tenant.

    Raises `ProblemError`.
    """
    token = await transaction.service_tokens.by_id(token_id)
    if token is None:
        raise no_such_thing(_THING)
    acting, permission = in_person(user_id), Permission.MANAGE_SERVICE_TOKENS
    await allowed_on(transaction, token.tenant_id, token.owner_id, acting, permission, thing=_THING)
    return token


def _facts_of(token: ServiceToken) -> Facts:
    return {
        "owner_id": token.owner_id,
        "label": token.label,
        "scopes": sorted(token.scopes),
        "expires_at": token.expires_at,
    }
