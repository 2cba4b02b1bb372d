"""What users and their services may do in a tenant: looked up in the transaction that does it."""

from apiserver.auth.permissions import Deed, Reach, may, reach
from apiserver.storage.contracts import Transaction
from apiserver.tenants.acting import Acting, in_person
from apiserver.tenants.tenants import Membership, Tenant, TenantId
from apiserver.tenants.users import UserId
from common.problems import ProblemCode, ProblemError


async def membership_of(
    transaction: Transaction, tenant_id: TenantId, acting: Acting, *, thing: str = "tenant"
) -> Membership:
    """The membership of whoever acts, as it is now: the only way to it for a service.

    Raises `ProblemError` (404, of the `thing` that was asked for) for a tenant that they are not in, or do
    not act in, as for one that never was; for a service also when it was revoked since it was let in.
    """
    membership = None
    # Without this a service token would open all tenants of its maker.
    if acting.may_enter(tenant_id) and not await _was_revoked(transaction, acting):
        membership = await transaction.tenants.membership(tenant_id, acting.user_id)
    if membership is None:
        raise no_such_thing(thing)
    return membership


async def _was_revoked(transaction: Transaction, acting: Acting) -> bool:
    """Without this a request that keeps its body back, or reads an export slowly, outlives the token."""
    if acting.service_token_id is None:
        return False
    token = await transaction.service_tokens.by_id(acting.service_token_id)
    return token is None or token.revoked_at is not None


async def membership_for(
    transaction: Transaction, tenant_id: TenantId, acting: Acting, deed: Deed
) -> tuple[Membership, Reach]:
    """As `membership_of`, and to whose things they may do it.

    Raises `ProblemError` also (403) for a member whose role does not allow it to anything.
    """
    membership = await membership_of(transaction, tenant_id, acting)
    found = reach(membership.role, deed)
    if found is Reach.NONE:
        raise not_with_this_role(membership)
    return membership, found


async def membership_to_change(
    transaction: Transaction, tenant_id: TenantId, user_id: UserId, deed: Deed
) -> Membership:
    """As `membership_for`, before a change of the tenant, its members or its invitations: for users alone.

    Until the transaction ends nobody else changes these.
    """
    await lock(transaction, tenant_id)
    membership, _ = await membership_for(transaction, tenant_id, in_person(user_id), deed)
    return membership


async def lock(transaction: Transaction, tenant_id: TenantId) -> Tenant:
    """The tenant, whose settings, members and invitations nobody else changes from now on.

    Raises `ProblemError` where there is none.
    """
    tenant = await transaction.tenants.locked(tenant_id)
    if tenant is None:
        raise no_such_thing("tenant")
    return tenant


async def allowed_on(
    transaction: Transaction,
    tenant_id: TenantId,
    owner_id: UserId,
    acting: Acting,
    deed: Deed,
    *,
    thing: str,
) -> Membership:
    """As `membership_for`, for a thing of the tenant that `owner_id` owns.

    What they may not even see is 404 as well: other tenants, and for those who see only their own, what
    others own.
    """
    membership = await membership_of(transaction, tenant_id, acting, thing=thing)
    is_own = owner_id == acting.user_id
    if not is_own and reach(membership.role, Deed.SEE_DEVICES) is not Reach.ALL:
        raise no_such_thing(thing)
    if not may(membership.role, deed, is_own=is_own):
        raise not_with_this_role(membership)
    return membership


def not_with_this_role(membership: Membership) -> ProblemError:
    return ProblemError(
        ProblemCode.FORBIDDEN,
        f"In this tenant your role is {membership.role.value}, which may not do this.",
    )


def no_such_thing(thing: str) -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, f"There is no such {thing}.")
