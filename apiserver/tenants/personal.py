"""Which tenant is meant where a request names none: the personal one, for a service its own."""

from apiserver.storage.contracts import Storage
from apiserver.tenants.acting import Acting
from apiserver.tenants.tenants import TenantId


async def tenant_meant(storage: Storage, named: str | None, acting: Acting) -> TenantId:
    """The one that is named, whether they may enter it or not; else the service's, or the personal one."""
    if named is not None:
        return TenantId(named)
    if acting.tenant_id is not None:
        return acting.tenant_id
    return await storage.read(lambda view: view.tenants.personal_of(acting.user_id))
