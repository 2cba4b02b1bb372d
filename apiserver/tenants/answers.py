"""The bodies that this package answers. The OpenAPI document is made of these types: a name is a promise."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from apiserver.tenants.tenants import Membership, Role, TenantKind
from apiserver.tenants.users import User


class MyTenant(msgspec.Struct, frozen=True):
    """A tenant that the caller is in, and the caller's role there."""

    id: str
    name: str
    kind: TenantKind
    role: Role


class Me(msgspec.Struct, frozen=True):
    """The signed-in user. `name` and `email` are what the provider told; null when it told nothing."""

    id: str
    issuer: str
    subject: str
    name: str | None
    email: str | None
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    personal_tenant_id: str
    tenants: list[MyTenant]


def me(user: User, memberships: Sequence[Membership]) -> Me:
    """`memberships` begin with the personal one, as the storage promises."""
    return Me(
        id=user.id,
        issuer=user.identity.issuer,
        subject=user.identity.subject,
        name=user.profile.name,
        email=user.profile.email,
        created_at=user.created_at,
        personal_tenant_id=memberships[0].tenant.id,
        tenants=[
            MyTenant(
                id=membership.tenant.id,
                name=membership.tenant.name,
                kind=membership.tenant.kind,
                role=membership.role,
            )
            for membership in memberships
        ],
    )
