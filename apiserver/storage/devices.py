"""Statements about devices and their tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select, text, update

from apiserver.devices.device import LIVE_STATES, Device, DeviceId, DeviceState
from apiserver.devices.keys import PublicKey
from apiserver.devices.names import name_key
from apiserver.storage.engine import Connection, row_of
from apiserver.storage.records import DevicePage, StoredSecret
from apiserver.storage.statement import (
    Row,
    Statement,
    insert_from_select_unless_there,
    insert_into,
    insert_unless_there,
    statement,
)
from apiserver.storage.tables import device_tokens, devices, freed_addresses
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationTokenId

_DEVICES, _TOKENS = devices.c, device_tokens.c
_ADD = insert_unless_there(devices)
_BY_ID_OF = select(devices).where(_DEVICES.id == bindparam("device"))
_BY_ID = statement(_BY_ID_OF)
_LOCK = statement(_BY_ID_OF.with_for_update())
_BY_KEY = statement(select(devices).where(_DEVICES.public_key == bindparam("key")).with_for_update())
_BY_FINGERPRINT = statement(
    select(devices)
    .where(
        _DEVICES.tenant_id == bindparam("tenant"),
        _DEVICES.fingerprint == bindparam("fingerprint"),
        _DEVICES.fingerprint.is_not(None),
        _DEVICES.ended_at.is_(None),
    )
    .order_by(_DEVICES.id)
    .limit(1)
)
_NAME_HOLDER = statement(
    select(_DEVICES.id).where(
        _DEVICES.tenant_id == bindparam("tenant"),
        _DEVICES.name_key == bindparam("key_of_name"),
        _DEVICES.ended_at.is_(None),
    )
)
_CHANGING = tuple(
    column.name
    for column in devices.c
    if column.name not in {"id", "tenant_id", "registered_at", "last_seen_at"}
)
_UPDATE = statement(
    update(devices)
    .where(_DEVICES.id == bindparam("device"), _DEVICES.version == bindparam("former_version"))
    .values({name: bindparam(f"new_{name}", type_=_DEVICES[name].type) for name in _CHANGING})
    .returning(_DEVICES.id)
)
_SEEN = statement(
    update(devices)
    .where(
        _DEVICES.id == bindparam("device"),
        or_(_DEVICES.last_seen_at.is_(None), _DEVICES.last_seen_at < bindparam("seen")),
    )
    .values(last_seen_at=bindparam("seen"))
)
_ADD_TOKEN = insert_into(device_tokens)
_BY_TOKEN = statement(
    select(
        devices,
        _TOKENS.id.label("token_id"),
        _TOKENS.secret_hash,
        _TOKENS.created_at.label("token_created_at"),
        _TOKENS.first_used_at,
        _TOKENS.revoked_at,
    )
    .join(devices, _DEVICES.id == _TOKENS.device_id)
    .where(_TOKENS.id == bindparam("token"))
)
_TOKENS_OF = statement(
    select(device_tokens)
    .where(_TOKENS.device_id == bindparam("device"), _TOKENS.revoked_at.is_(None))
    .order_by(_TOKENS.id)
)
_USE_TOKEN = statement(
    update(device_tokens)
    .where(_TOKENS.id == bindparam("token"), _TOKENS.first_used_at.is_(None), _TOKENS.revoked_at.is_(None))
    .values(first_used_at=bindparam("now"))
    .returning(_TOKENS.id)
)
_REVOKE_OLDER = statement(
    update(device_tokens)
    .where(
        _TOKENS.device_id == bindparam("device"),
        _TOKENS.id != bindparam("token"),
        # What is in use is what is replaced, even if it was made by a server whose clock is ahead.
        or_(_TOKENS.created_at <= bindparam("made"), _TOKENS.first_used_at.is_not(None)),
        _TOKENS.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("now"))
    .returning(_TOKENS.id)
)
_REVOKE_TOKEN = statement(
    update(device_tokens)
    .where(_TOKENS.id == bindparam("token"), _TOKENS.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)
_REVOKE_ALL = statement(
    update(device_tokens)
    .where(_TOKENS.device_id == bindparam("device"), _TOKENS.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)
_FREE_ADDRESSES = insert_from_select_unless_there(
    freed_addresses,
    select(_DEVICES.tenant_id, _DEVICES.ipv4, _DEVICES.ipv6).where(
        _DEVICES.id == bindparam("device"), _DEVICES.ipv4.is_not(None)
    ),
)


@dataclass(frozen=True, slots=True)
class SqlDevices:
    """`contracts.DeviceRepository`."""

    connection: Connection

    async def add(self, device: Device) -> bool:
        return await row_of(self.connection, _ADD, _values_of(device)) is not None

    async def by_id(self, device_id: DeviceId) -> Device | None:
        return await self._one(_BY_ID, {"device": device_id})

    async def locked(self, device_id: DeviceId) -> Device | None:
        return await self._one(_LOCK, {"device": device_id})

    async def by_public_key(self, public_key: PublicKey) -> Device | None:
        return await self._one(_BY_KEY, {"key": public_key})

    async def live_with_fingerprint(self, tenant_id: TenantId, fingerprint: str) -> Device | None:
        return await self._one(_BY_FINGERPRINT, {"tenant": tenant_id, "fingerprint": fingerprint})

    async def is_name_taken(self, tenant_id: TenantId, name: str) -> bool:
        values = {"tenant": tenant_id, "key_of_name": name_key(name)}
        return await row_of(self.connection, _NAME_HOLDER, values) is not None

    async def update(self, device: Device, *, former_version: int) -> bool:
        values = {f"new_{name}": value for name, value in _values_of(device).items() if name in _CHANGING}
        row = await row_of(
            self.connection, _UPDATE, {**values, "device": device.id, "former_version": former_version}
        )
        return row is not None

    async def seen(self, device_id: DeviceId, at: datetime) -> None:
        await self.connection.rows(_SEEN, {"device": device_id, "seen": at})

    async def free_addresses(self, device_id: DeviceId) -> None:
        await self.connection.rows(_FREE_ADDRESSES, {"device": device_id})

    async def page(self, page: DevicePage) -> Sequence[Device]:
        given: dict[str, Any] = {
            "owner": page.owner_id,
            "token": page.registration_token_id,
            "state": page.state,
            "key_of_name": None if page.name is None else name_key(page.name),
            "after": page.after,
        }
        values = {name: value for name, value in given.items() if value is not None}
        shape = _page(frozenset(values), state=page.state, by_name=page.by_name, is_down=page.is_descending)
        rows = await self.connection.rows(shape, {"tenant": page.tenant_id, "most": page.limit, **values})
        return [_as_device(row) for row in rows]

    async def add_token(self, device_id: DeviceId, token: StoredSecret) -> None:
        await self.connection.rows(
            _ADD_TOKEN,
            {
                "id": token.id,
                "device_id": device_id,
                "secret_hash": token.hash,
                "created_at": token.created_at,
                "first_used_at": token.first_used_at,
                "revoked_at": token.revoked_at,
            },
        )

    async def by_token(self, token_id: str) -> tuple[Device, StoredSecret] | None:
        row = await row_of(self.connection, _BY_TOKEN, {"token": token_id})
        if row is None:
            return None
        return _as_device(row), StoredSecret(
            row.token_id, row.secret_hash, row.token_created_at, row.first_used_at, row.revoked_at
        )

    async def tokens_of(self, device_id: DeviceId) -> Sequence[StoredSecret]:
        rows = await self.connection.rows(_TOKENS_OF, {"device": device_id})
        return [
            StoredSecret(row.id, row.secret_hash, row.created_at, row.first_used_at, row.revoked_at)
            for row in rows
        ]

    async def use_token(self, device_id: DeviceId, token: StoredSecret, now: datetime) -> bool:
        used = await row_of(self.connection, _USE_TOKEN, {"token": token.id, "now": now})
        if used is not None:
            await self.connection.rows(
                _REVOKE_OLDER,
                {"device": device_id, "token": token.id, "made": token.created_at, "now": now},
            )
        return used is not None

    async def revoke_token(self, token_id: str, now: datetime) -> None:
        await self.connection.rows(_REVOKE_TOKEN, {"token": token_id, "now": now})

    async def revoke_all_tokens(self, device_id: DeviceId, now: datetime) -> None:
        await self.connection.rows(_REVOKE_ALL, {"device": device_id, "now": now})

    async def _one(self, one: Statement, values: Mapping[str, Any]) -> Device | None:
        row = await row_of(self.connection, one, values)
        return None if row is None else _as_device(row)


@lru_cache
def _page(given: frozenset[str], *, state: DeviceState | None, by_name: bool, is_down: bool) -> Statement:
    order: ColumnElement[str] = _DEVICES.name_key if by_name else _DEVICES.id
    conditions = {
        "owner": _DEVICES.owner_id == bindparam("owner"),
        "token": _DEVICES.registration_token_id == bindparam("token"),
        "state": _DEVICES.state == bindparam("state"),
        "key_of_name": _DEVICES.name_key == bindparam("key_of_name"),
        "after": order < bindparam("after") if is_down else order > bindparam("after"),
    }
    found = select(devices).where(
        _DEVICES.tenant_id == bindparam("tenant"), *(conditions[name] for name in sorted(given))
    )
    if state is None or state in LIVE_STATES:
        found = found.where(_DEVICES.ended_at.is_(None))
    if state is not None and state is not DeviceState.ACTIVE:
        # In the words of the partial index over the few that are not active, so that it is used.
        found = found.where(text("state <> 'active'"))
    # Few of many, found by another index, are sorted: to look for them in the order of all names would
    # cost a look at each device of the tenant. No index has this expression.
    is_few = not given.isdisjoint({"owner", "token"}) or state not in {None, DeviceState.ACTIVE}
    if by_name and is_few:
        order = order.concat("")
    return statement(found.order_by(order.desc() if is_down else order).limit(bindparam("most")))


def _values_of(device: Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "tenant_id": device.tenant_id,
        "owner_id": device.owner_id,
        "registration_token_id": device.registration_token_id,
        "name": device.name,
        "name_key": name_key(device.name),
        "state": device.state.value,
        "state_reason": device.state_reason,
        "public_key": device.public_key,
        "fingerprint": device.fingerprint,
        "ipv4": device.ipv4,
        "ipv6": device.ipv6,
        "taints": list(device.taints),
        "labels": dict(device.labels),
        "ephemeral_s": device.ephemeral_s,
        "evidence": None if device.evidence is None else dict(device.evidence),
        "registered_at": device.registered_at,
        "approved_at": device.approved_at,
        "expires_at": device.expires_at,
        "last_seen_at": device.last_seen_at,
        "ended_at": device.ended_at,
        "version": device.version,
    }


def _as_device(row: Row) -> Device:
    return Device(
        id=DeviceId(row.id),
        tenant_id=TenantId(row.tenant_id),
        owner_id=UserId(row.owner_id),
        registration_token_id=(
            None if row.registration_token_id is None else RegistrationTokenId(row.registration_token_id)
        ),
        name=row.name,
        state=DeviceState(row.state),
        state_reason=row.state_reason,
        public_key=None if row.public_key is None else PublicKey(row.public_key),
        fingerprint=row.fingerprint,
        ipv4=row.ipv4,
        ipv6=row.ipv6,
        taints=tuple(row.taints),
        labels=row.labels,
        ephemeral_s=row.ephemeral_s,
        evidence=row.evidence,
        registered_at=row.registered_at,
        approved_at=row.approved_at,
        expires_at=row.expires_at,
        last_seen_at=row.last_seen_at,
        ended_at=row.ended_at,
        version=row.version,
    )
