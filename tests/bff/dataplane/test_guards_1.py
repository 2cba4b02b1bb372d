"""Guards of heads, headers, bodies and of what is sent, each missed by a test when it is taken out."""

import asyncio
from collections import deque

import pytest

from bff.proxy.body import ChunkDecoder
from bff.proxy.headers import CookieNames, answer_lines, default_lines, length_line, upward
from bff.proxy.heads import CHUNKED, AnswerHead, BadHeadError, RequestHead, parse_answer, parse_request
from bff.proxy.turn import Sender, Turn
from bff.proxy.upload import BodyTooLargeError, Upload
from tests.bff.dataplane.test_review import Wire

COOKIES = CookieNames(session=b"doorward_session", login_prefix=b"doorward_login_")
# Spelled out here once more: a name that falls out of the table of the door is one that a client may forge.
NEVER_UP = """
    Connection Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection TE Trailer Transfer-Encoding
    Upgrade Authorization CF-Connecting-IP Forwarded Proxy Remote-User True-Client-IP X-Client-IP X-Device-Key
    X-Email X-Forwarded X-Groups X-HTTP-Method X-HTTP-Method-Override X-Method-Override X-Preferred-Username
    X-Provisioning-Key X-Real-IP X-Request-Id X-Roles X-User X-Username Impersonate-User X-Auth-Request-User
    X-Authenticated-User X-Forwarded-User X-Original-URL X-Remote-User X-Rewrite-URL X-SSL-Client-Cert
    X-User-Id X-WEBAUTH-USER Content-Length Expect Host
""".split()  # noqa: SIM905 - a list of quoted names would hide them
NEVER_DOWN = """
    Connection Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection TE Trailer Transfer-Encoding
    Upgrade Content-Length X-Request-Id Access-Control-Allow-Origin Access-Control-Allow-Credentials
""".split()  # noqa: SIM905 - as above


def request(*fields: str) -> RequestHead:
    return parse_request("\r\n".join(["GET /x HTTP/1.1", *fields, "", ""]).encode("latin-1"), 100)


def lines_up(*fields: str, cookies: CookieNames = COOKIES) -> bytes:
    return upward(request(*fields), cookies).lines


def answer_of(status: int, *fields: str) -> AnswerHead:
    head = "\r\n".join([f"HTTP/1.1 {status} X", *fields, "", ""])
    return parse_answer(head.encode("latin-1"), 100, is_for_head=False)


def lines_down(*fields: str) -> list[bytes]:
    return answer_lines(answer_of(200, *fields), COOKIES)


@pytest.mark.parametrize("first", ["GET /x HTTP/1.1", "PROPFIND /x HTTP/1.1", "GET /x HTTP/1.0"])
@pytest.mark.parametrize(
    "fields",
    [
        ("Host: a", "Host: a"),
        ("HOST: a", "Accept: x", "host: b"),
        ("Host: a", "Content-Length: 5", "Content-Length: 5"),
        ("Host: a", "Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Host: a", "Transfer-Encoding: chunked", "Content-Length: 0"),
        ("Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Host: a", "Transfer-Encoding: identity"),
        ("Host: a", "Transfer-Encoding: gzip, chunked"),
        ("Host: a", "Transfer-Encoding: chunked, identity"),
        ("Host: a", "Transfer-Encoding:"),
        ("Host: a", "Content-Length:"),
        ("Host: a", "Content-Length: +5"),
        ("Host: a", "Content-Length: 5,5"),
        ("Host: a", "Content-Length: 0x5"),
        ("Host: a", "Content-Length: 1234567890123456789"),
        ("Host: a", *["X: 1"] * 100),
        ("Host: a", "A\rB: c"),
        ("Host: a", "A: b\rC: d"),
        ("Host: a", "A: b\n C: d"),
    ],
)
def test_a_head_that_two_servers_could_read_in_two_ways_is_refused(
    first: str, fields: tuple[str, ...]
) -> None:
    head = "\r\n".join([first, *fields, "", ""]).encode()
    with pytest.raises(BadHeadError):
        parse_request(head, 100)


def test_a_coding_is_nothing_that_http_1_0_knows() -> None:
    fields = b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert parse_request(b"POST /x HTTP/1.1\r\n" + fields, 100).length == CHUNKED
    with pytest.raises(BadHeadError):
        parse_request(b"POST /x HTTP/1.0\r\n" + fields, 100)
    with pytest.raises(BadHeadError):
        parse_answer(b"HTTP/1.0 200 OK\r\n" + fields, 100, is_for_head=False)


def test_without_a_host_a_request_is_nobodys() -> None:
    for first in (b"GET / HTTP/1.1", b"PROPFIND / HTTP/1.1"):
        with pytest.raises(BadHeadError, match="no_host"):
            parse_request(first + b"\r\nA: b\r\n\r\n", 100)


