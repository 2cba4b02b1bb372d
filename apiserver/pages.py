"""Cursors of lists: where the next page begins. Signed, so that a client can only hand back what it got.

A cursor holds the sort, a hash of the filters and the values of the last row; it opens with the same list,
tenant, sort and filters alone.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from apiserver.derived_keys import DerivedKey, derive

DEFAULT_LIMIT = 50
HIGHEST_LIMIT = 200

_MAC_BYTES = 16

Value: TypeAlias = str | int | datetime | None


class BadCursorError(Exception):
    """The cursor is not ours, or not one of this list with this sort and these filters."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed. `filters` hold everything that decides which rows there are, the tenant included."""

    name: str
    sort: str
    filters: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Cursors:
    key: DerivedKey

    def write(self, listing: Listing, last: tuple[Value, ...]) -> str:
        """The cursor behind the row with these values of the sort's columns."""
        body = _json([listing.sort, _hash(listing), [_packed(value) for value in last]])
        return base64.urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def read(self, unverified: str, listing: Listing) -> tuple[Value, ...]:
        """The values that `write` was given; raises `BadCursorError`."""
        sealed = _decoded(unverified)
        mac, body = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise BadCursorError
        sort, filters, last = json.loads(body)
        if (sort, filters) != (listing.sort, _hash(listing)):
            raise BadCursorError
        return tuple(_unpacked(value) for value in last)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self.key.key, body, "sha256")[:_MAC_BYTES]


def cursors(server_key: bytes) -> Cursors:
    return Cursors(derive(server_key, "cursors/v1"))


def _hash(listing: Listing) -> str:
    filters = sorted((name, value) for name, value in listing.filters.items() if value is not None)
    return hashlib.sha256(_json([listing.name, filters])).hexdigest()[:32]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _packed(value: Value) -> object:
    return {"at": value.isoformat()} if isinstance(value, datetime) else value


def _unpacked(value: object) -> Value:
    match value:
        case {"at": str(text)}:
            return datetime.fromisoformat(text)
        case str() | int() | None:
            return value
        case _:
            raise BadCursorError


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise BadCursorError from None
