"""The attack corpora of tests/negative over the running agent: the two ends never disagree."""

from collections.abc import Callable

import pytest

from tests.bff.dataplane.door import DataPlane, Door, open_door
from tests.fakes.raw_connection import EndedError
from tests.fakes.raw_upstream import Request, Script, UpstreamConnection, echo_answer
from tests.fakes.waiting import until
from tests.negative.corpus import RequestRow, ResponseRow, request_rows, response_rows
from tests.raw_client import Answer, RawClient

REQUESTS = [pytest.param(row, id=row.name) for row in request_rows()]
RESPONSES = [pytest.param(row, id=row.name) for row in response_rows()]


@pytest.mark.parametrize("row", REQUESTS)
async def test_a_request_that_smuggles_is_refused_or_tamed(door: Door, row: RequestRow) -> None:
    client = await door.connect()

    client.send(door.filled(row.raw))
    answer = await client.answer()

    if answer.status == 200:
        assert row.expect in {"passes", "either"} or (row.aiohttp_passes and door.form == "aiohttp")
        [request] = door.upstream.requests
        assert row.sent is None or request.body == row.sent
    else:
        await assert_refused(door, row, client, answer)
    assert not [never for never in row.never if never in door.upstream.received]
    assert not [head.start for head in door.upstream.heads if b"smuggled" in head.start]
    client.cut()
    await door.is_sane()


async def assert_refused(door: Door, row: RequestRow, client: RawClient, answer: Answer) -> None:
    assert answer.status in row.statuses
    if row.expect in {"refused", "cut"}:
        assert await client.answers_until_closed() == []
    if row.expect in {"refused", "denied"}:
        assert door.upstream.received == b""
    assert door.upstream.requests == []
    # Half a request would take the beginning of somebody else's for its other half.
    await until(lambda: door.upstream.open_connections() == 0 or door.upstream.heads == [])


@pytest.mark.parametrize("row", RESPONSES)
async def test_an_answer_that_smuggles_is_refused_or_tamed(data_plane: DataPlane, row: ResponseRow) -> None:
    script = scripted(lambda request: row if request.head.target == "/api/attack" else None)
    async with open_door(data_plane, script) as door:
        client = await door.connect()
        client.send(door.head(f"{row.method} /api/attack"))

        got = await answer_or_none(client, row.method)

        assert_answer(row, got)
        if row.drops:
            await until(door.upstream.connections[0].is_closed.is_set)
        if got is not None and not client.is_closed.is_set() and got.head.values("Connection") != ["close"]:
            client.send(door.head("GET /api/next", "X-Id: next"))
            assert (await client.answer()).head.value("Echo-X-Id") == "next"
        assert not [never for never in row.never if never in client.received]
        await door.is_sane()


def scripted(row_for: Callable[[Request], ResponseRow | None]) -> Script:
    """Answers with the bytes of a row, and any other request by an echo."""

    async def script(connection: UpstreamConnection) -> None:
        while not connection.transport.is_closing():
            request = await connection.request()
            row = row_for(request)
            connection.send(echo_answer(request) if row is None else row.raw)
            if row is not None and row.closes:
                connection.close()

    return script


def assert_answer(row: ResponseRow, got: Answer | None) -> None:
    if got is None:
        assert row.expect == "cut"
    elif got.status == 502:
        assert row.expect in {"502", "cut", "either"}
    else:
        assert row.expect in {"passes", "either"}
        assert (got.status, got.body) == (row.status, row.body)


async def answer_or_none(client: RawClient, method: str) -> Answer | None:
    """None when the connection is cut before the answer is whole."""
    try:
        return await client.answer(to=method)
    except EndedError:
        return None
