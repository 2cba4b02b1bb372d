"""Guards of the connections to upstreams and of their pool, each missed by a test when it is taken out."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from bff.proxy.heads import RequestHead, parse_request
from bff.proxy.pool import QUEUE_FULL, Pool, Shared, Waiter
from bff.proxy.route_table import UpstreamAddress
from bff.proxy.turn import Turn
from bff.proxy.upstream import Receiver, UpstreamConnection
from common.tasks import Tasks
from tests.bff.agent import QUICK
from tests.bff.dataplane.test_review import ANSWER, HEAD, Asker, Connected, Wire


async def asked(upstream: Connected, head: RequestHead = HEAD) -> Asker:
    asker = Asker()
    upstream.connection.begin(cast("Receiver", asker), head, b"GET", is_whole=True)
    await asyncio.sleep(0)
    return asker


async def test_bytes_that_nobody_asked_for_end_the_connection_at_once() -> None:
    """Dropped alone, their second half could arrive when the next request has begun."""
    upstream = Connected()
    await asked(upstream)
    upstream.connection.data_received(ANSWER)
    upstream.connection.data_received(b"HTTP/1.1 ")

    assert upstream.given_back == [upstream.connection]
    assert upstream.wire.is_ended
    # It is still in the pool, until the event loop tells of its end.
    assert upstream.connection.is_open
    assert not upstream.connection.is_ready


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER + b"H",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nH",
        b"HTTP/1.1 204 No\r\n\r\nH",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nH",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: y\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nConnection: x\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_may_have_more_to_say_is_not_used_again(answer: bytes) -> None:
    upstream = Connected()
    asker = await asked(upstream)
    upstream.connection.data_received(answer)

    assert asker.heard[-1] == "end"
    assert upstream.given_back == []
    assert upstream.wire.is_ended


@pytest.mark.parametrize("is_later", [False, True])
async def test_an_answer_before_the_end_of_the_request_ends_the_connection(*, is_later: bool) -> None:
    """The rest of the body would come first, as the beginning of somebody else's request."""
    upstream = Connected()
    upstream.connection.begin(cast("Receiver", Asker()), HEAD, b"POST", is_whole=False)
    await asyncio.sleep(0)
    if is_later:
        upstream.connection.end_of_request()
    upstream.connection.data_received(ANSWER)

    assert upstream.wire.is_ended is not is_later


async def test_what_is_under_way_is_forgotten_with_the_connection() -> None:
    """Nothing that still comes is told to whoever gave up."""
    upstream = Connected()
    asker = await asked(upstream)
    upstream.connection.abort()
    upstream.connection.data_received(ANSWER)
    upstream.connection.connection_lost(None)

    assert asker.heard == []
    assert upstream.given_back == []


async def test_a_receiver_that_ends_it_hears_no_more() -> None:
    """And the connection that it has ended is not given to whoever waits for one."""

    class Ending(Asker):
        def answer_head(self, answer: object) -> None:
            super().answer_head(answer)
            if self.ends_at == "head":
                upstream.connection.abort()

        def answer_data(self, data: bytes) -> None:
            super().answer_data(data)
            if data:
                upstream.connection.abort()

        def __init__(self, ends_at: str) -> None:
            super().__init__()
            self.ends_at = ends_at

    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for ends_at, answer, heard in [
        ("head", ANSWER[:-2], ["head"]),
        ("head", ANSWER, ["head"]),
        ("body", ANSWER, ["head", b"ok"]),
        ("body", chunked + b"2\r\nok\r\n0\r\n\r\n", ["head", b"ok"]),
    ]:
        upstream, asker = Connected(), Ending(ends_at)
        upstream.connection.begin(cast("Receiver", asker), HEAD, b"GET", is_whole=True)
        await asyncio.sleep(0)
        upstream.connection.data_received(answer)

        assert asker.heard == heard
        assert upstream.given_back == []


class Patient(Asker):
    """Takes interim answers as well."""

    def answer_interim(self, answer: object) -> None:
        self.heard.append("interim")


