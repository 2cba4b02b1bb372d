"""Writing down deeds: one event for each, in the transaction of the deed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from aiohttp import web

from apiserver.audit.chain import AuditEvent, AuditEventId, linked
from apiserver.auth.labels import label_of
from apiserver.auth.principal import Caller
from apiserver.derived_keys import DerivedKey
from apiserver.ids import new_id
from apiserver.storage.contracts import Transaction
from apiserver.tenants.tenants import TenantId
from common.randomness import Randomness
from common.request_keys import CLIENT_ADDRESS, REQUEST_ID

Facts = Mapping[str, object]
"""What is told of a thing before and after a deed: its public fields, never a secret or a hash of one."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, when, from where, in which request."""

    kind: str
    id: str
    at: datetime
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to what. `action` is `thing.verb`, such as `device.revoked`."""

    tenant_id: TenantId
    action: str
    target_kind: str
    target_id: str
    before: Facts | None = None
    after: Facts | None = None


def _nobody(_tenant_id: TenantId) -> None:
    pass


@dataclass(frozen=True)
class Auditor:
    """`on_event` hears of each tenant whose chain grows, before it is certain that it does."""

    key: DerivedKey
    randomness: Randomness
    on_event: Callable[[TenantId], None] = _nobody

    async def record(self, transaction: Transaction, actor: Actor, deed: Deed) -> None:
        """The last write of a unit of work: the head of the chain is locked from here to its end."""
        head = await transaction.audit.locked_head(deed.tenant_id)
        event = AuditEvent(
            tenant_id=deed.tenant_id,
            seq=head.seq + 1,
            id=AuditEventId(new_id("evt", actor.at, self.randomness)),
            at=actor.at,
            actor_kind=actor.kind,
            actor_id=actor.id,
            action=deed.action,
            target_kind=deed.target_kind,
            target_id=deed.target_id,
            address=actor.address,
            request_id=actor.request_id,
            before=_json(deed.before),
            after=_json(deed.after),
            key_id=self.key.id,
        )
        await transaction.audit.append(linked(self.key, head.mac, event))
        self.on_event(deed.tenant_id)


def actor_of(request: web.Request, caller: Caller, at: datetime) -> Actor:
    label = label_of(caller)
    return Actor(label.kind, label.id or "", at, request[CLIENT_ADDRESS], request[REQUEST_ID])


def _json(facts: Facts | None) -> str | None:
    return None if facts is None else msgspec.json.encode(facts).decode()
