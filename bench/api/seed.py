"""A database with so many devices, and the secrets that the load asks with.

The tenant, its owner and the registration token come through the storage; devices are copies of one row,
written in bulk: a million registrations one by one would take longer than all that is measured.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from typing import Any

import asyncpg

from apiserver.ids import new_id
from apiserver.networks.addresses import AddressPool, default_pool
from apiserver.storage.contracts import Transaction
from apiserver.storage.location import DatabaseLocation, SqliteFile
from apiserver.storage.records import StoredSecret
from apiserver.storage.sql import open_storage
from apiserver.tenants.tenants import Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import Identity, Profile, User, UserId
from apiserver.tokens.registration_token import RegistrationToken, RegistrationTokenId
from apiserver.tokens.secret import SecretKind, hash_of, mint
from common.randomness import SystemRandomness

TENANT = TenantId("ten_00000000000000000bench")
OWNER = UserId("usr_00000000000000000bench")
TOKEN = RegistrationTokenId("rgt_00000000000000000bench")
SUBJECT = "bench"

_RANDOMNESS = SystemRandomness()
_ASKING_DEVICES = 1000
_BATCH = 20_000


@dataclass(frozen=True)
class Seeded:
    """What the load sends: a registration token, and the tokens of some devices that are there."""

    registration_token: str
    device_tokens: list[str]


async def seed(location: DatabaseLocation, issuer: str, devices: int) -> Seeded:
    now = datetime.now(UTC)  # noqa: TID251 - rows of this moment, as a server would have written them
    pool = default_pool(_RANDOMNESS)
    secret_id = new_id("rts", now, _RANDOMNESS)
    secret = mint(SecretKind.REGISTRATION, secret_id.removeprefix("rts_"), _RANDOMNESS)

    async def begin(transaction: Transaction) -> None:
        await transaction.users.add(User(OWNER, Identity(issuer, SUBJECT), Profile("Bench"), now))
        await transaction.tenants.add(Tenant(TENANT, "Bench", TenantKind.PRIVATE, OWNER, now))
        await transaction.tenants.add_member(TENANT, OWNER, Role.OWNER, joined_at=now)
        await transaction.addresses.add(
            TENANT, AddressPool(pool.ipv4_network, pool.ipv6_network, devices + 1)
        )
        await transaction.registration_tokens.add(_token(now))
        await transaction.registration_tokens.add_secret(TOKEN, StoredSecret(secret_id, hash_of(secret), now))

    async with AsyncExitStack() as stack:
        storage = await open_storage(stack, location)
        await storage.write(begin)
    rows = _Rows(pool, now - timedelta(days=1), devices)
    if isinstance(location, SqliteFile):
        _into_sqlite(location, rows)
    else:
        await _into_postgresql(location.url, rows)
    return Seeded(secret.reveal(), rows.secrets)


class _Rows:
    """The rows of devices and their tokens, in the order of their making."""

    def __init__(self, pool: AddressPool, since: datetime, count: int) -> None:
        self.secrets: list[str] = []
        self._pool = pool
        self._since = since
        self._count = count
        self._asking_each = max(1, count // _ASKING_DEVICES)

    def batches(self) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
        both = self._each()
        while batch := list(islice(both, _BATCH)):
            yield [device for device, _ in batch], [token for _, token in batch]

    def _each(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        ipv4, ipv6 = int(self._pool.ipv4_network[0]), int(self._pool.ipv6_network[0])
        for number in range(1, self._count + 1):
            at = self._since + timedelta(milliseconds=number)
            device_id, token_id = new_id("dev", at, _RANDOMNESS), new_id("dtk", at, _RANDOMNESS)
            name = hashlib.sha256(str(number).encode()).hexdigest()[:16]
            device = {
                "id": device_id,
                "tenant_id": TENANT,
                "owner_id": OWNER,
                "registration_token_id": TOKEN,
                "name": f"device-{name}",
                "name_key": f"device-{name}",
                "state": "active",
                "state_reason": None,
                "public_key": None,
                "fingerprint": hashlib.sha256(f"fingerprint {number}".encode()).hexdigest(),
                "ipv4": str(IPv4Address(ipv4 + number)),
                "ipv6": str(IPv6Address(ipv6 + number)),
                "taints": '["lab"]',
                "labels": "{}",
                "ephemeral_s": None,
                "evidence": None,
                "registered_at": at,
                "approved_at": at,
                "expires_at": None,
                "last_seen_at": at,
                "ended_at": None,
                "version": 1,
            }
            token = {
                "id": token_id,
                "device_id": device_id,
                "secret_hash": self._hash(number, token_id),
                "created_at": at,
                "first_used_at": at,
                "revoked_at": None,
            }
            yield device, token

    def _hash(self, number: int, token_id: str) -> bytes:
        if number % self._asking_each:
            return bytes(32)
        secret = mint(SecretKind.DEVICE, token_id.removeprefix("dtk_"), _RANDOMNESS)
        self.secrets.append(secret.reveal())
        return hash_of(secret)


def _into_sqlite(location: SqliteFile, rows: _Rows) -> None:
    with closing(sqlite3.connect(location.path)) as connection:
        for devices, tokens in rows.batches():
            for table, batch in (("devices", devices), ("device_tokens", tokens)):
                columns = list(batch[0])
                marks = ", ".join(f":{column}" for column in columns)
                connection.executemany(
                    f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - our own names
                    [_without_zones(row) for row in batch],
                )
            connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _without_zones(row: dict[str, Any]) -> dict[str, Any]:
    # As the storage writes times: UTC, in SQLAlchemy's text for SQLite.
    return {
        name: value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value
        for name, value in row.items()
    }


async def _into_postgresql(url: str, rows: _Rows) -> None:
    connection = await asyncpg.connect(url)
    try:
        for devices, tokens in rows.batches():
            for table, batch in (("devices", devices), ("device_tokens", tokens)):
                columns = list(batch[0])
                records = [tuple(row.values()) for row in batch]
                await connection.copy_records_to_table(table, records=records, columns=columns)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _token(now: datetime) -> RegistrationToken:
    return RegistrationToken(
        id=TOKEN,
        tenant_id=TENANT,
        owner_id=OWNER,
        label="bench",
        description="",
        max_uses=None,
        uses=0,
        expires_at=None,
        not_before=None,
        idle_s=None,
        last_used_at=None,
        taints=("lab",),
        labels={},
        name_pattern=None,
        source_networks=(),
        pre_approved=False,
        ephemeral_s=None,
        rate_per_minute=None,
        next_allowed_at=None,
        suspended_at=None,
        revoked_at=None,
        created_at=now,
        version=1,
    )
