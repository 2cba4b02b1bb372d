"""The bodies that this package reads and answers. The OpenAPI document is made of these types."""

from typing import Annotated, Any

import msgspec

from apiserver.audit.chain import FIRST_SEQ, LARGEST_SEQ, AuditEvent, Checkpoint, FaultKind
from apiserver.audit.verification import Verdict
from apiserver.bodies import Body, Query
from apiserver.fields import Limit, TenantIdText, Time
from apiserver.pages import DEFAULT_LIMIT

_Facts = dict[str, Any] | None
# Of any kind. What else is sought was never written, and PostgreSQL takes no NUL in a text.
_AnyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_]{1,64}\Z")]
_Action = Annotated[str, msgspec.Meta(pattern=r"^[a-z_.]{1,64}\Z")]


class AuditExportQuery(Query, frozen=True):
    """Without `tenant_id`: the personal tenant. `since` is included, `until` is not."""

    tenant_id: TenantIdText | None = None
    actor_id: _AnyId | None = None
    action: _Action | None = None
    target_id: _AnyId | None = None
    since: Time | None = None
    until: Time | None = None


class AuditQuery(AuditExportQuery, frozen=True):
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


class AuditEventAnswer(msgspec.Struct, frozen=True):
    """Who did what to what. `mac` (hex) covers all the rest and the `mac` of the event before it."""

    tenant_id: TenantIdText
    seq: int
    id: str
    at: Time
    actor_kind: str
    actor_id: str
    action: str
    target_kind: str
    target_id: str
    address: str | None
    request_id: str | None
    before: _Facts
    after: _Facts
    key_id: str
    mac: str


class AuditEventList(msgspec.Struct, frozen=True):
    """The newest first. `next_cursor` is null on the last page."""

    items: list[AuditEventAnswer]
    next_cursor: str | None


class AuditCheckpoint(Body, frozen=True):
    """The `mac` (hex) that the event `seq` had when the server logged it, or has now."""

    seq: Annotated[int, msgspec.Meta(ge=FIRST_SEQ, le=LARGEST_SEQ)]
    mac: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class AuditVerification(Body, frozen=True):
    """What the chain is compared with, beside itself: checkpoints of the servers' logs."""

    tenant_id: TenantIdText | None = None
    checkpoints: list[AuditCheckpoint] = msgspec.field(default_factory=list)


class AuditFault(msgspec.Struct, frozen=True):
    """What is wrong at this place of the chain."""

    seq: int
    kind: FaultKind


class AuditVerdict(msgspec.Struct, frozen=True):
    """Whether the chain is what was written. `events`: how many were looked at, up to `head`, the last one.

    Of the `faults`, the first hundred.
    """

    is_intact: bool
    events: int
    head: AuditCheckpoint | None
    faults: list[AuditFault]


def event_answer(event: AuditEvent) -> AuditEventAnswer:
    return AuditEventAnswer(
        tenant_id=event.tenant_id,
        seq=event.seq,
        id=event.id,
        at=event.at,
        actor_kind=event.actor_kind,
        actor_id=event.actor_id,
        action=event.action,
        target_kind=event.target_kind,
        target_id=event.target_id,
        address=event.address,
        request_id=event.request_id,
        before=_facts(event.before),
        after=_facts(event.after),
        key_id=event.key_id,
        mac=event.mac.hex(),
    )


def verdict_answer(verdict: Verdict) -> AuditVerdict:
    head = verdict.head
    return AuditVerdict(
        is_intact=not verdict.faults,
        events=verdict.events,
        head=None if head is None else AuditCheckpoint(head.seq, head.mac.hex()),
        faults=[AuditFault(fault.seq, fault.kind) for fault in verdict.faults],
    )


def checkpoints_of(verification: AuditVerification) -> list[Checkpoint]:
    return [Checkpoint(known.seq, bytes.fromhex(known.mac)) for known in verification.checkpoints]


def _facts(text: str | None) -> _Facts:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        # Somebody wrote past this program: the row is shown all the same, for whoever looks into it.
        return {"unreadable": text}
