"""Bodies and answers in every framing, cut into pieces at every byte, and several on one connection."""

import asyncio

import pytest

from tests.bff.dataplane.door import DataPlane, Door, open_door
from tests.fakes.raw_connection import framing, parse_head
from tests.fakes.raw_upstream import Request, Script, UpstreamConnection, answering, echo_answer

CHUNKED = "Transfer-Encoding: chunked"


async def breathe() -> None:
    """Lets the agent see what was sent before more is sent."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("Content-Length: 11", b"hello there", id="sized"),
        pytest.param(CHUNKED, b"6\r\nhello \r\n5\r\nthere\r\n0\r\n\r\n", id="chunked"),
        pytest.param(CHUNKED, b"6;a=b\r\nhello \r\n5\r\nthere\r\n0\r\nX-T: 1\r\n\r\n", id="with trailers"),
    ],
)
async def test_a_request_may_come_in_two_pieces_cut_anywhere(door: Door, field: str, body: bytes) -> None:
    client = await door.connect()
    raw = door.head("POST /api/x", "X-Id: cut", field) + body

    for cut in range(len(raw) + 1):
        client.send(raw[:cut])
        await breathe()
        client.send(raw[cut:])
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"hello there"), cut

    assert {request.body for request in door.upstream.requests} == {b"hello there"}
    assert len(door.upstream.requests) == len(raw) + 1


async def test_a_request_may_come_byte_by_byte(door: Door) -> None:
    client = await door.connect()
    raw = door.head("POST /api/x", CHUNKED) + b"6\r\nhello \r\n05\r\nthere\r\n0\r\n\r\n"

    for byte in raw:
        client.send(bytes([byte]))
        await breathe()

    assert (await client.answer()).body == b"hello there"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello there", id="sized"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nthere\r\n0\r\n\r\n",
            id="chunked",
        ),
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"B;a=b\r\nhello there\r\n0\r\nX-T: 1\r\n\r\n",
            id="interim, extension, trailer",
        ),
    ],
)
async def test_an_answer_may_come_in_two_pieces_cut_anywhere(data_plane: DataPlane, answer: bytes) -> None:
    async def script(connection: UpstreamConnection) -> None:
        for cut in range(len(answer) + 1):
            await connection.request()
            connection.send(answer[:cut])
            await breathe()
            connection.send(answer[cut:])

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        for cut in range(len(answer) + 1):
            client.send(door.head("GET /api/x"))
            got = await client.answer()
            assert (got.status, got.body) == (200, b"hello there"), cut

        assert len(door.upstream.connections) == 1, "the connection is used again"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000])
async def test_bodies_of_all_sizes_come_back_as_they_went(door: Door, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    client = await door.connect()

    client.send(door.head("POST /api/x", f"Content-Length: {size}") + body)
    sized = await client.answer()
    pieces = [body[at : at + 10_000] for at in range(0, size, 10_000)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    client.send(door.head("POST /api/x", CHUNKED) + framed + b"0\r\n\r\n")
    chunked = await client.answer()

    assert sized.body == body
    assert chunked.body == body
    assert framing(door.upstream.requests[0].head) == size
    # A body that turned out empty may be said to be.
    assert framing(door.upstream.requests[1].head) in ({"chunked"} if size else {"chunked", 0})


async def test_a_request_without_a_body_goes_up_without_one(door: Door) -> None:
    await door.ask(door.head("GET /api/x"))
    await door.ask(door.head("DELETE /api/x"))

    assert [framing(request.head) for request in door.upstream.requests] == [None, None]


async def test_an_empty_body_is_said_to_be_empty(door: Door) -> None:
    """Servers answer 411 to a POST that says nothing of its length."""
    await door.ask(door.head("POST /api/x", "Content-Length: 0"))

    assert framing(door.upstream.requests[0].head) == 0


@pytest.mark.parametrize(
    ("method", "answer", "status", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 200, ["99"]),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, []),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", 200, []),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, []),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 304, []),
    ],
)
async def test_what_has_no_body_ends_with_its_head(
    data_plane: DataPlane, method: str, answer: bytes, status: int, length: list[str]
) -> None:
    async with open_door(data_plane, answering(answer)) as door:
        client = await door.connect()
        for _ in range(2):
            client.send(door.head(f"{method} /api/x"))
            got = await client.answer(to=method)
            assert (got.status, got.body) == (status, b"")
            assert got.head.values("Content-Length") == length

        assert client.unread == b""
        # An announced body may come a moment later, and would then be the answer to somebody else.
        is_kept = b"Content-Length" not in answer and b"Transfer-Encoding" not in answer
        assert len(door.upstream.connections) == (1 if is_kept else 2)


async def test_pipelined_requests_are_answered_in_order(data_plane: DataPlane) -> None:
    """The first answer is the slowest."""

    async def script(connection: UpstreamConnection) -> None:
        while True:
            request = await connection.request()
            await asyncio.sleep(0.05 / int(request.head.value("X-Id")))
            connection.send(echo_answer(request))

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        requests = [
            door.head("POST /api/x", f"X-Id: {n}", "Content-Length: 2") + b"%02d" % n for n in range(1, 9)
        ]
        client.send(b"".join(requests))
        answers = [await client.answer() for _ in requests]

        assert [int(answer.body) for answer in answers] == list(range(1, 9))
        assert [answer.head.value("Echo-X-Id") for answer in answers] == [str(n) for n in range(1, 9)]


async def test_pipelined_requests_may_be_cut_anywhere(door: Door) -> None:
    first = door.head("POST /api/x", "X-Id: 1", CHUNKED) + b"3\r\none\r\n0\r\n\r\n"
    second = door.head("GET /api/x", "X-Id: 2")
    third = door.head("POST /api/x", "X-Id: 3", "Content-Length: 5") + b"three"
    raw = first + second + third
    client = await door.connect()

    for cut in range(0, len(raw), 3):
        client.send(raw[:cut])
        await breathe()
        client.send(raw[cut:])
        answers = [await client.answer() for _ in range(3)]
        assert [answer.body for answer in answers] == [b"one", b"", b"three"], cut
        assert [answer.head.value("Echo-X-Id") for answer in answers] == ["1", "2", "3"]


async def test_pipelined_requests_of_both_planes_are_answered_in_order(door: Door) -> None:
    """What the door answers itself and what it proxies, in one breath; some may end the connection."""
    client = await door.connect()
    raw = [
        door.head("GET /api/x", "X-Id: 1"),
        door.head("GET /session"),
        door.head("GET /api/x", "X-Id: 2"),
    ]

    client.send(b"".join(raw))
    answers = [await client.answer()]
    answers += await client.answers_until_closed() if door.form == "protocols" else []

    assert answers[0].head.value("Echo-X-Id") == "1"
    assert all(b"logged_in" in answer.body for answer in answers[1:2])
    client.cut()
    await door.is_sane()


async def test_both_connections_are_kept_and_used_again(door: Door) -> None:
    client = await door.connect()

    for n in range(5):
        client.send(door.head("GET /api/x", f"X-Id: {n}"))
        assert (await client.answer()).head.value("Echo-X-Id") == str(n)

    assert len(door.upstream.connections) == 1


async def test_a_client_that_asks_for_it_gets_its_connection_closed(door: Door) -> None:
    client = await door.connect()

    client.send(door.head("GET /api/x", "Connection: close"))
    answer = await client.answer()
    await client.ended()

    assert answer.head.values("Connection") == ["close"]


async def test_an_old_client_gets_a_closed_connection_and_no_chunks(data_plane: DataPlane) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    async with open_door(data_plane, answering(chunked)) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x").replace(b"HTTP/1.1", b"HTTP/1.0"))
        got = await client.rest()

        head, _, body = got.partition(b"\r\n\r\n")
        assert parse_head(head + b"\r\n\r\n").status == 200
        assert framing(parse_head(head + b"\r\n\r\n")) is None
        assert body == b"hello"


def slowly(answer: bytes) -> Script:
    async def script(connection: UpstreamConnection) -> None:
        while True:
            await connection.request()
            for at in range(0, len(answer), 7):
                connection.send(answer[at : at + 7])
                await breathe()

    return script


async def test_an_answer_without_a_length_ends_with_its_connection(data_plane: DataPlane) -> None:
    async def script(connection: UpstreamConnection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello ")
        await breathe()
        connection.send(b"there")
        connection.close()

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        for _ in range(2):
            client.send(door.head("GET /api/x"))
            assert (await client.answer()).body == b"hello there"


async def test_large_headers_within_the_limits_pass_both_ways(data_plane: DataPlane) -> None:
    long = "x" * 20_000
    answer = f"HTTP/1.1 200 OK\r\nX-Long: {long}\r\nContent-Length: 0\r\n\r\n".encode()
    async with open_door(data_plane, slowly(answer)) as door:
        got = await door.ask(door.head("GET /api/x", f"X-Long: {long}"))

        assert got.head.value("X-Long") == long
        assert door.upstream.requests[0].head.value("X-Long") == long


async def test_interim_answers_are_passed_or_dropped_but_never_taken_for_the_answer(
    data_plane: DataPlane,
) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nSet-Cookie: doorward_session=planted\r\n\r\n"
    async with open_door(
        data_plane, answering(hints + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    ) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x"))
        first = await client.answer(skip_interim=False)
        last = first if first.status == 200 else await client.answer()

        assert (last.status, last.body) == (200, b"ok")
        assert b"planted" not in client.received


async def test_an_old_client_is_never_sent_interim_answers(data_plane: DataPlane) -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with open_door(data_plane, answering(answer)) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x").replace(b"HTTP/1.1", b"HTTP/1.0"))
        got = await client.rest()

        assert got.split(b" ")[1] == b"200"
        assert got.endswith(b"\r\n\r\nok")


async def test_half_a_request_is_no_request(door: Door) -> None:
    """A client that leaves before its head, or its body, is whole."""
    raw = door.head("POST /api/x", "Content-Length: 4") + b"body"
    for cut in range(1, len(raw), 20):
        client = await door.connect()
        client.send(raw[:cut])
        await breathe()
        client.cut()

    await door.is_sane()
    assert [request.head.target for request in door.upstream.requests] == ["/api/sane"]


async def test_requests_with_bodies_are_never_mixed_up(door: Door) -> None:
    async def ask(n: int) -> Request:
        body = f"body of {n}".encode()
        answer = await door.ask(door.head("POST /api/x", f"X-Id: {n}", f"Content-Length: {len(body)}") + body)
        return Request(answer.head, answer.body)

    answers = await asyncio.gather(*(ask(n) for n in range(100)))

    assert [answer.body for answer in answers] == [f"body of {n}".encode() for n in range(100)]
    assert [answer.head.value("Echo-X-Id") for answer in answers] == [str(n) for n in range(100)]


async def test_a_client_that_half_closes_after_its_request_is_served_or_let_go(door: Door) -> None:
    client = await door.connect()
    client.send(door.head("GET /api/x", "X-Id: half"))
    client.transport.write_eof()

    answers = await client.answers_until_closed()

    assert [answer.head.value("Echo-X-Id") for answer in answers] in ([], ["half"])
    await door.is_sane()


async def test_a_refusal_of_a_head_request_has_no_body(data_plane: DataPlane) -> None:
    """It would be read as the answer to the next request."""
    async with open_door(data_plane) as door:
        client = await door.connect()
        client.send(door.head("HEAD /api/x", cookie="nobody"))
        refused = await client.answer(to="HEAD")
        client.send(door.head("GET /api/x", "X-Id: next"))

        assert refused.status == 401
        assert (await client.answer()).head.value("Echo-X-Id") == "next"
