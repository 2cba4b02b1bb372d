"""Audit events of a tenant, and whether they are what was written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from cli.checkpoints import Checkpoint
from cli.replies import Told
from cli.user_api import UserApi

_PATH: Final = "/api/v1/audit-events"

MEANINGS: Final[Mapping[str, str]] = {
    "edited": "the event is not what was written",
    "missing": "there is no event, and there are later ones",
    "out_of_order": "the event stands before the first one",
    "cut": "there is no event, and there was one",
    "unknown_key": "the event was written with a key that the server does not have (SERVER_KEY)",
    "wrong_head": "the record of the last event names another one",
    "wrong_checkpoint": "the log knows another event in this place",
}


class AuditEvent(msgspec.Struct, frozen=True):
    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    action: str
    target_kind: str
    target_id: str
    address: str | None = None


class Fault(msgspec.Struct, frozen=True):
    seq: int
    kind: str


class Head(msgspec.Struct, frozen=True):
    seq: int
    mac: str


class Verdict(msgspec.Struct, frozen=True):
    is_intact: bool
    events: int
    faults: tuple[Fault, ...]
    head: Head | None = None


@dataclass(frozen=True)
class Audit:
    """The events of one tenant, the personal one when `tenant_id` is None. Raises `CliError`."""

    api: UserApi
    tenant_id: str | None

    def each(self, query: Mapping[str, str | None]) -> Iterator[Told[AuditEvent]]:
        """The newest first."""
        return self.api.each(AuditEvent, _PATH, {"tenant_id": self.tenant_id, **query})

    def verify(self, checkpoints: Sequence[Checkpoint]) -> Told[Verdict]:
        body: dict[str, Any] = {"tenant_id": self.tenant_id, "checkpoints": checkpoints}
        return self.api.ask(Verdict, "POST", f"{_PATH}/verify", body)
