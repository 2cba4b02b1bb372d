"""Sessions in Redis: for any number of processes and machines. docs/sessions.md describes what is kept where.

Records end by themselves: Redis removes each when its idle or its absolute lifetime is over.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from bff.session import redis_scripts as scripts
from bff.session.record import HotSession, SealedTokens, SessionKey, SessionOwner, SessionRecord
from bff.session.redis_calls import RedisCalls
from bff.session.redis_ended import Announcements
from bff.session.redis_events import make_store_events
from bff.session.redis_link import open_link
from bff.session.redis_records import (
    ENDED_CHANNEL,
    IndexEntry,
    RecordCodec,
    SessionKeys,
    entry_from,
    hot_from,
    microseconds,
    milliseconds,
    tokens_parts,
)
from bff.session.seal import Sealer
from bff.session.store import Lease, StoreUnavailableError
from common.clock import Clock
from common.http import Json
from common.redis_url import RedisAddress
from common.tasks import Tasks


@asynccontextmanager
async def open_redis_store(
    address: RedisAddress, sealer: Sealer, clock: Clock, idle: timedelta, registry: CollectorRegistry
) -> AsyncIterator["RedisSessionStore"]:
    """Returns at once: a store that cannot be reached is not ready, and asked again all the time."""
    link, tasks = open_link(address), Tasks()
    calls = RedisCalls(link, tasks, make_store_events(registry))
    announcements = Announcements(link)
    tasks.keep_running("session_store_watch", calls.watch)
    tasks.keep_running("session_store_announcements", announcements.keep_listening)
    try:
        yield RedisSessionStore(calls, announcements, RecordCodec(sealer), clock, idle)
    finally:
        await tasks.close()
        await link.aclose()


@dataclass(frozen=True)
class RedisSessionStore:
    """The contract of `SessionStore`."""

    calls: RedisCalls
    announcements: Announcements
    codec: RecordCodec
    clock: Clock
    idle: timedelta

    def fault(self) -> str | None:
        return self.calls.fault()

    def node_of(self, key: SessionKey) -> str:
        """The server that has this session: one name for all of them where there is no cluster."""
        return self.calls.node_of(SessionKeys(key).of_hot[0])

    async def create(self, record: SessionRecord) -> None:
        now = self.clock.now()
        left = min(record.expires_at, record.active_at + self.idle) - now
        if left <= timedelta(0):
            return  # over before it began, and Redis knows no time to live that has passed
        # The indexes first: an entry without a record does no harm, but a record without an entry would be
        # missed when the provider ends all sessions of its user.
        entry = IndexEntry(record.key, record.created_at)
        ends_ms, now_ms = (microseconds(moment) // 1000 for moment in (record.expires_at, now))
        for index in self.codec.indexes_of(record.owner):
            await self.calls.run_confirmed(scripts.ADD_TO_INDEX, [index], str(entry), ends_ms, now_ms)
        keys, parts = SessionKeys(record.key).all, self.codec.parts_of(record)
        await self.calls.run_confirmed(scripts.CREATE, keys, *parts, milliseconds(left))

    async def load(self, key: SessionKey) -> SessionRecord | None:
        [parts] = await self.calls.read([SessionKeys(key).of_record])
        return self.codec.record_from(key, parts)

    async def load_hot(self, keys: Sequence[SessionKey]) -> Mapping[SessionKey, HotSession]:
        found = await self.calls.read([SessionKeys(key).of_hot for key in keys])
        hot = {key: hot_from(parts) for key, parts in zip(keys, found, strict=True)}
        return {key: session for key, session in hot.items() if session is not None}

    async def save_tokens(self, lease: Lease, tokens: SealedTokens) -> bool:
        keys = SessionKeys(lease.key).all
        hot, rest = tokens_parts(tokens)
        return await self.calls.run_confirmed(scripts.SAVE_TOKENS, keys, _name(lease), hot, rest) == 1

    async def save_user(self, key: SessionKey, user: Mapping[str, Json]) -> bool:
        part = self.codec.user_part(key, user)
        return await self.calls.run(scripts.SAVE_USER, SessionKeys(key).all, part) == 1

    async def mark_active(self, key: SessionKey, active_at: datetime) -> None:
        idle_us = self.idle // timedelta(microseconds=1)
        times = (microseconds(active_at), idle_us, microseconds(self.clock.now()))
        await self.calls.run(scripts.MARK_ACTIVE, SessionKeys(key).all, *times)

    async def delete(self, key: SessionKey) -> bool:
        # Not repeated: the second time would say that somebody else had removed it.
        about = await self.calls.run_confirmed(
            scripts.DELETE, SessionKeys(key).all, ENDED_CHANNEL, key, is_repeatable=False
        )
        if not isinstance(about, bytes):
            return False
        with suppress(StoreUnavailableError):  # it is deleted; an entry that stays is removed later
            await self._forget(key, about)
        return True

    async def sessions_of(self, owner: SessionOwner) -> list[SessionRecord]:
        records = await self._indexed(self.codec.user_indexes(owner.issuer, owner.subject))
        wanted = owner.provider_session
        return [record for record in records if wanted in {None, record.owner.provider_session}]

    async def sessions_of_login(self, issuer: str, provider_session: str) -> list[SessionRecord]:
        return await self._indexed(self.codec.login_indexes(issuer, provider_session))

    async def take_lease(self, key: SessionKey, holder: str, lifetime: timedelta) -> Lease | None:
        # Not repeated: the second time, the lease that was just given would look like somebody else's.
        taken = await self.calls.run(
            scripts.TAKE_LEASE, SessionKeys(key).all, holder, milliseconds(lifetime), is_repeatable=False
        )
        if not isinstance(taken, list):
            return None
        fence, sent = taken
        return Lease(key, holder, int(str(fence)), was_sent=sent == 1)

    async def renew_lease(self, lease: Lease, lifetime: timedelta) -> bool:
        keys = SessionKeys(lease.key).all
        return await self.calls.run(scripts.RENEW_LEASE, keys, _name(lease), milliseconds(lifetime)) == 1

    async def mark_sent(self, lease: Lease) -> bool:
        # Confirmed, and with it the lease itself, which was written before: after a failover, the next
        # holder must know of both.
        return (
            await self.calls.run_confirmed(scripts.MARK_SENT, SessionKeys(lease.key).all, _name(lease)) == 1
        )

    async def release_lease(self, lease: Lease, *, was_answered: bool) -> None:
        keys = SessionKeys(lease.key).all
        await self.calls.run(scripts.RELEASE_LEASE, keys, _name(lease), int(was_answered))

    async def put_once(self, name: str, value: bytes, expires_at: datetime) -> bool:
        left, key = milliseconds(expires_at - self.clock.now()), _once(name)
        return await self.calls.ask(key, "SET", key, value, "NX", "PX", left) is not None

    async def is_kept(self, name: str) -> bool:
        return await self.calls.ask(_once(name), "EXISTS", _once(name), is_repeatable=True) == 1

    async def take_once(self, name: str) -> bytes | None:
        taken = await self.calls.ask(_once(name), "GETDEL", _once(name))
        return taken if isinstance(taken, bytes) else None

    def ended(self) -> AsyncIterator[SessionKey]:
        return self.announcements.heard()

    async def remove_ended(self, now: datetime, idle: timedelta) -> int:  # noqa: ARG002 - of the contract
        """Nothing is left to do: Redis has removed them by itself."""
        return 0

    async def _indexed(self, indexes: Sequence[str]) -> list[SessionRecord]:
        """The records that these indexes lead to. Entries whose record is gone are removed on the way."""
        records: list[SessionRecord] = []
        for index in indexes:
            entries = await self._entries(index)
            found = await self.calls.read([SessionKeys(entry.session).of_record for entry in entries])
            for entry, parts in zip(entries, found, strict=True):
                record = self.codec.record_from(entry.session, parts)
                if record is not None:
                    records.append(record)
                elif not entry.is_young(self.clock.now()):
                    await self.calls.ask(index, "ZREM", index, str(entry), is_repeatable=True)
        return records

    async def _entries(self, index: str) -> list[IndexEntry]:
        members = await self.calls.ask(index, "ZRANGE", index, 0, -1, is_repeatable=True)
        listed = members if isinstance(members, list) else []
        return [entry_from(member) for member in listed if isinstance(member, bytes)]

    async def _forget(self, key: SessionKey, about_part: bytes) -> None:
        found = self.codec.owner_in(key, about_part)
        if found is not None:
            owner, created_at = found
            entry = str(IndexEntry(key, created_at))
            for index in self.codec.indexes_of(owner):
                await self.calls.ask(index, "ZREM", index, entry, is_repeatable=True)


def _name(lease: Lease) -> str:
    return f"{lease.fence} {lease.holder}"


def _once(name: str) -> str:
    return f"dw:once:{name}"
