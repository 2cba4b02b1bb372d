"""Giving out addresses, inside the transaction of the registration."""

from apiserver.networks.addresses import Addresses, AddressPool, addresses_of, default_pool
from apiserver.storage.contracts import Transaction
from apiserver.tenants.tenants import TenantId
from common.randomness import Randomness


async def allocate(transaction: Transaction, tenant_id: TenantId, randomness: Randomness) -> Addresses | None:
    """An IPv4 and an IPv6 address that no device of the tenant has; None when there are none left.

    Those that were never given out come first: a device that has just left may still be spoken to.
    """
    pool = await _locked_pool(transaction, tenant_id, randomness)
    if pool.next_host <= pool.last_host:
        await transaction.addresses.set_next_host(tenant_id, pool.next_host + 1)
        return addresses_of(pool, pool.next_host)
    freed = await transaction.addresses.take_freed(tenant_id)
    return None if freed is None else Addresses(*freed)


async def _locked_pool(transaction: Transaction, tenant_id: TenantId, randomness: Randomness) -> AddressPool:
    pool = await transaction.addresses.locked(tenant_id)
    if pool is None:
        await transaction.addresses.add(tenant_id, default_pool(randomness))
        pool = await transaction.addresses.locked(tenant_id)
    if pool is None:
        raise LookupError("an address pool that was just made is gone")
    return pool
