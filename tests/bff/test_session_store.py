"""The contract of a session store, on every store there is."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bff.session.memory import MemorySessionStore
from bff.session.record import SealedTokens, SessionKey, SessionRecord
from bff.session.store import SessionStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = SealedTokens(b"bearer", NOW, NOW, b"rest")
STORES: list[Callable[[], SessionStore]] = [MemorySessionStore]


@pytest.fixture(params=STORES, ids=lambda make: make.__name__)
def store(request: pytest.FixtureRequest) -> SessionStore:
    made: SessionStore = request.param()
    return made


def a_record(
    key: str = "k", expires_at: datetime = NOW + timedelta(hours=12), active_at: datetime = NOW
) -> SessionRecord:
    return SessionRecord(SessionKey(key), {"sub": "alice"}, TOKENS, NOW, expires_at, active_at)


async def test_what_was_created_is_loaded(store: SessionStore) -> None:
    await store.create(a_record())

    assert await store.load(SessionKey("k")) == a_record()
    assert await store.load(SessionKey("other")) is None


async def test_tokens_and_user_are_replaced(store: SessionStore) -> None:
    await store.create(a_record())
    tokens = replace(TOKENS, bearer=b"new")

    assert await store.save_tokens(SessionKey("k"), tokens)
    assert await store.save_user(SessionKey("k"), {"sub": "alice", "name": "A"})
    loaded = await store.load(SessionKey("k"))

    assert loaded == replace(a_record(), tokens=tokens, user={"sub": "alice", "name": "A"})


async def test_what_is_gone_is_not_brought_back(store: SessionStore) -> None:
    await store.create(a_record())

    assert await store.delete(SessionKey("k"))
    assert not await store.delete(SessionKey("k"))
    assert not await store.save_tokens(SessionKey("k"), TOKENS)
    assert not await store.save_user(SessionKey("k"), {})
    await store.mark_active(SessionKey("k"), NOW)
    assert await store.load(SessionKey("k")) is None


async def test_the_idle_clock_never_moves_back(store: SessionStore) -> None:
    await store.create(a_record())

    await store.mark_active(SessionKey("k"), NOW + timedelta(minutes=2))
    await store.mark_active(SessionKey("k"), NOW + timedelta(minutes=1))

    loaded = await store.load(SessionKey("k"))
    assert loaded is not None
    assert loaded.active_at == NOW + timedelta(minutes=2)


async def test_a_one_time_value_is_taken_once(store: SessionStore) -> None:
    assert await store.put_once("n", b"v", NOW + timedelta(minutes=1))
    assert not await store.put_once("n", b"w", NOW + timedelta(minutes=1))

    taken = await asyncio.gather(*(store.take_once("n", NOW) for _ in range(10)))

    assert (taken.count(b"v"), taken.count(None)) == (1, 9)


async def test_a_one_time_value_expires(store: SessionStore) -> None:
    await store.put_once("n", b"v", NOW + timedelta(minutes=1))

    assert await store.take_once("n", NOW + timedelta(minutes=1)) is None


async def test_ended_sessions_and_values_are_removed(store: SessionStore) -> None:
    await store.create(a_record("live"))
    await store.create(a_record("expired", expires_at=NOW))
    await store.create(a_record("idle", active_at=NOW - timedelta(hours=2)))
    await store.put_once("n", b"v", NOW)

    assert await store.remove_ended(NOW, NOW - timedelta(hours=1)) == 2

    assert await store.load(SessionKey("live")) is not None
    assert await store.load(SessionKey("expired")) is None
    assert await store.load(SessionKey("idle")) is None
    assert await store.put_once("n", b"w", NOW)
