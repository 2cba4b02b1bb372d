"""Bodies that are asked for before they are sent, and answers that come before the body has ended."""

import pytest

from tests.bff.dataplane.door import DataPlane, Door, open_door
from tests.fakes.raw_upstream import UpstreamConnection

CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize("field", ["Expect: 100-continue", "expect: 100-Continue"])
async def test_the_body_is_asked_for_before_it_is_sent(door: Door, field: str) -> None:
    client = await door.connect()
    client.send(door.head("POST /api/x", field, "Content-Length: 4"))

    asked = await client.answer(skip_interim=False)
    client.send(b"body")
    answer = await client.answer()

    assert asked.status == 100
    assert (answer.status, answer.body) == (200, b"body")
    assert door.upstream.requests[0].head.values("Expect") == []


async def test_a_client_that_does_not_wait_to_be_asked_is_served_too(door: Door) -> None:
    client = await door.connect()
    client.send(door.head("POST /api/x", "Expect: 100-continue", "Content-Length: 4") + b"body")

    answer = await client.answer()
    client.send(door.head("GET /api/x", "X-Id: next"))

    assert (answer.status, answer.body) == (200, b"body")
    assert (await client.answer()).head.value("Echo-X-Id") == "next"


async def test_a_refused_request_is_not_asked_for_its_body(door: Door) -> None:
    client = await door.connect()
    refused = door.head("POST /api/x", "Expect: 100-continue", "Content-Length: 4", cookie="nobody")

    client.send(refused)
    # aiohttp's server asks before it has looked at anything else.
    answer = await client.answer(skip_interim=door.form == "aiohttp")

    assert answer.status == 401
    assert door.upstream.heads == []


async def test_an_early_answer_reaches_a_client_that_is_still_sending(data_plane: DataPlane) -> None:
    """A 413 after the head: the rest of the body has nowhere to go, and the client reads why."""
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large"

    async def script(connection: UpstreamConnection) -> None:
        head = await connection.head()
        if head.target == "/api/sane":
            connection.send(b"HTTP/1.1 200 OK\r\nEcho-X-Id: sane\r\nContent-Length: 4\r\n\r\nbody")
            return
        connection.send(refusal)

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", "Content-Length: 10000000") + bytes(100_000))
        answer = await client.answer()

        assert (answer.status, answer.body) == (413, b"too large")
        await door.is_sane()


@pytest.mark.parametrize("framed", ["Content-Length: 1000", CHUNKED])
async def test_an_upstream_connection_with_half_a_request_on_it_is_not_used_again(
    data_plane: DataPlane, framed: str
) -> None:
    """Else the next request would be read as the rest of this one's body."""

    async def script(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")

    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", framed) + b"5\r\nhello\r\n")
        assert (await client.answer()).body == b"early"
        client.cut()
        later = await door.ask(door.head("GET /api/later"))

        assert later.body == b"early"
        assert [head.target for head in door.upstream.heads] == ["/api/x", "/api/later"]
        assert len(door.upstream.connections) == 2
