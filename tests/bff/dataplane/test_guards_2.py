"""Guards of the front that a removal showed to be untested: each test fails without its guard."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bff.proxy.admission import Admission, Mount
from bff.proxy.handing_over import handed_over
from bff.proxy.headers import CookieNames
from bff.proxy.heads import parse_request
from bff.proxy.route_checks import Surroundings
from bff.proxy.route_file import read_routes
from bff.session.hot import CoalescedReader, Found
from bff.session.record import HotSession, SessionKey
from common.problems import ProblemError
from common.tasks import Tasks
from tests.bff.agent import QUICK, SESSION_COOKIE, Agent, run_agent
from tests.bff.dataplane.door import PROTOCOLS, DataPlane, Door, open_door
from tests.fakes.issuer import ACCESS_TOKEN_LIFETIME_S
from tests.fakes.raw_upstream import (
    RawUpstream,
    UpstreamConnection,
    answering,
    echo_answer,
    run_raw_upstream,
)
from tests.fakes.waiting import until

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@asynccontextmanager
async def behind_a_route(
    form: DataPlane, folder: Path, *rows: str
) -> AsyncIterator[tuple[Door, RawUpstream]]:
    """A door with one route, which has these rows beyond its place."""
    async with run_raw_upstream() as upstream:
        routes = folder / "routes.toml"
        place = ["[[route]]", 'prefix = "/api/"', f'upstream = "{upstream.url}"']
        routes.write_text("\n".join([*place, *rows]), "utf-8")
        async with open_door(form, BACKEND="", ROUTES=str(routes)) as door:
            yield door, upstream


# A request in the body of another


@pytest.mark.parametrize("framed", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_what_follows_a_request_that_was_answered_early_is_no_request(framed: str) -> None:
    """The rest of its body is chosen by whoever wrote the body, and would be read as a request."""

    async def early(connection: UpstreamConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")

    async with open_door(PROTOCOLS, early) as door:
        client = await door.connect()
        client.send(door.head("POST /api/x", framed) + b"5\r\nhello\r\n")
        answer = await client.answer()

        assert (answer.body, answer.head.values("Connection")) == (b"early", ["close"])
        await client.ended()


async def test_what_comes_behind_the_last_answer_is_read_by_nobody() -> None:
    """The client has been told of the end, and sends on as if it had not."""
    async with open_door(PROTOCOLS, limits=replace(QUICK, linger_time_s=0.2)) as door:
        address = urlsplit(door.agent.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(door.head("POST /api/x", "Content-Length: 1000", cookie="nobody"))
        answer = await reader.read()
        writer.write(door.head("GET /api/hidden"))
        await door.is_sane()
        writer.close()

        assert b" 401 " in answer
        assert [head.target for head in door.upstream.heads] == ["/api/sane"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("Content-Length: {size}", b"{hidden}", id="sized"),
        pytest.param("Transfer-Encoding: chunked", b"{hidden}", id="chunked"),
    ],
)
async def test_the_body_of_a_request_that_its_head_refuses_is_no_request(
    data_plane: DataPlane, field: str, body: bytes
) -> None:
    async with open_door(data_plane) as door:
        hidden = body.replace(b"{hidden}", door.head("GET /api/hidden"))
        head = door.head("POST /api/x", field.format(size=len(hidden)))
        client = await door.connect()
        client.send(head.replace(SESSION_COOKIE.encode(), b"another") + hidden)
        answer = await client.answer()
        client.transport.write_eof()
        await client.ended()

        assert answer.status in {400, 401}
        assert door.upstream.received == b""


@pytest.mark.parametrize(
    "framed", [b"Content-Length: 4\r\n\r\nbody", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("said", [b"keep-alive", b"Upgrade"])
def test_a_connection_that_is_handed_over_is_so_with_one_request_and_to_close(
    framed: bytes, said: bytes
) -> None:
    """A second request on it would not have passed the door."""
    fields, _, body = framed.partition(b"\r\n\r\n")
    head = b"POST /logout HTTP/1.1\r\nHost: a\r\nConnection: %b\r\nUpgrade: websocket\r\n%b\r\n\r\n"
    request = parse_request(head % (said, fields), 100)

    given = handed_over(request, body + b"GET /api/hidden HTTP/1.1\r\nHost: a\r\n\r\n")

    lines, _, given_body = given.partition(b"\r\n\r\n")
    assert given_body == body
    assert b"Upgrade" not in lines
    assert [line for line in lines.split(b"\r\n") if line.startswith(b"Connection")] == [b"Connection: close"]


# Whose proof it is that no other site has sent the request


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Origin", ("{us}", "https://evil.example")),
        ("Origin", ("https://evil.example", "{us}")),
        ("Sec-Fetch-Site", ("same-origin", "cross-site")),
        ("Sec-Fetch-Site", ("cross-site", "same-origin")),
        ("X-CSRF", ("0", "1")),
    ],
)
async def test_a_proof_of_origin_that_stands_there_twice_is_none(
    data_plane: DataPlane, name: str, values: tuple[str, str]
) -> None:
    async with open_door(data_plane) as door:
        fields = [f"{name}: {value.format(us=door.agent.url)}" for value in values]
        raw = door.head("POST /api/x", *fields, "Content-Length: 0")
        answer = await door.ask(raw.replace(b"X-CSRF: 1\r\n", b"", 1))

        assert answer.status == 400
        assert door.upstream.received == b""


async def test_a_websocket_without_an_origin_is_of_no_page_of_ours() -> None:
    """Other proofs are good for requests that scripts cannot make without a preflight."""
    async with open_door(PROTOCOLS) as door:
        answer = await door.ask(door.head("GET /api/x", *HANDSHAKE, "Sec-Fetch-Site: same-origin"))

        assert answer.status == 403
        assert door.upstream.received == b""


# Sessions that are none


async def test_a_session_past_its_time_is_none_though_its_bearer_lasts(data_plane: DataPlane) -> None:
    async with open_door(data_plane, SESSION_IDLE="1m") as door:
        door.agent.clock.advance(seconds=61)
        answer = await door.ask(door.head("GET /api/x"))

        assert answer.status == 401
        assert door.upstream.received == b""


async def test_a_session_whose_bearer_does_not_open_is_none(agent: Agent) -> None:
    """Its request would go up as nobody's, on a route that asks for somebody."""
    browser, sessions = await agent.signed_in(), agent.parts.sessions
    found = await sessions.find(browser.session_cookie or "")
    assert found is not None
    surroundings = Surroundings("https://app.example.com", (), ())
    table = read_routes('[[route]]\nprefix = "/api/"', "routes.toml", "http://a", surroundings).table
    cookies = CookieNames(SESSION_COOKIE.encode(), b"doorward_login_")
    admission = Admission([Mount("", table, cookies, takes_bearers=False)], (), sessions)
    cookie = f"{SESSION_COOKIE}={browser.session_cookie}".encode()
    head = parse_request(b"GET /api/x HTTP/1.1\r\nHost: a\r\nCookie: %b\r\n\r\n" % cookie, 100)
    admitted = admission.look(head)
    assert admitted is not None
    hot, now = found.record.hot, agent.clock.now()

    assert admission.judge(head, admitted, hot, now) is not None
    with pytest.raises(ProblemError, match="not_signed_in"):
        admission.judge(head, admitted, replace(hot, bearer=hot.bearer[:-1]), now)


