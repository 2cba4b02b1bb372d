"""For whom something is done, and where. Whoever looks a membership up must be told this. Pure."""

from dataclasses import dataclass

from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.service_token import ServiceTokenId


@dataclass(frozen=True, slots=True)
class Acting:
    """`tenant_id` is the only tenant in which it is done; None: any that the user is in.

    A service acts for its maker in one tenant, by the token `service_token_id`. A function that takes this
    value in place of a user's id cannot let it into another one.
    """

    user_id: UserId
    tenant_id: TenantId | None
    service_token_id: ServiceTokenId | None = None

    def may_enter(self, tenant_id: TenantId) -> bool:
        """Whether it is done there at all; what the user's role allows there is not known here."""
        return self.tenant_id is None or self.tenant_id == tenant_id


def in_person(user_id: UserId) -> Acting:
    """A user who does it themselves."""
    return Acting(user_id, tenant_id=None)