@pytest.mark.parametrize(
    "lines",
    [
        ("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6"),
        ("HTTP/1.1 200 OK", "Content-Length: 5", "Transfer-Encoding: chunked"),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: gzip"),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked"),
        ("HTTP/1.1 200 OK", "Content-Length: 1234567890123456789"),
        ("HTTP/1.1 200 OK", "Content-Length:"),
        ("HTTP/1.1 200 OK", *["X: 1"] * 101),
        ("HTTP/1.1 200 O\x01K",),
        ("HTTP/1.1 200 O\x00K",),
        ("HTTP/1.1 200 O\x7fK",),
        ("HTTP/1.1 099 OK",),
        ("HTTP/1.1 600 OK",),
        ("HTTP/2.0 200 OK",),
        ("HTTP/0.9 200 OK",),
    ],
)
def test_an_answer_that_two_readers_could_read_in_two_ways_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadHeadError):
        parse_answer("\r\n".join([*lines, "", ""]).encode(), 100, is_for_head=False)


@pytest.mark.parametrize(
    ("version", "connection", "is_kept"),
    [
        ("1.1", (), True),
        ("1.1", ("close",), False),
        ("1.1", ("keep-alive", "x , Close ", "y"), False),
        ("1.0", (), False),
        ("1.0", ("x",), False),
        ("1.0", ("Keep-Alive",), True),
        ("1.0", ("keep-alive", "close"), False),
    ],
)
def test_whether_a_connection_is_kept(version: str, connection: tuple[str, ...], *, is_kept: bool) -> None:
    fields = "".join(f"Connection: {value}\r\n" for value in connection) + "\r\n"
    asked = parse_request(f"GET / HTTP/{version}\r\nHost: a\r\n{fields}".encode(), 100)
    sized = f"HTTP/{version} 200 OK\r\nContent-Length: 0\r\n{fields}".encode()
    unsized = f"HTTP/{version} 200 OK\r\n{fields}".encode()

    assert asked.keeps_alive is is_kept
    assert parse_answer(sized, 100, is_for_head=False).keeps_alive is is_kept
    assert not parse_answer(unsized, 100, is_for_head=False).keeps_alive


@pytest.mark.parametrize("name", NEVER_UP)
def test_no_name_that_only_we_may_say_goes_up(name: str) -> None:
    value = {"Transfer-Encoding": "chunked", "Content-Length": "1"}.get(name, "door")
    host = () if name == "Host" else ("Host: door",)

    assert lines_up(*host, f"{name}: {value}", "X-Kept: 1") == b"X-Kept: 1\r\n"


@pytest.mark.parametrize("name", NEVER_DOWN)
def test_no_name_that_only_we_may_say_comes_down(name: str) -> None:
    value = {"Transfer-Encoding": "chunked", "Content-Length": "1"}.get(name, "door")

    assert lines_down(f"{name}: {value}", "X-Kept: 1") == [b"X-Kept: 1\r\n"]


def test_what_was_worked_out_for_other_cookie_names_is_not_taken() -> None:
    """In device mode no cookie goes up at all, whatever another mount made of the same headers."""
    fields = ("Host: door", "Cookie: a=b")

    assert lines_up(*fields) == b"Cookie: a=b\r\n"
    assert lines_up(*fields, cookies=CookieNames(b"other", b"other_", lets_others_pass=False)) == b""


@pytest.mark.parametrize("ours", ["doorward_session =x", "\tdoorward_session=x", "doorward_login_1\t=x"])
def test_our_cookie_stays_here_in_every_spelling_that_means_it(ours: str) -> None:
    assert lines_up("Host: door", f"Cookie: a=b; {ours}; c=d") == b"Cookie: a=b; c=d\r\n"


@pytest.mark.parametrize(
    "value", ["doorward_session =x", "doorward_login_1\t=x", "doorward\xff_session=x", "=doorward_session=x"]
)
def test_no_cookie_that_could_become_ours_comes_down(value: str) -> None:
    assert lines_down(f"Set-Cookie: {value}", "Set-Cookie: a=b") == [b"Set-Cookie: a=b\r\n"]


@pytest.mark.parametrize(
    "fields",
    [
        ("Cookie: doorward_session=one; doorward_session=other",),
        ("Cookie: doorward_session=one", "Cookie: a=b;doorward_session = other "),
    ],
)
def test_of_several_sessions_the_last_counts(fields: tuple[str, ...]) -> None:
    """As the control plane reads them: who logs out must end the session that he is asked for as."""
    assert upward(request("Host: door", *fields), COOKIES).cookie == "other"


def test_what_one_of_several_connection_lines_names_stays_here() -> None:
    fields = ("Connection: X-Secret", "Connection: keep-alive", "X-Secret: 1", "X-Kept: 1")

    assert lines_up("Host: door", *fields) == b"X-Kept: 1\r\n"
    assert lines_down(*fields) == [b"X-Kept: 1\r\n"]


