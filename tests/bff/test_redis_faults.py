"""Whatever is wrong with Redis is one error with a word for its cause, soon, and ends by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bff.session.record import SessionKey
from bff.session.redis_faults import PAUSE_S, Circuit
from bff.session.redis_store import RedisSessionStore
from bff.session.store import StoreUnavailableError
from tests.bff.redis_stores import opened_store, reaching_store
from tests.bff.test_session_store import KEY, a_record
from tests.fakes.redis_servers import RedisServer, RedisServers, free_port
from tests.fakes.tls_front import tls_front


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer.running(tmp_path) as running:
        yield running


@asynccontextmanager
async def answering(line: bytes) -> AsyncIterator[str]:
    """A server that says the same to every command; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            for _ in range(int(head[1:])):
                length = int((await reader.readline())[1:])
                await reader.readexactly(length + 2)
            writer.write(line + b"\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def cause_of_failure(store: RedisSessionStore) -> str:
    with pytest.raises(StoreUnavailableError) as failure:
        await store.load(KEY)
    return failure.value.cause


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"-LOADING Redis is loading the dataset in memory", "loading"),
        (b"-NOAUTH Authentication required.", "authentication"),
        (b"-WRONGPASS invalid username-password pair or user is disabled.", "authentication"),
        (b"-NOPERM User x has no permissions to run the 'mget' command", "not_permitted"),
        (b"-ERR max number of clients reached", "connection"),
        (b"-READONLY You can't write against a read only replica.", "read_only"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.", "out_of_memory"),
        (b"-MISCONF Errors writing to the AOF file: No space left on device", "disk"),
        (b"-NOREPLICAS Not enough good replicas to write.", "no_replicas"),
        (b"-BUSY Redis is busy running a script.", "busy"),
        (b"-CLUSTERDOWN Hash slot not served", "cluster_down"),
        (b"-MASTERDOWN Link with MASTER is down", "cluster_down"),
        (b"-TRYAGAIN Multiple keys request during rehashing of slot", "slots_moving"),
        (b"-MOVED 3999 127.0.0.1:6381", "slots_moving"),
        (b"-ERR unknown command", "unexpected"),
        (b"HTTP/1.1 400 Bad Request", "unexpected"),
    ],
)
async def test_each_refusal_of_a_server_has_its_word(line: bytes, cause: str) -> None:
    async with answering(line) as url, reaching_store(url) as store:
        assert await cause_of_failure(store) == cause


async def test_a_wrong_password_is_said(server: RedisServer) -> None:
    server.command("CONFIG SET", "requirepass", "right@once")
    host = f"127.0.0.1:{server.port}"

    async with reaching_store(f"redis://:wrong@{host}") as store:
        assert await cause_of_failure(store) == "authentication"
    async with opened_store(f"redis://:right%40once@{host}") as store:
        assert await store.load(KEY) is None


async def test_a_server_that_became_a_replica_is_not_written_to(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        await store.create(a_record())
        server.command("REPLICAOF", "127.0.0.1", free_port())

        with pytest.raises(StoreUnavailableError, match="read_only"):
            await store.delete(KEY)


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    redis_servers: RedisServers, tmp_path: Path
) -> None:
    async with (
        tls_front(tmp_path, redis_servers.standalone().port) as front,
        reaching_store(f"rediss://127.0.0.1:{front.port}") as store,
    ):
        assert await cause_of_failure(store) == "connection"


async def test_without_a_server_the_first_answer_comes_at_once() -> None:
    async with reaching_store(f"redis://127.0.0.1:{free_port()}") as store:
        started = time.monotonic()

        assert await cause_of_failure(store) == "connection"
        assert time.monotonic() - started < 1


async def test_a_server_that_is_silent_is_given_up_in_time_and_its_late_answers_are_nobodys(
    server: RedisServer,
) -> None:
    async with opened_store(server.url) as store:
        for user in range(8):
            await store.create(a_record(f"k-{user}"))
        server.pause()
        started = time.monotonic()
        asked = [store.load(SessionKey(f"k-{user}")) for user in range(8)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        waited_s = time.monotonic() - started

        server.resume()

        assert {str(answer) for answer in answers} == {"timeout"}
        assert waited_s < 2.5
        await asyncio.sleep(PAUSE_S)
        records = [await store.load(SessionKey(f"k-{user}")) for user in range(8)]
        assert [record and record.key for record in records] == [f"k-{user}" for user in range(8)]


async def test_connections_that_broke_while_nobody_used_them_are_not_noticed(server: RedisServer) -> None:
    async with opened_store(server.url) as store:
        await store.create(a_record())
        server.command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")

        assert await store.load(KEY) is not None
        assert await store.delete(KEY)


def test_after_a_failure_nobody_is_let_through_and_then_one() -> None:
    circuit = Circuit(longest_try_s=2)
    circuit.failed("timeout", now=10)

    assert circuit.refusal(10 + PAUSE_S / 2) == "timeout"
    assert circuit.refusal(10 + PAUSE_S) is None
    assert circuit.refusal(10 + PAUSE_S) == "timeout"
    circuit.succeeded()
    assert circuit.refusal(10 + PAUSE_S) is None
    assert circuit.refusal(10 + PAUSE_S) is None


def test_one_who_tried_and_was_never_heard_of_again_holds_nobody_back_for_ever() -> None:
    circuit = Circuit(longest_try_s=2)
    circuit.failed("connection", now=10)
    circuit.refusal(11)

    assert circuit.refusal(12.9) == "connection"
    assert circuit.refusal(13) is None


def test_a_refusal_of_one_command_holds_back_no_other() -> None:
    circuit = Circuit(longest_try_s=2)

    circuit.failed("out_of_memory", now=10)

    assert circuit.refusal(10) is None
