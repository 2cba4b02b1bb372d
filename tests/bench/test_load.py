"""What the load counts as right, wrong and broken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.load import Histogram, Load, Order, Window
from bench.traffic import BROWSER_HEADERS, ITEM_PATH, Kind, item_body
from bench.upstream import Upstream

COOKIES = ["session=a", "session=b", "session=c"]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

Answer = Callable[[bytes], bytes | tuple[bytes, bytes] | None]


def right(digits: bytes) -> bytes:
    body = item_body(digits)
    return HEAD % len(body) + body


class Odd(asyncio.Protocol):
    """Answers as told: bytes, two pieces of them with a pause between, or None for a cut connection."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        answer = self._answer(data.partition(ITEM_PATH)[2][:4])
        if answer is None:
            self._transport.abort()
        elif isinstance(answer, tuple):
            self._transport.write(answer[0])
            asyncio.get_running_loop().call_later(0.001, self._transport.write, answer[1])
        else:
            self._transport.write(answer)


@asynccontextmanager
async def serving(protocol: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def loaded(
    protocol: Callable[[], asyncio.Protocol],
    *,
    kind: Kind = "items",
    size: int = 0,
    rate: float | None = None,
    drain_s: float = 0.0,
    proofs: list[str] | None = None,
) -> Window:
    async with serving(protocol) as port:
        order = Order(
            ports=[port],
            cookies=COOKIES,
            seconds=0.05,
            warm_s=0.02,
            connections=2,
            kind=kind,
            size=size,
            rate=rate,
            drain_s=drain_s,
            proofs=proofs or [],
        )
        return await asyncio.to_thread(Load(order).run)


def naming(digits: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX-User: %b\r\nContent-Length: 0\r\n\r\n" % digits


PROOFS = [f"\r\nX-User: {number:04}\r\n" for number in range(len(COOKIES))]


class TestForwardAuth:
    async def test_an_answer_that_names_the_user_is_right(self) -> None:
        window = await loaded(lambda: Odd(naming), kind="forward-auth", proofs=PROOFS)

        assert window.answers > 0
        assert (window.wrong, window.broken) == (0, 0)

    async def test_it_may_come_in_pieces(self) -> None:
        def split(digits: bytes) -> tuple[bytes, bytes]:
            return naming(digits)[:30], naming(digits)[30:]

        window = await loaded(lambda: Odd(split), kind="forward-auth", proofs=PROOFS)

        assert window.answers > 0
        assert (window.wrong, window.broken) == (0, 0)

    @pytest.mark.parametrize(("this", "that"), [(b"200 OK", b"401 No"), (b"X-User", b"X-Nobody")])
    async def test_another_status_or_user_is_wrong(self, this: bytes, that: bytes) -> None:
        window = await loaded(
            lambda: Odd(lambda digits: naming(digits).replace(this, that)),
            kind="forward-auth",
            proofs=PROOFS,
        )

        assert window.wrong == window.answers > 0

    async def test_more_than_the_head_is_broken(self) -> None:
        window = await loaded(
            lambda: Odd(lambda digits: naming(digits) + b"x"), kind="forward-auth", proofs=PROOFS
        )

        assert window.broken > 0


class TestItems:
    async def test_the_upstream_gives_right_answers_only(self) -> None:
        window = await loaded(Upstream)

        assert window.answers > 0
        assert (window.wrong, window.broken) == (0, 0)
        assert 0 < window.p50_ms <= window.p99_ms <= window.longest_ms + 0.01

    async def test_an_answer_to_somebody_else_is_wrong(self) -> None:
        other = {b"0000": b"0001", b"0001": b"0002", b"0002": b"0000"}

        window = await loaded(lambda: Odd(lambda digits: right(other[digits])))

        assert window.wrong == window.answers > 0

    async def test_one_mixed_up_answer_among_right_ones_is_seen(self) -> None:
        window = await loaded(lambda: Odd(lambda digits: right(digits.replace(b"2", b"0"))))

        assert 0 < window.wrong < window.answers

    async def test_another_status_is_wrong_even_with_the_right_body(self) -> None:
        window = await loaded(lambda: Odd(lambda digits: right(digits).replace(b"200 OK", b"502 No")))

        assert window.wrong == window.answers > 0

    async def test_a_longer_body_is_wrong(self) -> None:
        def longer(digits: bytes) -> bytes:
            body = item_body(digits) + b" "
            return HEAD % len(body) + body

        window = await loaded(lambda: Odd(longer))

        assert window.wrong == window.answers > 0

    @pytest.mark.parametrize("cut_at", [5, 30, len(HEAD), 200])
    async def test_an_answer_may_come_in_pieces(self, cut_at: int) -> None:
        window = await loaded(lambda: Odd(lambda digits: (right(digits)[:cut_at], right(digits)[cut_at:])))

        assert window.answers > 0
        assert (window.wrong, window.broken) == (0, 0)

    @pytest.mark.parametrize(
        "answer",
        [
            lambda _: None,
            lambda digits: right(digits) * 2,
            lambda digits: right(digits) + b"x",
            lambda _: b"HTTP/1.1 200 OK\r\n\r\n",
        ],
        ids=["cut", "twice", "more than announced", "without a length"],
    )
    async def test_what_cannot_be_followed_is_broken(self, answer: Answer) -> None:
        async with serving(lambda: Odd(answer)) as port:
            order = Order(ports=[port], cookies=COOKIES, seconds=0.02, warm_s=0, connections=1)

            window = await asyncio.to_thread(Load(order).run)

        assert window.broken > 0
        assert window.answers == 0


class TestPaced:
    async def test_requests_leave_by_the_clock(self) -> None:
        window = await loaded(Upstream, rate=500, drain_s=1)

        assert 0 < window.answers <= 40

    async def test_waiting_for_a_free_connection_counts_as_latency(self) -> None:
        window = await loaded(
            lambda: Odd(lambda digits: (right(digits)[:9], right(digits)[9:])), rate=20_000, drain_s=1
        )

        assert window.longest_ms > 10


class TestBodies:
    async def test_what_comes_down_is_counted(self) -> None:
        window = await loaded(Upstream, kind="download", size=1_000_000)

        assert window.taken_bytes >= window.answers * 900_000 > 0
        assert (window.wrong, window.broken) == (0, 0)

    async def test_what_goes_up_is_counted_and_confirmed(self) -> None:
        window = await loaded(Upstream, kind="upload", size=1_000_000)

        assert window.taken_bytes >= window.answers * 900_000 > 0
        assert (window.wrong, window.broken) == (0, 0)


def test_the_request_looks_like_a_browsers() -> None:
    assert BROWSER_HEADERS.count(b"\r\n") == 9  # the cookie is the tenth


def test_percentiles() -> None:
    histogram = Histogram()
    for milliseconds in range(1, 101):
        histogram.add(milliseconds / 1000)

    assert histogram.percentile_ms(0.5) == pytest.approx(50, abs=0.02)
    assert histogram.percentile_ms(0.99) == pytest.approx(99, abs=0.02)
