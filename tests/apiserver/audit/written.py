"""Audit events, written as the server writes them, without the deeds."""

from typing import Any

from apiserver.audit.chain import audit_key
from apiserver.audit.trail import Actor, Auditor, Deed
from apiserver.storage.contracts import Transaction
from apiserver.tenants.tenants import TenantId
from common.randomness import SystemRandomness
from tests.apiserver.machines import World

AUDIT = "/api/v1/audit-events"

_AT_ONCE = 1_000


async def write_events(world: World, tenant_id: str, count: int, **fields: Any) -> None:
    """`fields` are those of `Deed`, and `actor_id`."""
    actor = Actor("user", fields.pop("actor_id", "usr_1"), world.clock.now(), "192.0.2.1", "req-1")
    usual = {
        "action": "thing.done",
        "target_kind": "thing",
        "target_id": "thg_1",
        "after": {"text": "x" * 200},
    }
    deed = Deed(TenantId(tenant_id), **(usual | fields))
    auditor = Auditor(audit_key(world.server.parts.server_keys[0]), SystemRandomness())
    for first in range(0, count, _AT_ONCE):
        await world.storage.write(_writing(auditor, actor, deed, min(_AT_ONCE, count - first)))


def _writing(auditor: Auditor, actor: Actor, deed: Deed, count: int) -> Any:
    async def write(transaction: Transaction) -> None:
        for _ in range(count):
            await auditor.record(transaction, actor, deed)

    return write
