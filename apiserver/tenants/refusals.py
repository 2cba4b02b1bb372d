"""Why something about tenants is refused, in the words of the caller."""

from apiserver.tenants.invitation import InvitationState
from apiserver.tenants.tenants import Role
from common.problems import ProblemCode, ProblemError

_OF_INVITATIONS = {
    InvitationState.ACCEPTED: "This invitation was accepted before. Ask for a new one.",
    InvitationState.REVOKED: "This invitation was revoked. Ask for a new one.",
    InvitationState.EXPIRED: "This invitation has expired. Ask for a new one.",
}


def last_owner() -> ProblemError:
    return ProblemError(
        ProblemCode.LAST_OWNER, "This is the tenant's only owner. Make somebody else an owner first."
    )


def role_not_yours_to_give(role: Role) -> ProblemError:
    return ProblemError(ProblemCode.FORBIDDEN, f"Only an owner gives or takes away the role {role.value}.")


def already_member() -> ProblemError:
    return ProblemError(ProblemCode.ALREADY_MEMBER, "You are a member of this tenant already.")


def takes_an_invitation() -> ProblemError:
    return ProblemError(
        ProblemCode.FORBIDDEN,
        "You were a member of this tenant, and do not join again by yourself. Ask for an invitation.",
    )


def personal_tenant_is_not_shared() -> ProblemError:
    return ProblemError(
        ProblemCode.WRONG_STATE, "A personal tenant is of one user alone. Make another tenant to share."
    )


def personal_tenant_stays() -> ProblemError:
    return ProblemError(ProblemCode.TENANT_IN_USE, "A personal tenant stays as long as its user.")


def tenant_has_devices(count: int) -> ProblemError:
    return ProblemError(
        ProblemCode.TENANT_IN_USE,
        f"The tenant has {count} devices. Revoke them first; that cannot be undone.",
    )


def unknown_invitation() -> ProblemError:
    # The one answer for whatever is no secret of an invitation: it gives nothing away.
    return ProblemError(ProblemCode.INVITATION_NOT_USABLE, "This invitation cannot be used.")


def invitation_not_usable(state: InvitationState) -> ProblemError:
    """For every state but `open`, and only to who holds the right secret."""
    return ProblemError(ProblemCode.INVITATION_NOT_USABLE, _OF_INVITATIONS[state], cause=state.value)
