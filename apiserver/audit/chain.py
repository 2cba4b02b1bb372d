"""The audit chain of a tenant: each event's MAC covers the event and the MAC before it. Pure.

Whoever can write to the database, and has not the server key, can neither change, remove, insert nor reorder
events unseen. Two things the chain alone cannot show: that its tail was cut and the head set back with it,
and that it was rolled back whole. Checkpoints, which the log keeps elsewhere, show both.
"""

import hmac
import json
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import NewType

from apiserver.derived_keys import DerivedKey, derive
from apiserver.tenants.tenants import TenantId

AuditEventId = NewType("AuditEventId", str)

FIRST_SEQ = 1
LARGEST_SEQ = 2**63 - 1
FIRST_PREVIOUS_MAC = bytes(32)
MOST_FAULTS = 100

_FORMAT = "doorward/audit/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """`before` and `after` are JSON texts without secrets. `key_id` and `mac` are set by `linked`.

    One without a MAC was never linked, or is in place of one that cannot be read.
    """

    tenant_id: TenantId
    seq: int
    id: AuditEventId
    at: datetime
    actor_kind: str
    actor_id: str
    action: str
    target_kind: str
    target_id: str
    address: str | None = None
    request_id: str | None = None
    before: str | None = None
    after: str | None = None
    key_id: str = ""
    mac: bytes = b""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The MAC that the event `seq` of a tenant had: as its head row says, or as the log once said."""

    seq: int
    mac: bytes


_START = Checkpoint(FIRST_SEQ - 1, FIRST_PREVIOUS_MAC)
_covered = attrgetter(*(covered.name for covered in fields(AuditEvent) if covered.name != "mac"))


class FaultKind(StrEnum):
    """What is wrong, at the `seq` that the fault names.

    `edited`: the event is not what was written, or its MAC is not. `missing`: there is none, and later ones
    are there; that which follows could not be checked. `out_of_order`: it stands behind a later one, or
    twice. `cut`: there is none, and it was the last known. `unknown_key`: no key here has the event's key id.
    `wrong_head`: the head row names another last event. `wrong_checkpoint`: the log knew another MAC.
    """

    EDITED = "edited"
    MISSING = "missing"
    OUT_OF_ORDER = "out_of_order"
    CUT = "cut"
    UNKNOWN_KEY = "unknown_key"
    WRONG_HEAD = "wrong_head"
    WRONG_CHECKPOINT = "wrong_checkpoint"


@dataclass(frozen=True, slots=True)
class Fault:
    seq: int
    kind: FaultKind


def audit_key(server_key: bytes) -> DerivedKey:
    return derive(server_key, "audit/v1")


def canonical_bytes(previous_mac: bytes, event: AuditEvent) -> bytes:
    """All that a MAC covers: a JSON array of all fields in their order. No two events have the same."""
    return json.dumps([_FORMAT, previous_mac.hex(), *_covered(event)], default=_moment).encode()


def mac_of(key: bytes, previous_mac: bytes, event: AuditEvent) -> bytes:
    return hmac.digest(key, canonical_bytes(previous_mac, event), "sha256")


def linked(key: DerivedKey, previous_mac: bytes, event: AuditEvent) -> AuditEvent:
    """The event with its place in the chain; the first one of a tenant follows `FIRST_PREVIOUS_MAC`."""
    named = event if event.key_id == key.id else replace(event, key_id=key.id)
    return replace(named, mac=mac_of(key.key, previous_mac, named))


@dataclass
class ChainVerifier:
    """Looks at events one by one, in the order of the storage, and keeps nothing of them but the last MAC.

    At most the first `MOST_FAULTS` faults are kept: a wrong key would otherwise give one for every event.
    """

    keys: Mapping[str, bytes]
    checkpoints: Mapping[int, set[bytes]]
    faults: list[Fault] = field(default_factory=list)
    _last: Checkpoint = _START

    def look_at(self, event: AuditEvent) -> None:
        expected = self._last.seq + 1
        if event.seq < expected:
            self._fault(event.seq, FaultKind.OUT_OF_ORDER)
            return
        if event.seq > expected:
            self._fault(expected, FaultKind.MISSING)
        else:
            self._look_at_mac(event)
        if self.checkpoints.get(event.seq, {event.mac}) != {event.mac}:
            self._fault(event.seq, FaultKind.WRONG_CHECKPOINT)
        self._last = Checkpoint(event.seq, event.mac)

    def finish(self, head: Checkpoint | None) -> list[Fault]:
        """All faults, in the order of their discovery, once the last event was looked at."""
        named = head or _START
        if named.seq <= self._last.seq and named != self._last:
            self._fault(self._last.seq, FaultKind.WRONG_HEAD)
        if max(named.seq, *self.checkpoints, _START.seq) > self._last.seq:
            self._fault(self._last.seq + 1, FaultKind.CUT)
        return self.faults

    def _look_at_mac(self, event: AuditEvent) -> None:
        key = self.keys.get(event.key_id)
        if key is None and event.mac:
            self._fault(event.seq, FaultKind.UNKNOWN_KEY)
        elif key is None or not hmac.compare_digest(mac_of(key, self._last.mac, event), event.mac):
            self._fault(event.seq, FaultKind.EDITED)

    def _fault(self, seq: int, kind: FaultKind) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(seq, kind))


async def verify(
    keys: Mapping[str, bytes],
    events: AsyncIterable[AuditEvent],
    head: Checkpoint | None,
    checkpoints: Iterable[Checkpoint] = (),
) -> list[Fault]:
    """What is wrong with the chain of one tenant, whose events come in the order of their `seq`.

    `head` is the tenant's head row, read in the same view as the events. Empty: nothing is wrong.
    """
    known: dict[int, set[bytes]] = {}
    for checkpoint in checkpoints:
        known.setdefault(checkpoint.seq, set()).add(checkpoint.mac)
    verifier = ChainVerifier(keys, known)
    async for event in events:
        verifier.look_at(event)
    return verifier.finish(head)


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    raise TypeError(f"an audit event cannot hold a {type(value).__name__}")
