"""Statements about requests that may be repeated."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import FormerRequest
from apiserver.storage.statement import insert_unless_there, statement
from apiserver.storage.tables import idempotency_keys

_KEYS = idempotency_keys.c
_ADD = insert_unless_there(idempotency_keys, by=("caller", "key"))
_FIND = statement(
    select(_KEYS.request_hash, _KEYS.resource_id).where(
        _KEYS.caller == bindparam("caller"), _KEYS.key == bindparam("key")
    )
)


@dataclass(frozen=True, slots=True)
class SqlIdempotencyKeys:
    """`contracts.IdempotencyKeyRepository`."""

    connection: Connection

    async def find(self, caller: str, key: str) -> FormerRequest | None:
        row = await row_of(self.connection, _FIND, {"caller": caller, "key": key})
        return None if row is None else FormerRequest(row.request_hash, row.resource_id)

    async def add(
        self, caller: str, key: str, *, request_hash: bytes, resource_id: str, now: datetime
    ) -> bool:
        row = await row_of(
            self.connection,
            _ADD,
            {
                "caller": caller,
                "key": key,
                "request_hash": request_hash,
                "resource_id": resource_id,
                "created_at": now,
            },
        )
        return row is not None