async def test_interim_answers_are_counted_for_each_request() -> None:
    upstream, hint = Connected(), b"HTTP/1.1 103 Early Hints\r\n\r\n"
    for _ in range(3):
        patient = Patient()
        upstream.connection.begin(cast("Receiver", patient), HEAD, b"GET", is_whole=True)
        await asyncio.sleep(0)
        upstream.connection.data_received(hint * QUICK.interim_answers + ANSWER)

        assert patient.heard[-1] == "end"


@pytest.mark.parametrize("behind", [b"", b"\r\n\r\n"])
async def test_a_head_that_is_too_long_is_refused_even_when_it_comes_at_once(behind: bytes) -> None:
    upstream = Connected()
    asker = await asked(upstream)
    upstream.connection.data_received(b"HTTP/1.1 200 OK\r\nA: " + b"a" * QUICK.head_bytes + behind)

    assert asker.heard == ["answer_head_too_long"]
    assert upstream.wire.is_ended


async def test_after_a_head_request_an_answer_to_another_one_has_its_body() -> None:
    upstream = Connected()
    await asked(upstream, parse_request(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 100))
    upstream.connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    asker = await asked(upstream)
    upstream.connection.data_received(ANSWER)

    assert asker.heard == ["head", b"ok", "end"]


async def test_each_request_learns_anew_whether_it_was_answered() -> None:
    """Else a request on a stale connection would be taken for one that was answered in part."""
    upstream = Connected()
    await asked(upstream)
    upstream.connection.data_received(ANSWER)
    await asked(upstream)

    assert upstream.connection.was_used
    assert not upstream.connection.has_answered


