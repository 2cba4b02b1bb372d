"""The same corpora with the real Caddy in front: three servers in a row never disagree either."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.bff.dataplane.door import DataPlane, Door, open_door
from tests.bff.dataplane.test_smuggling import answer_or_none, scripted
from tests.deploy.caddy_door import open_door as open_caddy
from tests.negative.corpus import request_rows, response_rows
from tests.raw_client import RawClient, connect

pytestmark = pytest.mark.caddy


@dataclass
class Front:
    """A Caddy whose web agent is the one of the door; requests for the door are given its name."""

    door: Door
    authority: str

    @asynccontextmanager
    async def asking(self, raw: bytes) -> AsyncIterator[RawClient]:
        async with await connect(f"http://{self.authority}") as client:
            client.send(raw.replace(self.door.authority.encode(), self.authority.encode()))
            yield client

    async def is_sane(self, about: str) -> None:
        """A newcomer is served rightly: nothing was left on the connections between the three."""
        raw = self.door.head("POST /api/sane", "X-Row: none", "X-Id: sane", "Content-Length: 4") + b"body"
        async with self.asking(raw) as client:
            answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"body"), about
        assert answer.head.values("Echo-X-Id") == ["sane"], about


@asynccontextmanager
async def caddy_before(door: Door, folder: Path) -> AsyncIterator[Front]:
    async with open_caddy(folder, BFF_WEB=door.authority) as caddy:
        yield Front(door, f"localhost:{caddy.port}")


async def until_it_ends(client: RawClient) -> None:
    """Whatever Caddy says of it is no concern of these tests, but it has to end."""
    client.transport.write_eof()
    await client.ended(within_s=5)


async def test_requests_that_smuggle_through_caddy(data_plane: DataPlane, tmp_path: Path) -> None:
    async with open_door(data_plane) as door, caddy_before(door, tmp_path) as front:
        for row in request_rows():
            before, sizes = (
                len(door.upstream.requests),
                [len(one.received) for one in door.upstream.connections],
            )
            async with front.asking(door.filled(row.raw)) as client:
                await until_it_ends(client)
            assert len(door.upstream.requests) <= before + 1, row.name
            assert not [head.start for head in door.upstream.heads if b"smuggled" in head.start], row.name
            # Caddy makes one line of a folded one, as RFC 9112 5.2 allows: it is a value then, and no header.
            received = b"".join(
                bytes(one.received[size:])
                for one, size in zip(door.upstream.connections, chain(sizes, repeat(0)), strict=False)
            )
            lines = [line for line in received.split(b"\r\n") if line[:7] != b"X-Fold:"]
            assert not [never for never in row.never if never in b"\n".join(lines)], row.name
            await front.is_sane(row.name)


async def test_answers_that_smuggle_through_caddy(data_plane: DataPlane, tmp_path: Path) -> None:
    rows = {row.name: row for row in response_rows()}
    script = scripted(lambda request: rows.get(request.head.value("X-Row")))
    async with open_door(data_plane, script) as door, caddy_before(door, tmp_path) as front:
        for row in rows.values():
            raw = door.head(f"{row.method} /api/attack", f"X-Row: {row.name}")
            async with front.asking(raw) as client:
                got = await answer_or_none(client, row.method)
                assert not [never for never in row.never if never in client.received], row.name
            assert row.expect != "cut" or got is None or got.status == 502, row.name
            await front.is_sane(row.name)
