"""The contract of a session store.

Every operation is atomic on its own. A record that is gone stays gone: nothing but `create` makes one, so
that a refresh or an activity mark that comes late cannot bring back a session that was ended. Stores keep
what they are given; whether a record is still usable is decided by its reader.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from bff.session.record import SealedTokens, SessionKey, SessionRecord
from common.http import Json


class SessionStore(Protocol):
    async def create(self, record: SessionRecord) -> None:
        """Add a record under a key that was never used before."""
        ...

    async def load(self, key: SessionKey) -> SessionRecord | None: ...

    async def save_tokens(self, key: SessionKey, tokens: SealedTokens) -> bool:
        """Replace the tokens of a record that still exists; False when it is gone."""
        ...

    async def save_user(self, key: SessionKey, user: Mapping[str, Json]) -> bool:
        """Replace the user part of a record that still exists; False when it is gone."""
        ...

    async def mark_active(self, key: SessionKey, active_at: datetime) -> None:
        """Move the idle clock of a record that still exists. Never moves it back."""
        ...

    async def delete(self, key: SessionKey) -> bool:
        """Whether this call removed it."""
        ...

    async def put_once(self, name: str, value: bytes, expires_at: datetime) -> bool:
        """Keep a value until it is taken or expires; False, and nothing changed, when the name is in use."""
        ...

    async def take_once(self, name: str, now: datetime) -> bytes | None:
        """Remove and return the value: of two callers at once, one gets it."""
        ...

    async def remove_ended(self, now: datetime, idle_since: datetime) -> int:
        """Remove what has expired or was last active before `idle_since`; returns how many sessions."""
        ...
