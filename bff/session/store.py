"""The contract of a session store.

Every operation is atomic on its own. A record that is gone stays gone: nothing but `create` makes one, so
that a refresh or an activity mark that comes late cannot bring back a session that was ended. Stores keep
what they are given; whether a record is still usable is decided by its reader. Any method may raise
`StoreUnavailableError`, and then it may have happened or not.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bff.session.record import HotSession, SealedTokens, SessionKey, SessionOwner, SessionRecord
from common.http import Json


class StoreUnavailableError(Exception):
    """The store cannot be asked now. It says nothing about any session: nobody is logged out for it."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class Lease:
    """The right to refresh one session. `fence` grows with each lease that is given for it.

    `was_sent`: an earlier holder had sent the refresh token and never said how it ended.
    """

    key: SessionKey
    holder: str
    fence: int
    was_sent: bool


class SessionStore(Protocol):
    async def create(self, record: SessionRecord) -> None:
        """Add a record under a key that was never used before, and find it by its owner from then on."""
        ...

    async def load(self, key: SessionKey) -> SessionRecord | None: ...

    async def load_hot(self, keys: Sequence[SessionKey]) -> Mapping[SessionKey, HotSession]:
        """The small parts of many records in one question; those that are gone are left out."""
        ...

    async def save_tokens(self, lease: Lease, tokens: SealedTokens) -> bool:
        """Replace the tokens and give the lease back; False, and nothing kept, when the record is gone.

        Also False when a later lease was given: a holder that was paused for longer than its lease must not
        overwrite what came after it. A lease that ran out and that nobody took still counts.
        """
        ...

    async def save_user(self, key: SessionKey, user: Mapping[str, Json]) -> bool:
        """Replace the user part of a record that still exists; False when it is gone."""
        ...

    async def mark_active(self, key: SessionKey, active_at: datetime) -> None:
        """Move the idle clock of a record that still exists. Never moves it back."""
        ...

    async def delete(self, key: SessionKey) -> bool:
        """Whether this call removed it. The end is announced to whoever listens with `ended`."""
        ...

    async def sessions_of(self, owner: SessionOwner) -> list[SessionRecord]:
        """The records of this user; with `owner.provider_session`, of that login at the provider alone."""
        ...

    async def sessions_of_login(self, issuer: str, provider_session: str) -> list[SessionRecord]:
        """The records of one login at the provider: a logout token may name its `sid` and no user."""
        ...

    async def take_lease(self, key: SessionKey, holder: str, lifetime: timedelta) -> Lease | None:
        """None while another holder has it or the record is gone. A lease not renewed in time is free."""
        ...

    async def renew_lease(self, lease: Lease, lifetime: timedelta) -> bool:
        """False when it was lost: somebody else may hold it by now."""
        ...

    async def mark_sent(self, lease: Lease) -> bool:
        """Note, before it happens, that the refresh token is sent; False when the lease was lost."""
        ...

    async def release_lease(self, lease: Lease, *, was_answered: bool) -> None:
        """Give it back without tokens. `was_answered`: the provider refused, so that nothing is open."""
        ...

    async def put_once(self, name: str, value: bytes, expires_at: datetime) -> bool:
        """Keep a value until it is taken or expires; False, and nothing changed, when the name is in use."""
        ...

    async def is_kept(self, name: str) -> bool:
        """Whether a value is kept under this name; it stays there."""
        ...

    async def take_once(self, name: str) -> bytes | None:
        """Remove and return the value: of two callers at once, one gets it."""
        ...

    def ended(self) -> AsyncIterator[SessionKey]:
        """Sessions that are deleted from now on, in any process. A message may be lost: sweep as well."""
        ...

    async def remove_ended(self, now: datetime, idle: timedelta) -> int:
        """Remove what has expired or was idle for longer than `idle`; how many sessions that were."""
        ...