# What the service does unasked


async def test_a_tunnel_that_nobody_asked_for_is_none() -> None:
    """Requests would follow on it, and answers, that no rule here has looked at."""
    async with open_door(PROTOCOLS, answering(SWITCH)) as door:
        client = await door.connect()
        client.send(door.head("GET /api/x"))

        assert (await client.answer(skip_interim=False)).status == 502


@pytest.mark.parametrize(
    ("request_line", "body"),
    [pytest.param("POST /api/x", b"", id="no GET"), pytest.param("GET /api/x", b"body", id="with a body")],
)
async def test_only_a_get_without_a_body_asks_for_a_tunnel(request_line: str, body: bytes) -> None:
    """What is sent as its body would be the first bytes of the tunnel for one side, and not for the other."""
    async with open_door(PROTOCOLS, answering(SWITCH)) as door:
        client = await door.connect()
        fields = (*HANDSHAKE, f"Origin: {door.agent.url}", f"Content-Length: {len(body)}")
        client.send(door.head(request_line, *fields) + body)

        assert (await client.answer(skip_interim=False)).status == 502
        assert door.upstream.heads[0].values("Upgrade") == []


@pytest.mark.parametrize(
    "request_line", ["POST /api/x", "PATCH /api/x", "PUT /api/x with a body", "DELETE /api/x with a body"]
)
async def test_what_may_have_been_done_or_was_not_kept_is_not_sent_again(
    data_plane: DataPlane, request_line: str
) -> None:
    async def once(connection: UpstreamConnection) -> None:
        connection.send(echo_answer(await connection.request()))
        await connection.request()
        connection.cut()

    async with open_door(data_plane, once) as door:
        await door.ask(door.head("GET /api/first"))
        line, has_body, _ = request_line.partition(" with a body")
        body = b"body" if has_body else b""
        answer = await door.ask(door.head(line, f"Content-Length: {len(body)}") + body)

        assert answer.status == 502
        assert len(door.upstream.requests) == 2


async def test_a_new_connection_that_breaks_is_no_stale_one(data_plane: DataPlane) -> None:
    """The service has failed at this very request: it would do so again."""

    async def breaks(connection: UpstreamConnection) -> None:
        await connection.request()
        connection.cut()

    async with open_door(data_plane, breaks) as door:
        answer = await door.ask(door.head("GET /api/x"))

        assert answer.status == 502
        assert len(door.upstream.requests) == 1


