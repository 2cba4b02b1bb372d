"""Attacks on the data plane that found something: clients and services that do not read, and races."""

import asyncio
import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bff.proxy.heads import BadHeadError, parse_answer, parse_request
from bff.proxy.pool import Pool, Shared, Waiter
from bff.proxy.route_table import UpstreamAddress
from bff.proxy.turn import Sender, Turn
from bff.proxy.upstream import Receiver, UpstreamConnection
from bff.session.hot import CoalescedReader, Found
from bff.session.record import SessionKey
from bff.session.store import StoreUnavailableError
from common.addresses import client_address
from common.env import Network
from common.tasks import Tasks
from tests.bff.agent import QUICK, SESSION_COOKIE
from tests.bff.dataplane.door import PROTOCOLS, DataPlane, open_door
from tests.fakes.raw_connection import RawConnection
from tests.fakes.raw_upstream import UpstreamConnection as Upstream
from tests.fakes.raw_upstream import answering, run_raw_upstream
from tests.fakes.waiting import until

SHORT = replace(
    QUICK,
    sweep_interval_s=0.02,
    unread_time_s=0.2,
    body_time_s=0.3,
    body_bytes_a_second=1000,
    linger_time_s=0.2,
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
HEAD = parse_request(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n", 100)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire(asyncio.Transport):
    """A transport that does nothing and says what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True
        self.is_ended = False

    def write(self, data: object) -> None: ...

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return self.is_ended

    def abort(self) -> None:
        self.is_ended = True

    def close(self) -> None:
        self.is_ended = True


class Asker:
    """`Receiver`, as far as these tests go."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def answer_head(self, answer: object) -> None:
        self.heard.append("head")

    def answer_data(self, data: bytes) -> None:
        self.heard.append(data)

    def answer_end(self) -> None:
        self.heard.append("end")

    def answer_lost(self, cause: str) -> None:
        self.heard.append(cause)

    def pause_upload(self) -> None: ...


class Connected:
    """An upstream connection over a `Wire`."""

    def __init__(self) -> None:
        self.given_back: list[UpstreamConnection] = []
        self.turn = Turn()
        self.wire = Wire()
        self.connection = UpstreamConnection(QUICK, self.turn, self.given_back.append, lambda _: None)
        self.connection.connection_made(self.wire)

    async def ask(self) -> Asker:
        asker = Asker()
        self.connection.begin(cast("Receiver", asker), HEAD, b"GET", is_whole=True)
        await asyncio.sleep(0)
        return asker


async def test_a_connection_that_a_slow_client_held_up_is_read_again_for_the_next_one() -> None:
    """Else whoever gets it from the pool waits for an answer that nobody reads."""
    upstream = Connected()
    await upstream.ask()
    upstream.connection.pause()
    upstream.connection.data_received(ANSWER)

    assert upstream.given_back == [upstream.connection]
    assert upstream.wire.is_read


async def test_a_connection_that_has_not_taken_its_request_is_not_used_again() -> None:
    """The body of the next request would be held up by nothing, and fill the memory."""
    upstream = Connected()
    await upstream.ask()
    upstream.connection.pause_writing()
    upstream.connection.data_received(ANSWER)

    assert upstream.given_back == []
    assert upstream.wire.is_ended


async def test_an_answer_that_was_there_before_the_request_left_is_nobodys() -> None:
    upstream = Connected()
    asker = Asker()
    upstream.connection.begin(cast("Receiver", asker), HEAD, b"GET", is_whole=True)
    upstream.connection.data_received(ANSWER)

    assert asker.heard == ["unasked_answer"]
    assert upstream.wire.is_ended


async def test_a_connection_that_ended_does_not_take_the_others_of_its_turn_along() -> None:
    """Uvloop raises for a write to it: what the others had to send stayed where it was."""
    loop, turn = asyncio.get_running_loop(), Turn()
    peers: list[RawConnection] = []

    def peer() -> RawConnection:
        peers.append(RawConnection())
        return peers[-1]

    server = await loop.create_server(peer, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()
    senders = []
    for _ in range(2):
        transport, _ = await loop.create_connection(asyncio.Protocol, *where)
        senders.append((transport, Sender(transport, turn)))
    await until(lambda: len(peers) == 2)
    senders[0][0].abort()
    await asyncio.sleep(0.01)
    for _, sender in senders:
        sender.write(b"x")

    await until(lambda: any(peer.received == b"x" for peer in peers))
    senders[1][0].abort()
    server.close()


class ClosedAtOnce(Pool):
    """The connection is lost between its making and the next turn of whoever made it."""

    async def _open(self) -> UpstreamConnection:
        connection = self._new()
        connection.connection_made(Wire())
        connection.connection_lost(None)
        return connection


async def test_a_service_that_closes_at_once_does_not_use_the_pool_up() -> None:
    """Each such connection counted for ever: after as many as there may be, nobody got one any more."""
    limits, tasks, failed = replace(QUICK, upstream_connections=3), Tasks(), list[str]()
    shared = Shared(limits, tasks, Turn(), None)  # type: ignore[arg-type] # no https here
    pool = ClosedAtOnce(UpstreamAddress("http", "127.0.0.1", 1, None, ""), shared, 5)
    for _ in range(5):
        pool.wait_for_one(Waiter(lambda _: None, failed.append))
        await asyncio.sleep(0.001)
    await tasks.close()

    assert failed == ["closed_at_once"] * 5


async def test_a_client_that_sends_and_never_reads_gets_no_further_answers() -> None:
    """Refusals cost it nothing, and each would have been kept for it."""
    refused = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
    async with open_door(PROTOCOLS, limits=SHORT) as door:
        client = await door.connect(receive_buffer=4096)
        client.stop_reading()
        client.send(refused * 300_000)
        await client_is_cut(client)
        await door.is_sane()


async def client_is_cut(client: RawConnection) -> None:
    """A client that does not read hears of a reset when it writes."""
    async with asyncio.timeout(20):
        while not client.is_closed.is_set():
            client.send(b"x")
            await asyncio.sleep(0.05)


async def test_a_client_that_never_reads_its_last_answer_is_not_kept(data_plane: DataPlane) -> None:
    """It asked for a close, and that waited for it to read."""
    size = 12_000_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
    async with open_door(data_plane, answering(answer), SHORT) as door:
        client = await door.connect(receive_buffer=4096)
        client.stop_reading()
        client.send(door.head("GET /api/x", "Connection: close"))
        await until(lambda: len(door.upstream.requests) == 1)
        await client_is_cut(client)


async def test_who_was_fast_before_may_not_be_silent_for_days() -> None:
    async with open_door(PROTOCOLS, limits=SHORT) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", "Content-Length: 9000000") + bytes(1_000_000))
        answer = await client.answer()

        assert answer.status == 408


async def test_a_tunnel_whose_service_reads_nothing_ends(tmp_path: Path) -> None:
    """While nothing is read from its client, nobody sees that one leave."""

    async def deaf(connection: Upstream) -> None:
        await connection.head()
        connection.send(SWITCH)
        connection.stop_reading()
        await connection.is_closed.wait()

    async with run_raw_upstream(deaf) as upstream:
        rows = ['prefix = "/api/"', f'upstream = "{upstream.url}"', 'answer_timeout = "1s"']
        routes = tmp_path / "routes.toml"
        routes.write_text("\n".join(["[[route]]", *rows]), "utf-8")
        async with open_door(PROTOCOLS, limits=SHORT, BACKEND="", ROUTES=str(routes)) as door:
            client = await door.connect()
            upgrade = ("Upgrade: websocket", "Connection: Upgrade", f"Origin: {door.agent.url}")
            client.send(door.head("GET /api/x", *upgrade))
            assert (await client.answer(skip_interim=False)).status == 101
            client.send(bytes(40_000_000))

            await client.ended(within_s=4)


async def test_a_client_of_http_1_0_is_sent_no_interim_answer() -> None:
    async with open_door(PROTOCOLS) as door:
        client = await door.connect()
        head = door.head("POST /api/x", "Content-Length: 4", "Expect: 100-continue")
        client.send(head.replace(b"HTTP/1.1", b"HTTP/1.0"))
        await until(lambda: bool(door.upstream.connections))
        client.send(b"body")
        answer = await client.answer(skip_interim=False)

        assert (answer.status, answer.body) == (200, b"body")


async def test_a_made_up_cookie_on_an_open_route_is_no_session_that_could_end(
    tmp_path: Path,
) -> None:
    """The sweep found no session of that name, and cut the answer of a request that needed none."""

    async def slow(connection: Upstream) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await until(lambda: bool(swept))
        connection.send(b"ok")

    swept: list[int] = []
    async with run_raw_upstream(slow) as upstream:
        routes = tmp_path / "routes.toml"
        routes.write_text(
            f'[[route]]\nprefix = "/api/"\nupstream = "{upstream.url}"\npolicy = "optional"\n', "utf-8"
        )
        async with open_door(PROTOCOLS, BACKEND="", ROUTES=str(routes)) as door:
            client = await door.connect()
            client.send(door.head("GET /api/x", cookie="made-up"))
            await client.up_to(b"\r\n\r\n")
            swept.append(await door.agent.parts.sessions.remove_ended())

            assert await client.exactly(2) == b"ok"


@pytest.mark.parametrize("name", ["X.User", "X~Roles", "X!Forwarded!For", "X^Email", "X|Groups", "x.auth.x"])
async def test_a_name_that_becomes_one_of_ours_as_a_variable_of_cgi_does_not_go_up(
    data_plane: DataPlane, name: str
) -> None:
    async with open_door(data_plane) as door:
        await door.ask(door.head("GET /api/x", f"{name}: admin"))

        assert b": admin" not in door.upstream.received


async def test_a_cookie_without_a_name_does_not_come_down(data_plane: DataPlane) -> None:
    """The browser sends `=doorward_session=evil` back as our cookie."""
    answer = f"HTTP/1.1 204 No\r\nSet-Cookie: ={SESSION_COOKIE}=evil\r\nSet-Cookie: a=b\r\n\r\n".encode()
    async with open_door(data_plane, answering(answer)) as door:
        got = await door.ask(door.head("GET /api/x"))

        assert got.head.values("Set-Cookie") == ["a=b"]


async def test_a_head_of_many_tiny_fields_is_looked_at_once() -> None:
    """Counting each name among all the others took a second for each request of 32 KB."""
    fields = b"".join(b"%x:\r\n" % number for number in range(6000)) + b"0:\r\n"
    loop = asyncio.get_running_loop()
    before = loop.time()
    with pytest.raises(BadHeadError, match="too_many_fields"):
        parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % fields, 100)

    assert loop.time() - before < 0.2


@pytest.mark.parametrize("line", [b"OPTIONS /api/x RTSP/1.0", b"SOURCE /api/x ICE/1.0"])
def test_another_protocol_is_not_taken_for_http(line: bytes) -> None:
    with pytest.raises(BadHeadError, match="version"):
        parse_request(line + b"\r\nHost: a\r\n\r\n", 100)


@pytest.mark.parametrize("said", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("status", [b"200", b"204", b"304"])
def test_a_body_that_was_announced_where_there_is_none_may_still_come(said: bytes, status: bytes) -> None:
    answer = parse_answer(b"HTTP/1.1 %b X\r\n%b\r\n\r\n" % (status, said), 100, is_for_head=status == b"200")

    assert (answer.length, answer.keeps_alive) == (0, False)


def test_the_zone_of_an_address_is_no_place_for_text() -> None:
    trusted: list[Network] = [ipaddress.ip_network("10.0.0.0/8")]

    assert client_address("10.0.0.1", ["fe80::1%admin logged in"], trusted) == "10.0.0.1"


async def test_all_who_asked_for_a_session_are_told_whatever_happens() -> None:
    """One record that cannot be read, or one reader that fails, would leave hundreds waiting for ever."""

    async def unreadable(_keys: object) -> dict[SessionKey, object]:
        raise ValueError

    def failing(_found: Found) -> None:
        raise ValueError

    told: list[Found] = []
    tasks = Tasks()
    reader = CoalescedReader(unreadable, lambda _key: "", tasks)  # type: ignore[arg-type] # never returns
    reader.read(SessionKey("a"), failing)
    reader.read(SessionKey("a"), told.append)
    reader.read(SessionKey("b"), told.append)
    await until(lambda: len(told) == 2)
    await tasks.close()

    assert [type(found) for found in told] == [StoreUnavailableError] * 2
