"""What each role may do in its tenant, and to whose things. Pure; the one place where this is written."""

from enum import StrEnum

from apiserver.tenants.tenants import Role


class Deed(StrEnum):
    """What members do in a tenant. Leaving it, and reading about oneself, needs no permission."""

    SEE_DEVICES = "see_devices"
    REGISTER_DEVICES = "register_devices"
    MANAGE_DEVICES = "manage_devices"
    MANAGE_REGISTRATION_TOKENS = "manage_registration_tokens"
    APPROVE_DEVICES = "approve_devices"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_SERVICE_TOKENS = "manage_service_tokens"
    CHANGE_TENANT = "change_tenant"
    READ_AUDIT = "read_audit"
    DELETE_TENANT = "delete_tenant"
    HAND_OVER_TENANT = "hand_over_tenant"


class Reach(StrEnum):
    """To whose things a deed may be done: `own` are those whose owner the caller is."""

    NONE = "none"
    OWN = "own"
    ALL = "all"


_N, _O, _A = Reach.NONE, Reach.OWN, Reach.ALL
_ROLES = (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)
_TABLE = {
    # deed                            viewer, member, admin, owner
    Deed.SEE_DEVICES: (_O, _O, _A, _A),
    Deed.REGISTER_DEVICES: (_N, _O, _A, _A),
    Deed.MANAGE_DEVICES: (_N, _O, _A, _A),
    Deed.MANAGE_REGISTRATION_TOKENS: (_N, _O, _A, _A),
    Deed.APPROVE_DEVICES: (_N, _N, _A, _A),
    Deed.MANAGE_MEMBERS: (_N, _N, _A, _A),
    Deed.MANAGE_SERVICE_TOKENS: (_N, _N, _A, _A),
    Deed.CHANGE_TENANT: (_N, _N, _A, _A),
    Deed.READ_AUDIT: (_N, _N, _A, _A),
    Deed.DELETE_TENANT: (_N, _N, _N, _A),
    Deed.HAND_OVER_TENANT: (_N, _N, _N, _A),
}
_REACHES = {
    (role, deed): found for deed, row in _TABLE.items() for role, found in zip(_ROLES, row, strict=True)
}


def reach(role: Role, deed: Deed) -> Reach:
    """To whose things a member with this role may do it."""
    return _REACHES[role, deed]


def may(role: Role, deed: Deed, *, is_own: bool) -> bool:
    """Whether the role allows the deed on one thing; `is_own`: the caller owns it, or it is being made."""
    found = reach(role, deed)
    return found is Reach.ALL or (found is Reach.OWN and is_own)


def may_grant(giver: Role, role: Role) -> bool:
    """Whether a member with the first role may give somebody the second one, or take it away."""
    deed = Deed.HAND_OVER_TENANT if role is Role.OWNER else Deed.MANAGE_MEMBERS
    return reach(giver, deed) is Reach.ALL
