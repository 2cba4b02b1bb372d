"""The contract of a session store, on every store there is.

A store adds itself to `STORES`: a way to open it for one test. Leases are timed by the store itself (Redis
by its own clock), so their tests use a short life and real time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bff.session.memory import MemorySessionStore
from bff.session.record import SealedTokens, SessionKey, SessionOwner, SessionRecord
from bff.session.store import SessionStore
from common.clock import SystemClock
from tests.bff.redis_stores import in_redis, in_redis_cluster, in_redis_over_tls, in_redis_with_sentinel
from tests.fakes.redis_servers import RedisServers

NOW = datetime.now(UTC).replace(microsecond=0)
KEY = SessionKey("k")
TOKENS = SealedTokens(b"bearer", NOW, NOW, b"rest")
ALICE = SessionOwner("https://issuer.example", "alice", "sid-1")
LONG, SHORT = timedelta(seconds=30), timedelta(milliseconds=60)


@asynccontextmanager
async def in_memory(_servers: RedisServers, _folder: Path) -> AsyncIterator[SessionStore]:
    yield MemorySessionStore(SystemClock())


STORES: list[Callable[[RedisServers, Path], AbstractAsyncContextManager[SessionStore]]] = [
    in_memory,
    in_redis,
    in_redis_over_tls,
    in_redis_with_sentinel,
    in_redis_cluster,
]


@pytest.fixture(params=STORES, ids=lambda opened: opened.__name__)
async def store(
    request: pytest.FixtureRequest, redis_servers: RedisServers, tmp_path: Path
) -> AsyncIterator[SessionStore]:
    async with request.param(redis_servers, tmp_path) as opened:
        yield opened


def a_record(
    key: str = "k",
    owner: SessionOwner = ALICE,
    expires_at: datetime = NOW + timedelta(hours=12),
    active_at: datetime = NOW,
) -> SessionRecord:
    return SessionRecord(
        key=SessionKey(key),
        owner=owner,
        user={"sub": owner.subject, "roles": ["a", 1, None]},
        label="Firefox",
        tokens=TOKENS,
        created_at=NOW,
        expires_at=expires_at,
        active_at=active_at,
    )


async def test_what_was_created_is_loaded(store: SessionStore) -> None:
    await store.create(a_record())

    assert await store.load(KEY) == a_record()
    assert await store.load(SessionKey("other")) is None


async def test_the_small_parts_of_many_are_loaded_at_once(store: SessionStore) -> None:
    await store.create(a_record("k"))
    await store.create(a_record("l"))

    found = await store.load_hot([SessionKey("l"), SessionKey("gone"), KEY])

    assert found == {KEY: a_record("k").hot, SessionKey("l"): a_record("l").hot}


async def test_a_users_part_is_replaced(store: SessionStore) -> None:
    await store.create(a_record())

    assert await store.save_user(KEY, {"sub": "alice", "name": "A"})

    assert await store.load(KEY) == replace(a_record(), user={"sub": "alice", "name": "A"})


async def test_tokens_are_replaced_under_the_lease_which_is_then_free(store: SessionStore) -> None:
    await store.create(a_record())
    lease = await store.take_lease(KEY, "one", LONG)
    assert lease is not None
    tokens = replace(TOKENS, bearer=b"new")

    assert await store.save_tokens(lease, tokens)

    assert await store.load(KEY) == replace(a_record(), tokens=tokens)
    assert (await store.load_hot([KEY]))[KEY].bearer == b"new"
    assert await store.take_lease(KEY, "two", LONG) is not None
    assert not await store.save_tokens(lease, TOKENS)


async def test_of_many_one_gets_the_lease(store: SessionStore) -> None:
    await store.create(a_record())

    taken = await asyncio.gather(*(store.take_lease(KEY, f"holder-{n}", LONG) for n in range(20)))

    assert len([lease for lease in taken if lease is not None]) == 1


async def test_a_lease_that_is_not_renewed_is_free_and_its_holder_fenced_off(store: SessionStore) -> None:
    await store.create(a_record())
    late = await store.take_lease(KEY, "late", SHORT)
    assert late is not None
    assert await store.mark_sent(late)

    await asyncio.sleep(SHORT.total_seconds() * 1.5)
    taken_over = await store.take_lease(KEY, "next", LONG)

    assert taken_over is not None
    assert taken_over.fence > late.fence
    assert taken_over.was_sent
    assert not await store.save_tokens(late, replace(TOKENS, bearer=b"late"))
    assert not await store.renew_lease(late, LONG)
    assert not await store.mark_sent(late)
    await store.release_lease(late, was_answered=True)
    assert await store.take_lease(KEY, "third", LONG) is None
    assert await store.save_tokens(taken_over, replace(TOKENS, bearer=b"next"))


async def test_a_lease_that_ran_out_unnoticed_still_saves(store: SessionStore) -> None:
    await store.create(a_record())
    lease = await store.take_lease(KEY, "one", SHORT)
    assert lease is not None

    await asyncio.sleep(SHORT.total_seconds() * 1.5)

    assert await store.save_tokens(lease, replace(TOKENS, bearer=b"new"))
    assert (await store.load_hot([KEY]))[KEY].bearer == b"new"


async def test_a_renewed_lease_outlives_its_first_life(store: SessionStore) -> None:
    await store.create(a_record())
    lease = await store.take_lease(KEY, "one", SHORT)
    assert lease is not None

    assert await store.renew_lease(lease, LONG)
    await asyncio.sleep(SHORT.total_seconds() * 1.5)

    assert await store.take_lease(KEY, "two", LONG) is None


@pytest.mark.parametrize("was_answered", [True, False])
async def test_what_was_sent_is_forgotten_only_when_it_was_answered(
    store: SessionStore, was_answered: bool
) -> None:
    await store.create(a_record())
    lease = await store.take_lease(KEY, "one", LONG)
    assert lease is not None
    assert not lease.was_sent
    await store.mark_sent(lease)

    await store.release_lease(lease, was_answered=was_answered)
    following = await store.take_lease(KEY, "two", LONG)

    assert following is not None
    assert following.was_sent is not was_answered


async def test_what_is_gone_is_not_brought_back(store: SessionStore) -> None:
    await store.create(a_record())
    lease = await store.take_lease(KEY, "one", LONG)
    assert lease is not None

    assert await store.delete(KEY)
    assert not await store.delete(KEY)
    assert not await store.save_tokens(lease, TOKENS)
    assert not await store.save_user(KEY, {})
    await store.mark_active(KEY, NOW + timedelta(minutes=1))
    assert await store.take_lease(KEY, "two", LONG) is None
    assert await store.load(KEY) is None
    assert await store.load_hot([KEY]) == {}
    assert await store.sessions_of(ALICE) == []


async def test_of_many_one_deletes(store: SessionStore) -> None:
    await store.create(a_record())

    deleted = await asyncio.gather(*(store.delete(KEY) for _ in range(10)))

    assert deleted.count(True) == 1


async def test_nothing_that_is_written_during_a_logout_survives_it(store: SessionStore) -> None:
    for number in range(10):
        key = SessionKey(f"k-{number}")
        await store.create(a_record(key))
        lease = await store.take_lease(key, "one", LONG)
        assert lease is not None

        await asyncio.gather(
            store.save_tokens(lease, replace(TOKENS, bearer=b"late")),
            store.mark_active(key, NOW + timedelta(minutes=1)),
            store.delete(key),
            store.save_user(key, {"sub": "alice"}),
            store.take_lease(key, "two", LONG),
        )

        assert await store.load(key) is None
        assert await store.load_hot([key]) == {}
    assert await store.sessions_of(ALICE) == []


async def test_each_lease_has_a_higher_fence_than_the_one_before(store: SessionStore) -> None:
    await store.create(a_record())
    fences = []

    for number in range(5):
        lease = await store.take_lease(KEY, f"holder-{number}", LONG)
        assert lease is not None
        fences.append(lease.fence)
        if number % 2:
            assert await store.save_tokens(lease, replace(TOKENS, bearer=bytes([number])))
        else:
            await store.release_lease(lease, was_answered=False)

    assert fences == sorted(set(fences))


async def test_a_saved_refresh_leaves_nothing_sent_behind(store: SessionStore) -> None:
    await store.create(a_record())
    lease = await store.take_lease(KEY, "one", LONG)
    assert lease is not None
    assert await store.mark_sent(lease)

    await store.save_tokens(lease, replace(TOKENS, bearer=b"new"))

    following = await store.take_lease(KEY, "two", LONG)
    assert following is not None
    assert not following.was_sent


async def test_whoever_leaves_does_not_leave_an_answer_for_the_next(store: SessionStore) -> None:
    """CVE-2023-28858: a cancelled question must not shift the answers of those who come after it."""
    users = range(12)
    for user in users:
        await store.create(a_record(f"k-{user}", replace(ALICE, subject=f"user-{user}")))

    async def look(user: int) -> bool:
        key = SessionKey(f"k-{user}")
        record, hot = await store.load(key), await store.load_hot([key])
        return record is not None and record.owner.subject == f"user-{user}" and set(hot) == {key}

    for turns in range(0, 48, 3):
        looking = [asyncio.create_task(look(user)) for user in users]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in looking[::2]:
            task.cancel()
        found = await asyncio.gather(*looking, return_exceptions=True)

        assert all(found[1::2])
        assert {result for result in found[::2] if not isinstance(result, asyncio.CancelledError)} <= {True}


async def test_the_idle_clock_never_moves_back(store: SessionStore) -> None:
    await store.create(a_record())

    await store.mark_active(KEY, NOW + timedelta(minutes=2))
    await store.mark_active(KEY, NOW + timedelta(minutes=1))

    loaded = await store.load(KEY)
    assert loaded is not None
    assert loaded.active_at == loaded.hot.active_at == NOW + timedelta(minutes=2)
    assert (await store.load_hot([KEY]))[KEY].active_at == loaded.active_at


async def test_sessions_are_found_by_their_user_and_by_the_providers_session(store: SessionStore) -> None:
    other_login = replace(ALICE, provider_session="sid-2")
    without_sid = replace(ALICE, provider_session=None)
    await store.create(a_record("a"))
    await store.create(a_record("b", other_login))
    await store.create(a_record("c", without_sid))
    await store.create(a_record("d", replace(ALICE, subject="bob")))
    await store.create(a_record("e", replace(ALICE, issuer="https://other.example")))

    assert {record.key for record in await store.sessions_of(without_sid)} == {"a", "b", "c"}
    assert {record.key for record in await store.sessions_of(other_login)} == {"b"}
    assert await store.sessions_of(replace(ALICE, subject="nobody")) == []
    assert {record.key for record in await store.sessions_of_login(ALICE.issuer, "sid-2")} == {"b"}
    assert {record.key for record in await store.sessions_of_login(ALICE.issuer, "sid-1")} == {"a", "d"}
    assert await store.sessions_of_login("https://elsewhere.example", "sid-2") == []


async def test_an_end_is_announced_to_those_who_listen(store: SessionStore) -> None:
    await store.create(a_record())
    listening = store.ended()
    first = asyncio.ensure_future(anext(listening))
    await asyncio.sleep(0.1)

    await store.delete(KEY)

    async with asyncio.timeout(1):
        assert await first == KEY


async def test_a_one_time_value_is_taken_once(store: SessionStore) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert await store.put_once("n", b"v", soon)
    assert not await store.put_once("n", b"w", soon)

    taken = await asyncio.gather(*(store.take_once("n") for _ in range(10)))

    assert (taken.count(b"v"), taken.count(None)) == (1, 9)


async def test_a_one_time_value_is_looked_at_without_taking_it(store: SessionStore) -> None:
    before = await store.is_kept("n")
    await store.put_once("n", b"", datetime.now(UTC) + SHORT)

    looked = [await store.is_kept("n"), await store.is_kept("n")]
    await asyncio.sleep(SHORT.total_seconds() * 1.5)

    assert (before, looked, await store.is_kept("n")) == (False, [True, True], False)


async def test_of_many_one_puts_a_one_time_value(store: SessionStore) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)

    put = await asyncio.gather(*(store.put_once("n", b"%d" % number, soon) for number in range(10)))

    assert put.count(True) == 1
    assert await store.take_once("n") == b"%d" % put.index(True)


async def test_a_one_time_value_expires(store: SessionStore) -> None:
    await store.put_once("n", b"v", datetime.now(UTC) + SHORT)

    await asyncio.sleep(SHORT.total_seconds() * 1.5)

    assert await store.take_once("n") is None
    assert await store.put_once("n", b"w", datetime.now(UTC) + LONG)


async def test_ended_sessions_are_removed(store: SessionStore) -> None:
    await store.create(a_record("live"))
    await store.create(a_record("expired", expires_at=NOW))
    await store.create(a_record("idle", active_at=NOW - timedelta(hours=2)))

    await store.remove_ended(NOW, timedelta(hours=1))

    assert await store.load(SessionKey("live")) is not None
    assert await store.load(SessionKey("expired")) is None
    assert await store.load(SessionKey("idle")) is None
    assert {record.key for record in await store.sessions_of(ALICE)} == {"live"}
