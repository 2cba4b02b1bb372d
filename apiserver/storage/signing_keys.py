"""Statements about the keys that sign our JWTs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from apiserver.signing.key import KeyId, SigningKey
from apiserver.storage.engine import Connection
from apiserver.storage.statement import Row, insert_into, lock_for_writing, statement
from apiserver.storage.tables import signing_keys

_KEYS = signing_keys.c
_LOCK = lock_for_writing("signing_keys")
_ALL = statement(select(signing_keys).order_by(_KEYS.signs_from, _KEYS.id))
_ADD = insert_into(signing_keys)
_WITHDRAW = statement(
    update(signing_keys)
    .where(_KEYS.id == bindparam("key"), _KEYS.withdrawn_at.is_(None))
    .values(withdrawn_at=bindparam("now"))
)
_REMOVE = statement(delete(signing_keys).where(_KEYS.id == bindparam("key")))


@dataclass(frozen=True, slots=True)
class SqlSigningKeys:
    """`contracts.SigningKeyRepository`."""

    connection: Connection

    async def all(self) -> Sequence[SigningKey]:
        return [_as_key(row) for row in await self.connection.rows(_ALL, {})]

    async def locked(self) -> Sequence[SigningKey]:
        await self.connection.rows(_LOCK, {})
        return await self.all()

    async def add(self, key: SigningKey) -> None:
        await self.connection.rows(_ADD, {column.name: getattr(key, column.name) for column in _KEYS})

    async def withdraw(self, key_id: KeyId, now: datetime) -> None:
        await self.connection.rows(_WITHDRAW, {"key": key_id, "now": now})

    async def remove(self, key_id: KeyId) -> None:
        await self.connection.rows(_REMOVE, {"key": key_id})


def _as_key(row: Row) -> SigningKey:
    return SigningKey(
        id=KeyId(row.id),
        algorithm=row.algorithm,
        sealed_private_key=row.sealed_private_key,
        created_at=row.created_at,
        signs_from=row.signs_from,
        withdrawn_at=row.withdrawn_at,
    )