@pytest.mark.parametrize(
    "name", ["Content-Type", "Cookie", "Set-Cookie", "Cache-Control", "X-Content-Type-Options"]
)
def test_no_line_that_matters_can_be_dropped_by_naming_it(name: str) -> None:
    fields = (f"Connection: {name}", f"{name}: a=b")

    assert lines_up("Host: door", *fields) == f"{name}: a=b\r\n".encode()
    assert lines_down(*fields) == [f"{name}: a=b\r\n".encode()]


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        (("Connection: Upgrade", "Upgrade: WebSocket"), True),
        (("Connection: keep-alive, upgrade", "Upgrade: websocket"), True),
        (("Connection: Upgrade", "Upgrade: h2c"), False),
        (("Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"), False),
        (("Connection: keep-alive", "Upgrade: websocket"), False),
        (("Upgrade: websocket",), False),
    ],
)
def test_only_a_websocket_is_an_upgrade(fields: tuple[str, ...], *, asks: bool) -> None:
    assert upward(request("Host: door", *fields), COOKIES).asks_for_websocket is asks


def test_an_answer_that_says_nothing_of_it_is_private_and_not_sniffed() -> None:
    said = default_lines(answer_of(200))

    assert said == b"Cache-Control: private, no-cache\r\nX-Content-Type-Options: nosniff\r\n"


@pytest.mark.parametrize(
    ("status", "fields", "line"),
    [
        (200, ("Content-Length: 007",), b"Content-Length: 7\r\n"),
        (204, (), b""),
        (204, ("Content-Length: 5",), b""),
        (103, ("Content-Length: 5",), b""),
        (304, ("Content-Length: 5",), b"Content-Length: 5\r\n"),
        (304, (), b""),
    ],
)
def test_the_length_that_comes_down(status: int, fields: tuple[str, ...], line: bytes) -> None:
    assert length_line(answer_of(status, *fields), is_for_head=False) == line


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b";a=b\r\n",
        b"0" * 16 + b"\r\n",
        b"+5\r\n",
        b"5 \r\n",
        b"0x5\r\n",
        b"1_0\r\n",
        b"5\n",
        b"55\naaaaa\r\n",
        b"0\r\nAB\n",
        b"\n",
        b"5;a\rb\r\n",
        b"5;a\0b\r\n",
        b"5;" + b"a" * 300,
        b"5;" + b"a" * 300 + b"\r\n",
        b"1\r\naXY",
        b"1\r\na\nY",
        b"0\r\nA: \r1\r\n",
        b"0\r\nA: \x001\r\n",
        b"0\r\n" + b"a" * 9000,
        b"0\r\n" + (b"A: " + b"a" * 4000 + b"\r\n") * 5,
    ],
)
@pytest.mark.parametrize("is_in_bytes", [False, True])
def test_chunks_that_may_be_read_in_two_ways_are_refused(body: bytes, *, is_in_bytes: bool) -> None:
    pieces = [bytes([byte]) for byte in body] if is_in_bytes else [body]
    decoder = ChunkDecoder()
    with pytest.raises(BadHeadError):
        deque(map(decoder.feed, pieces), maxlen=0)


def test_what_lies_behind_a_body_is_left_to_the_next_request() -> None:
    sized = Upload(parse_request(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", 100), None)
    chunked = Upload(
        parse_request(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 100), 3
    )

    assert sized.take(b"onetwo") == (b"one", b"two")
    assert sized.take(b"three") == (b"", b"three")
    assert chunked.take(b"3\r\none\r\n") == (b"3\r\none\r\n", b"")
    assert chunked.take(b"0\r\n\r\ntwo") == (b"0\r\n\r\n", b"two")
    assert chunked.take(b"3\r\n") == (b"", b"3\r\n")


def test_a_chunked_body_is_counted_against_its_limit() -> None:
    head = parse_request(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 100)
    upload = Upload(head, 3)
    upload.take(b"3\r\none\r\n")
    with pytest.raises(BodyTooLargeError):
        upload.take(b"1\r\nx\r\n")


@pytest.mark.parametrize("target", ["/a b", "/a\tb", "/a\0b", "/a\x7fb", "/a\x0bb", "/a\rb"])
def test_a_target_is_one_word(target: str) -> None:
    """Whatever comes behind a space is the version for some servers."""
    with pytest.raises(BadHeadError):
        parse_request(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 100)


class Written(Wire):
    """Keeps what is written, and raises where uvloop does."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[object] = []

    def write(self, data: object) -> None:
        assert not self.is_ended
        self.written.append(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        assert not self.is_ended
        self.written.append("eof")


async def test_what_was_written_leaves_in_its_order_before_any_end() -> None:
    wire, turn, long = Written(), Turn(), bytes(100_000)
    sender = Sender(wire, turn)
    for piece in (b"a", b"b", long, b"c"):
        sender.write(piece)
    sender.write_eof()
    assert wire.written == [b"ab", long, b"c", "eof"]

    sender.write(b"d")
    sender.close()
    assert wire.written[-1] == b"d"
    for piece in (b"e", long):
        sender.write(piece)
    sender.write_eof()
    await asyncio.sleep(0)
    assert wire.written[-1] == b"d"


async def test_what_was_given_up_is_not_sent() -> None:
    """Half of a request behind which nothing follows, or of an answer that is cut."""
    wire = Written()
    sender = Sender(wire, Turn())
    sender.write(b"a")
    sender.abort()
    assert not sender.has_left()
    wire.is_ended = False
    await asyncio.sleep(0)

    assert wire.written == []
