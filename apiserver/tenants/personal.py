"""Which tenant is meant where a request names none: the personal one."""

from apiserver.storage.contracts import Storage
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId


async def tenant_or_personal(storage: Storage, named: str | None, user_id: UserId) -> TenantId:
    """The tenant that is named, whether the user is in it or not; else the user's personal one."""
    if named is not None:
        return TenantId(named)
    return await storage.read(lambda view: view.tenants.personal_of(user_id))
