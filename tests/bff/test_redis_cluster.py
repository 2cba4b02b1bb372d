"""A cluster whose slots move and whose nodes fail: sessions may be out of reach, but never look ended."""

import contextlib
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from bff.session.record import SessionKey
from bff.session.redis_store import RedisSessionStore
from bff.session.store import StoreUnavailableError
from tests.bff.redis_stores import opened_store
from tests.bff.test_session_store import LONG, a_record
from tests.fakes.redis_servers import RedisCluster, RedisServer
from tests.fakes.waiting import eventually, until

KEYS = [SessionKey(f"k-{number}") for number in range(12)]


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Not the one that all tests share: its slots are not where they were."""
    with RedisCluster.running(tmp_path_factory.mktemp("cluster")) as running:
        for node in running.nodes:
            # As operators have it: what happens before the cluster itself notices is a part of the tests.
            node.command("CONFIG SET", "cluster-node-timeout", 15000)
        yield running


@pytest.fixture
def cluster(own_cluster: RedisCluster) -> RedisCluster:
    own_cluster.flush()
    return own_cluster


def node_id(node: RedisServer) -> str:
    return str(node.command("CLUSTER MYID").decode())


def node_of(cluster: RedisCluster, key: SessionKey) -> RedisServer:
    [node] = [node for node in cluster.nodes if node.command("CLUSTER COUNTKEYSINSLOT", slot_of(key))]
    return node


def slot_of(key: SessionKey) -> int:
    return key_slot(key.encode())


async def is_there(store: RedisSessionStore, key: SessionKey) -> bool:
    """Once the store answers: whatever it says before is that it cannot be asked."""

    async def look() -> bool | None:
        with contextlib.suppress(StoreUnavailableError):
            return await store.load(key) is not None
        return None

    return bool(await eventually(look, lambda found: found is not None, time_s=10))


async def test_a_session_is_found_while_its_slot_moves_and_afterwards(cluster: RedisCluster) -> None:
    key, others = KEYS[0], KEYS[1:]
    async with opened_store(cluster.url) as store:
        await store.create(a_record(key))
        source = node_of(cluster, key)
        target = next(node for node in cluster.nodes if node is not source)
        slot = slot_of(key)

        target.command("CLUSTER SETSLOT", slot, "IMPORTING", node_id(source))
        source.command("CLUSTER SETSLOT", slot, "MIGRATING", node_id(target))
        before = await is_there(store, key)
        names = source.command("CLUSTER GETKEYSINSLOT", slot, 100)
        source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 1000, "KEYS", *names[:2])
        with pytest.raises(StoreUnavailableError, match="slots_moving"):
            await store.load(key)
        source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 1000, "KEYS", *names[2:])
        between = await is_there(store, key)
        for node in (target, source):
            node.command("CLUSTER SETSLOT", slot, "NODE", node_id(target))

        assert (before, between, await is_there(store, key)) == (True, True, True)
        assert await store.take_lease(key, "one", LONG) is not None
        assert await store.delete(key)
        assert not any([await store.load(other) is not None for other in others])


async def test_connections_that_broke_while_nobody_used_them_are_not_noticed(cluster: RedisCluster) -> None:
    async with opened_store(cluster.url) as store:
        for key in KEYS:
            await store.create(a_record(key))
        for node in cluster.nodes:
            node.command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")

        assert all([await store.load(key) is not None for key in KEYS])


async def test_a_node_that_is_away_takes_no_session_with_it(cluster: RedisCluster) -> None:
    async with opened_store(cluster.url) as store:
        for key in KEYS:
            await store.create(a_record(key))
        away = node_of(cluster, KEYS[0])
        near = next(key for key in KEYS if node_of(cluster, key) is not away)

        away.pause()
        with pytest.raises(StoreUnavailableError):
            await store.load(KEYS[0])
        # Long before the cluster notices: whoever is on another node is not held back.
        assert await store.load(near) is not None
        away.resume()

        assert all([await is_there(store, key) for key in KEYS])
        assert set(await store.load_hot(KEYS)) == set(KEYS)


async def test_a_node_that_was_restarted_is_used_again(cluster: RedisCluster) -> None:
    async with opened_store(cluster.url) as store:
        for key in KEYS:
            await store.create(a_record(key))
        restarted = node_of(cluster, KEYS[0])
        lost = {key for key in KEYS if node_of(cluster, key) is restarted}

        restarted.restart_empty()

        there = {key for key in KEYS if await is_there(store, key)}
        assert there == set(KEYS) - lost
        await until(lambda: store.fault() is None)