async def test_a_client_that_left_during_its_refresh_asks_for_nothing(data_plane: DataPlane) -> None:
    async with open_door(data_plane) as door:
        issuer, client = door.agent.issuer, await door.connect()
        door.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 5)
        issuer.token_gate = asyncio.Event()
        client.send(door.head("GET /api/left"))
        await until(lambda: issuer.token_requests[-1]["grant_type"] == "refresh_token")
        client.cut()
        await until(lambda: door.agent.parts.sessions.live.sessions() == [])
        issuer.token_gate.set()
        await door.is_sane()

        assert [head.target for head in door.upstream.heads] == ["/api/sane"]


# What a route asks for


async def test_where_a_bearer_may_be_left_out_another_proof_is_refused_all_the_same(
    data_plane: DataPlane, tmp_path: Path
) -> None:
    """Who says something that is not understood must not be served as if nothing had been said."""
    routes = tmp_path / "routes.toml"
    async with run_raw_upstream() as upstream:
        rows = ['prefix = "/api/"', f'upstream = "{upstream.url}"', 'policy = "optional"']
        routes.write_text("\n".join(["[[route]]", *rows]), "utf-8")
        settings = {"BACKEND": "", "ROUTES": str(routes), "DATA_PLANE": data_plane}
        async with run_agent(OIDC_FLOW="device", **settings) as agent:
            browser = await agent.browser()
            answer = await browser.client.get("/api/x", headers={"Authorization": "Basic YTpi"})

            assert answer.status_code == 401
            assert upstream.received == b""


@pytest.mark.parametrize("asked", ['scopes = "admin"', 'roles = "admin"', 'acr = "gold"'])
async def test_a_session_without_what_the_route_asks_for_does_not_pass(
    data_plane: DataPlane, tmp_path: Path, asked: str
) -> None:
    async with behind_a_route(data_plane, tmp_path, asked) as (door, upstream):
        answer = await door.ask(door.head("GET /api/x"))

        assert answer.status in {401, 403}
        assert upstream.received == b""


async def test_what_the_route_asks_for_is_asked_of_the_fresh_bearer_too(
    data_plane: DataPlane, tmp_path: Path
) -> None:
    """Whoever has lost a role at the refresh has lost it for the request that caused the refresh."""
    async with behind_a_route(data_plane, tmp_path, 'roles = "admin"') as (door, upstream):
        issuer = door.agent.issuer
        issuer.access_token_overrides = {"roles": ["admin"]}
        browser = await door.agent.signed_in("bob")
        before = await door.ask(door.head("GET /api/x", cookie=browser.session_cookie))
        issuer.access_token_overrides = {"roles": ["reader"]}
        door.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 5)
        after = await door.ask(door.head("GET /api/x", cookie=browser.session_cookie))

        assert (before.status, after.status) == (200, 403)
        assert len(upstream.requests) == 1


async def test_an_open_route_is_told_nothing_of_the_session(data_plane: DataPlane, tmp_path: Path) -> None:
    async with behind_a_route(data_plane, tmp_path, 'policy = "anonymous"') as (door, upstream):
        answer = await door.ask(door.head("GET /api/x"))

        assert answer.status == 200
        assert upstream.heads[0].values("Authorization") == []


async def test_a_body_that_is_announced_too_long_is_refused_before_anything_goes_up(
    data_plane: DataPlane, tmp_path: Path
) -> None:
    async with behind_a_route(data_plane, tmp_path, "body_limit = 10") as (door, upstream):
        answer = await door.ask(door.head("POST /api/x", "Content-Length: 11"))

        assert answer.status == 413
        assert upstream.received == b""


async def test_a_method_that_the_route_does_not_name_does_not_pass(
    data_plane: DataPlane, tmp_path: Path
) -> None:
    async with behind_a_route(data_plane, tmp_path, 'methods = ["GET"]') as (door, upstream):
        answer = await door.ask(door.head("DELETE /api/x"))

        assert answer.status == 405
        assert upstream.received == b""


# Whose session, whose address


async def test_each_who_asked_together_is_told_of_its_own_session() -> None:
    sessions = {
        SessionKey(name): HotSession(name.encode(), *[datetime.now(UTC)] * 4) for name in ("alice", "bob")
    }

    async def load_hot(keys: Sequence[SessionKey]) -> dict[SessionKey, HotSession]:
        return {key: sessions[key] for key in reversed(keys) if key in sessions}

    tasks, told = Tasks(), dict[SessionKey, Found]()
    reader = CoalescedReader(load_hot, lambda _key: "", tasks)
    for key in map(SessionKey, ("nobody", "bob", "alice")):
        reader.read(key, partial(told.__setitem__, key))
    await until(lambda: len(told) == 3)
    await tasks.close()

    assert told.pop(SessionKey("nobody")) is None
    assert told == sessions


async def test_a_proxy_that_is_trusted_speaks_for_another_client_with_each_request(
    data_plane: DataPlane,
) -> None:
    async with open_door(data_plane, TRUSTED_PROXIES="127.0.0.1/32") as door:
        client, addresses = await door.connect(), ["203.0.113.1", "203.0.113.2", "203.0.113.1"]
        for address in addresses:
            client.send(door.head("GET /api/x", f"X-Forwarded-For: {address}"))
            await client.answer()

        assert [head.value("X-Forwarded-For") for head in door.upstream.heads] == addresses
