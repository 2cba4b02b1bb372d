"""Statements about the address pools of tenants."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from sqlalchemy import bindparam, delete, select, update

from apiserver.networks.addresses import AddressPool
from apiserver.storage.engine import Connection, row_of
from apiserver.storage.statement import insert_unless_there, statement
from apiserver.storage.tables import address_pools, freed_addresses
from apiserver.tenants.tenants import TenantId

_POOLS, _FREED = address_pools.c, freed_addresses.c
_ADD = insert_unless_there(address_pools, by=("tenant_id",))
_FIND = statement(select(address_pools).where(_POOLS.tenant_id == bindparam("tenant")).with_for_update())
_TAKE_NEXT = statement(
    update(address_pools).where(_POOLS.tenant_id == bindparam("tenant")).values(next_host=bindparam("next"))
)
_ONE_FREED = statement(
    select(_FREED.ipv4, _FREED.ipv6)
    .where(_FREED.tenant_id == bindparam("tenant"))
    .order_by(_FREED.ipv4)
    .limit(1)
)
_TAKE_FREED = statement(
    delete(freed_addresses).where(_FREED.tenant_id == bindparam("tenant"), _FREED.ipv4 == bindparam("freed"))
)


@dataclass(frozen=True, slots=True)
class SqlAddressPools:
    """`contracts.AddressPoolRepository`."""

    connection: Connection

    async def add(self, tenant_id: TenantId, pool: AddressPool) -> bool:
        row = await row_of(
            self.connection,
            _ADD,
            {
                "tenant_id": tenant_id,
                "ipv4_network": str(pool.ipv4_network),
                "ipv6_network": str(pool.ipv6_network),
                "next_host": pool.next_host,
            },
        )
        return row is not None

    async def locked(self, tenant_id: TenantId) -> AddressPool | None:
        row = await row_of(self.connection, _FIND, {"tenant": tenant_id})
        if row is None:
            return None
        return AddressPool(_ipv4(row.ipv4_network), _ipv6(row.ipv6_network), row.next_host)

    async def set_next_host(self, tenant_id: TenantId, next_host: int) -> None:
        await self.connection.rows(_TAKE_NEXT, {"tenant": tenant_id, "next": next_host})

    async def take_freed(self, tenant_id: TenantId) -> tuple[str, str] | None:
        row = await row_of(self.connection, _ONE_FREED, {"tenant": tenant_id})
        if row is None:
            return None
        await self.connection.rows(_TAKE_FREED, {"tenant": tenant_id, "freed": row.ipv4})
        return row.ipv4, row.ipv6


@lru_cache
def _ipv4(text: str) -> IPv4Network:
    return IPv4Network(text)


@lru_cache
def _ipv6(text: str) -> IPv6Network:
    return IPv6Network(text)
