"""What the contract does not say and Redis has to keep: lifetimes, indexes, keys, replicas, announcements."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from bff.session.record import SessionKey
from bff.session.redis_store import RedisSessionStore
from bff.session.store import StoreUnavailableError
from tests.bff.redis_stores import SERVER_KEY, opened_store, reaching_store
from tests.bff.test_session_store import ALICE, KEY, LONG, NOW, TOKENS, a_record
from tests.fakes.clock import FakeClock
from tests.fakes.redis_servers import RedisServer, RedisServers
from tests.fakes.waiting import eventually, until

OTHER_KEY = bytes(range(32, 64))


@pytest.fixture
def server(redis_servers: RedisServers) -> RedisServer:
    return redis_servers.standalone()


def names(server: RedisServer, pattern: str = "*") -> list[str]:
    return sorted(name.decode() for name in server.command("KEYS", pattern))


def seconds_left(server: RedisServer, name: str) -> float:
    return float(server.command("PTTL", name)) / 1000


async def heard_while(
    store: RedisSessionStore, act: Callable[[], Awaitable[object]], count: int
) -> list[SessionKey]:
    """What a listener hears of `act`, until it has heard so much."""
    ends = store.ended()

    async def listen() -> list[SessionKey]:
        return [await anext(ends) for _ in range(count)]

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await act()
    async with asyncio.timeout(5):
        return await listening


async def test_a_record_ends_with_the_first_of_its_two_lifetimes(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        soon = store.clock.now() + timedelta(minutes=10)
        await store.create(a_record("idle-first", active_at=store.clock.now()))
        await store.create(a_record("absolute-first", active_at=store.clock.now(), expires_at=soon))

    for name in names(server, "dw:{idle-first}*"):
        assert 3590 < seconds_left(server, name) <= 3600
    for name in names(server, "dw:{absolute-first}*"):
        assert 590 < seconds_left(server, name) <= 600
    assert all(seconds_left(server, name) > 0 for name in names(server))


async def test_activity_moves_the_end_of_the_whole_record(server: RedisServer) -> None:
    clock = FakeClock()
    async with opened_store(server.url, clock=clock) as store:
        await store.create(a_record(active_at=clock.now(), expires_at=clock.now() + timedelta(minutes=90)))
        await store.take_lease(KEY, "one", LONG)
        clock.advance(minutes=20)

        await store.mark_active(KEY, clock.now())

    left = [seconds_left(server, name) for name in names(server, "dw:{k}*") if not name.endswith("lease")]
    assert len(left) == 6
    assert all(3590 < seconds <= 3600 for seconds in left)


async def test_activity_does_not_outlive_the_absolute_lifetime(server: RedisServer) -> None:
    clock = FakeClock()
    async with opened_store(server.url, clock=clock) as store:
        await store.create(a_record(active_at=clock.now(), expires_at=clock.now() + timedelta(minutes=90)))
        clock.advance(minutes=50)

        await store.mark_active(KEY, clock.now())

    assert 2390 < seconds_left(server, "dw:{k}:hot") <= 2400


async def test_what_is_written_later_ends_with_the_record(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        await store.create(a_record())
        lease = await store.take_lease(KEY, "one", LONG)
        assert lease is not None
        await store.mark_sent(lease)
        await store.save_tokens(lease, replace(TOKENS, bearer=b"new", rest=b"new"))
        await store.save_user(KEY, {"sub": "alice", "name": "A"})

    assert all(0 < seconds_left(server, name) <= 3600 for name in names(server, "dw:{k}*"))


async def test_a_record_is_in_its_indexes_before_it_is_there(server: RedisServer) -> None:
    """The other way round, a process that died in between would leave a session that no logout finds."""
    server.command("ACL SETUSER", "half", "on", ">pw", "~dw:user:*", "~dw:login:*", "&*", "+@all")
    async with opened_store(server.url.replace("://", "://half:pw@")) as store:
        with pytest.raises(StoreUnavailableError, match="not_permitted"):
            await store.create(a_record())
    server.command("ACL DELUSER", "half")

    assert [name.split(":")[1] for name in names(server)] == ["login", "user"]


async def test_more_questions_than_connections_are_all_answered(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        await store.create(a_record())

        records = await asyncio.gather(*(store.load(KEY) for _ in range(300)))

        assert {record.key for record in records if record is not None} == {KEY}
        assert None not in records
        assert int(server.command("INFO", "clients")["connected_clients"]) <= 70


async def test_a_deleted_session_leaves_nothing_behind(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        await store.create(a_record())
        lease = await store.take_lease(KEY, "one", LONG)
        assert lease is not None
        await store.mark_sent(lease)

        await store.delete(KEY)

    assert names(server) == []


async def test_dead_entries_of_an_index_are_removed_when_it_is_read(server: RedisServer) -> None:
    # Of this moment: `NOW` is that of the collection, which may be a quarter of an hour ago.
    now = datetime.now(UTC)
    async with opened_store(server.url) as store:
        await store.create(replace(a_record("old"), created_at=now - timedelta(hours=1)))
        await store.create(replace(a_record("young"), created_at=now))
        for name in names(server, "dw:{*"):
            server.command("DEL", name)

        assert await store.sessions_of(ALICE) == []

    [index] = names(server, "dw:user:*")
    # A young one may belong to a login whose record is just being written: it must stay to be found.
    assert [member.split()[0] for member in server.command("ZRANGE", index, 0, -1)] == [b"young"]


async def test_entries_of_expired_sessions_go_with_the_next_login(server: RedisServer) -> None:
    clock = FakeClock()
    async with opened_store(server.url, clock=clock) as store:
        await store.create(a_record("first", expires_at=clock.now() + timedelta(minutes=5)))
        clock.advance(minutes=6)
        await store.create(a_record("second", active_at=clock.now()))

    [index] = names(server, "dw:user:*")
    assert server.command("ZCARD", index) == 1


async def test_a_server_that_forgot_the_scripts_is_taught_them_again(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        await store.create(a_record())
        server.command("SCRIPT FLUSH")

        await store.mark_active(KEY, NOW + timedelta(minutes=1))

        record = await store.load(KEY)
        assert record is not None
        assert record.active_at == NOW + timedelta(minutes=1)


async def test_a_save_that_is_repeated_is_still_a_save(server: RedisServer) -> None:
    """The answer of the first may have been lost; a refreshed token must not be, it cannot be had twice."""
    async with opened_store(server.url) as store:
        await store.create(a_record())
        lease = await store.take_lease(KEY, "one", LONG)
        assert lease is not None
        tokens = replace(TOKENS, bearer=b"new", rest=b"new-rest")

        assert await store.save_tokens(lease, tokens)
        assert await store.save_tokens(lease, tokens)


async def test_after_a_rotation_of_the_server_key_old_sessions_are_opened_and_found(
    server: RedisServer,
) -> None:
    async with opened_store(server.url, server_keys=(SERVER_KEY,)) as store:
        await store.create(a_record("old"))

    async with opened_store(server.url, server_keys=(OTHER_KEY, SERVER_KEY)) as store:
        await store.create(a_record("new"))
        assert {record.key for record in await store.sessions_of(ALICE)} == {"old", "new"}
        assert {record.key for record in await store.sessions_of_login(ALICE.issuer, "sid-1")} == {
            "old",
            "new",
        }

    async with opened_store(server.url, server_keys=(OTHER_KEY,)) as store:
        assert await store.load(SessionKey("old")) is None
        assert {record.key for record in await store.sessions_of(ALICE)} == {"new"}


async def test_a_value_that_was_moved_to_another_record_opens_nothing(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        await store.create(a_record("alices"))
        await store.create(a_record("mallorys", replace(ALICE, subject="mallory")))
        for part in ("user", "about"):
            server.command("COPY", f"dw:{{alices}}:{part}", f"dw:{{mallorys}}:{part}", "REPLACE")

        assert await store.load(SessionKey("mallorys")) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "alice", "big": 2**80, "small": -(2**70), "odd": "\ud800", "deep": [[[{"a": None}]]]},
        {"sub": "alice", "name": "Ålïçé \U0001f600", "float": 0.1, "empty": {}},
    ],
)
async def test_claims_come_back_as_they_were(server: RedisServer, claims: dict[str, object]) -> None:
    record = replace(a_record(), user=claims, label="agent \udcff")  # type: ignore[arg-type] # any JSON
    async with opened_store(server.url) as store:
        await store.create(record)

        assert await store.load(KEY) == record


async def test_ends_are_heard_by_other_processes_and_after_a_broken_connection(server: RedisServer) -> None:
    async with opened_store(server.url) as store, opened_store(server.url) as other:
        await store.create(a_record("a"))
        await store.create(a_record("b"))

        assert await heard_while(other, lambda: store.delete(SessionKey("a")), 1) == ["a"]
        server.command("CLIENT KILL", "TYPE", "pubsub")
        await until(lambda: listeners(server) == 2)
        assert await heard_while(other, lambda: store.delete(SessionKey("b")), 1) == ["b"]


def listeners(server: RedisServer) -> int:
    return int(server.command("PUBSUB NUMSUB", "dw:ended")[0][1])


async def test_a_store_can_be_closed_at_any_moment(server: RedisServer) -> None:
    """The library loses a cancellation at some moments (see `Tasks.close`), which costs two seconds each."""
    for turns in range(20):
        async with asyncio.timeout(5), reaching_store(server.url):
            for _ in range(turns):
                await asyncio.sleep(0)


async def test_in_a_cluster_ends_are_heard_from_every_node(redis_servers: RedisServers) -> None:
    cluster = redis_servers.cluster()
    keys = [SessionKey(f"k-{number}") for number in range(12)]
    async with opened_store(cluster.url) as store, opened_store(cluster.url) as other:
        for key in keys:
            await store.create(a_record(key))
        assert all(node.command("DBSIZE") for node in cluster.nodes)

        async def delete_all() -> None:
            for key in keys:
                await store.delete(key)

        assert sorted(await heard_while(other, delete_all, len(keys))) == sorted(keys)
        assert len(await other.load_hot(keys)) == 0


async def test_a_cluster_answers_for_many_sessions_at_once(redis_servers: RedisServers) -> None:
    keys = [SessionKey(f"k-{number}") for number in range(30)]
    async with opened_store(redis_servers.cluster().url) as store:
        for key in keys[:20]:
            await store.create(a_record(key))

        assert set(await store.load_hot(keys)) == set(keys[:20])


def count_of_unconfirmed(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("bff_store_unconfirmed_writes_total") or 0


async def test_a_login_waits_for_a_replica_but_not_for_long(redis_servers: RedisServers) -> None:
    servers, registry = redis_servers.sentinel(), CollectorRegistry()
    async with opened_store(servers.url, registry=registry) as store:
        await store.create(a_record("confirmed"))
        assert servers.replica.command("EXISTS", "dw:{confirmed}:hot") == 1
        assert count_of_unconfirmed(registry) == 0

        servers.replica.pause()
        try:
            async with asyncio.timeout(1.5):
                assert await store.delete(SessionKey("confirmed"))
        finally:
            servers.replica.resume()

        assert count_of_unconfirmed(registry) == 1


async def test_a_primary_that_sentinels_no_longer_name_is_left_though_it_lives(
    redis_servers: RedisServers, server: RedisServer
) -> None:
    servers = redis_servers.sentinel()
    [sentinel] = servers.sentinels
    async with opened_store(servers.url) as store:
        await store.create(a_record())
        try:
            monitor(sentinel, server)

            await eventually(lambda: store.load(KEY), lambda record: record is None)
        finally:
            monitor(sentinel, servers.primary)


def monitor(sentinel: RedisServer, primary: RedisServer) -> None:
    sentinel.command("SENTINEL", "REMOVE", "doorward")
    sentinel.command("SENTINEL", "MONITOR", "doorward", "127.0.0.1", primary.port, 1)