@pytest.mark.parametrize(
    ("answer", "error", "last"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nhalf", None, "end"),
        (b"HTTP/1.1 200 OK\r\n\r\nhalf", ConnectionResetError(), "closed_in_body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None, "closed_in_body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf", None, "closed_in_body"),
        (b"HTTP/1.1 200 OK\r\n", None, "closed_in_head"),
    ],
)
async def test_half_an_answer_is_not_told_as_a_whole_one(
    answer: bytes, error: Exception | None, last: str
) -> None:
    upstream = Connected()
    asker = await asked(upstream)
    upstream.connection.data_received(answer)
    upstream.connection.connection_lost(error)

    assert asker.heard[-1] == last


async def test_the_first_half_of_a_head_is_not_put_before_the_next_one() -> None:
    """It would be the beginning of the answer to somebody else."""
    upstream = Connected()
    for _ in range(3):
        asker = await asked(upstream)
        upstream.connection.data_received(ANSWER[:20])
        upstream.connection.data_received(ANSWER[20:])

        assert asker.heard == ["head", b"ok", "end"]


class Wired(Pool):
    """Its connections lead nowhere; the first of them fail, if so told."""

    fails = 0

    def new_one(self) -> UpstreamConnection:
        connection = self._new()
        connection.connection_made(Wire())
        return connection

    async def _open(self) -> UpstreamConnection:
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise ConnectionRefusedError
        return self.new_one()


class Waiting:
    """Several who want a connection, and what each was told."""

    def __init__(self, **limits: float) -> None:
        self.tasks = Tasks()
        most = replace(QUICK, **limits)  # type: ignore[arg-type] # numbers, all of them
        shared = Shared(most, self.tasks, Turn(), None)  # type: ignore[arg-type] # no https here
        self.pool = Wired(UpstreamAddress("http", "127.0.0.1", 1, None, ""), shared, 5)
        self.got: dict[str, UpstreamConnection] = {}
        self.failed: dict[str, str] = {}

    async def want(self, *names: str, has_left: str = "") -> None:
        waiters = [self._waiter(name) for name in names]
        for name, waiter in zip(names, waiters, strict=True):
            self.pool.wait_for_one(waiter)
            waiter.has_left = name in has_left
        await asyncio.sleep(0.01)

    def _waiter(self, name: str) -> Waiter:
        return Waiter(
            lambda connection: self.got.update({name: connection}),
            lambda cause: self.failed.update({name: cause}),
        )

    async def answered(self, name: str) -> None:
        """The exchange of that name is over; its connection can be used again."""
        connection = self.got.pop(name)
        connection.begin(cast("Receiver", Asker()), HEAD, b"GET", is_whole=True)
        await asyncio.sleep(0)
        connection.data_received(ANSWER)
        await asyncio.sleep(0.01)

    async def lost(self, name: str) -> None:
        self.got.pop(name).connection_lost(None)
        await asyncio.sleep(0.01)


async def test_there_are_no_more_connections_and_waiters_than_allowed() -> None:
    some = Waiting(upstream_connections=2, upstream_waiters=1)
    await some.want("a", "b", "c", "d")

    assert set(some.got) == {"a", "b"}
    assert some.failed == {"d": QUEUE_FULL}
    await some.answered("a")
    assert set(some.got) == {"b", "c"}


async def test_whoever_has_left_is_given_no_connection() -> None:
    """It would be kept for nobody, and the next request would wait for ever."""
    some = Waiting(upstream_connections=1)
    await some.want("a", has_left="a")
    assert some.got == {}
    assert some.pool.take_idle() is not None

    some = Waiting(upstream_connections=1)
    await some.want("a", "b", "c", has_left="b")
    await some.answered("a")
    assert set(some.got) == {"c"}

    await some.want("d", "e", has_left="d")
    await some.lost("c")
    assert set(some.got) == {"e"}


async def test_a_connection_that_ended_makes_room_for_another() -> None:
    some = Waiting(upstream_connections=1)
    await some.want("a", "b", "c")
    await some.lost("a")
    assert set(some.got) == {"b"}
    await some.lost("b")
    assert set(some.got) == {"c"}
    await some.want("b")
    await some.lost("c")

    idle = some.got["b"]
    await some.answered("b")
    idle.connection_lost(None)
    assert some.pool.take_idle() is None


async def test_a_connection_that_cannot_be_made_makes_room_for_another() -> None:
    some = Waiting(upstream_connections=1)
    some.pool.fails = 1
    await some.want("a", "b")

    assert some.failed == {"a": "connect_ConnectionRefusedError"}
    assert set(some.got) == {"b"}
    await some.answered("b")
    await some.want("c", "d")
    assert set(some.got) == set()


@pytest.mark.parametrize("error", [UnicodeError, TimeoutError, None])
async def test_whoever_waits_is_told_why_there_is_no_connection(error: type[Exception] | None) -> None:
    """Also of a name that no resolver takes, and of a service that does not answer."""

    class Failing(Pool):
        async def _open(self) -> UpstreamConnection:
            if error is None:
                await asyncio.sleep(60)
            raise error or OSError

    failed, tasks = list[str](), Tasks()
    shared = Shared(QUICK, tasks, Turn(), None)  # type: ignore[arg-type] # no https here
    pool = Failing(UpstreamAddress("http", "127.0.0.1", 1, None, ""), shared, 0.01)
    pool.wait_for_one(Waiter(lambda _: None, failed.append))
    await asyncio.sleep(0.05)
    await tasks.close()

    assert failed == [f"connect_{(error or TimeoutError).__name__}"]


async def test_what_was_idle_for_too_long_is_not_used_again() -> None:
    some = Waiting(upstream_idle_s=5)
    await some.want("a", "b")
    first, second = some.got["a"], some.got["b"]
    await some.answered("a")
    await some.answered("b")
    now_s = asyncio.get_running_loop().time()
    some.pool.sweep(now_s + 4)
    assert some.pool.take_idle() is second

    some.pool.sweep(now_s + 6)
    assert some.pool.take_idle() is None
    assert not first.is_ready


async def test_a_connection_that_is_closing_is_passed_over() -> None:
    some = Waiting()
    await some.want("a", "b")
    first, second = some.got["a"], some.got["b"]
    await some.answered("a")
    await some.answered("b")
    second.abort()

    assert some.pool.take_idle() is first
    assert some.pool.take_idle() is None


async def test_a_service_that_reads_on_is_sent_the_rest_and_used_again() -> None:
    class Uploading(Asker):
        def pause_upload(self) -> None:
            self.heard.append("pause")

        def resume_upload(self) -> None:
            self.heard.append("resume")

    upstream, asker = Connected(), Uploading()
    upstream.connection.begin(cast("Receiver", asker), HEAD, b"GET", is_whole=True)
    await asyncio.sleep(0)
    upstream.connection.pause_writing()
    upstream.connection.resume_writing()
    upstream.connection.data_received(ANSWER)

    assert asker.heard == ["pause", "resume", "head", b"ok", "end"]
    assert upstream.given_back == [upstream.connection]
