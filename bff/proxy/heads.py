"""Heads of HTTP/1.1 messages: bytes in, a checked head out, or a refusal (RFC 9112).

llhttp parses with all its strict rules on. What it lets pass, and what two servers in a row could read in two
ways, is refused here: whoever can make the next server see another request than this one gets past every
rule of this door. The functions are pure and see nothing but the head itself, up to its empty line.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

import httptools

# The name in lower case, then name and value as they were received.
Header: TypeAlias = tuple[bytes, bytes, bytes]

END_OF_HEAD = b"\r\n\r\n"

# The length of a body that has no number: framed in chunks, or as long as the connection lasts.
CHUNKED = -1
UNTIL_CLOSE = -2

# More digits than this are no length: servers that count with fewer bits would see another number.
_MOST_LENGTH_DIGITS = 18
_ONCE_ONLY = frozenset({b"host", b"content-length", b"transfer-encoding"})
_NO_CONTENT, _NOT_MODIFIED, _FIRST_FINAL, _LAST = 204, 304, 200, 599
_FIRST = 100
_NOTHING: frozenset[bytes] = frozenset()

# Requests of nearly all clients, as strict as llhttp: any other line is for llhttp itself.
_USUAL_LINE = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[!-~]*) HTTP/1\.1")
_HTTP_LINE = re.compile(rb"(?:\r\n)*[^\r\n]* HTTP/1\.[01]\r\n")
_REASON = re.compile(rb"[\t -~\x80-\xff]*")
_ANY_LINE = b"GET / HTTP/1.1\r\n"
_LONGEST_REMEMBERED = 1536
_MOST_FIELDS_REMEMBERED = 24
_MOST_REMEMBERED = 2048


class BadHeadError(Exception):
    """The head is not one that may be passed on. `cause` is a word for the log, never a part of the head."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Fields:
    """The headers of one message, as llhttp reads them. `values` holds the last value of each name.

    `memo` keeps what others have worked out of them: browsers send the same headers again and again.
    """

    __slots__ = ("headers", "memo", "reason", "repeated", "target", "values")

    def __init__(self) -> None:
        self.target = b""
        self.reason = b""
        self.headers: list[Header] = []
        self.values: dict[bytes, bytes] = {}
        self.repeated = _NOTHING
        self.memo: dict[object, object] = {}

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        plain = name.lower()
        self.values[plain] = value
        self.headers.append((plain, name, value))

    def check(self) -> None:
        if len(self.values) == len(self.headers):
            return
        # Each name looked at once: counting each among all would take a second for a head of tiny fields.
        seen: set[bytes] = set()
        repeated: set[bytes] = set()
        for plain, _, _ in self.headers:
            (repeated if plain in seen else seen).add(plain)
        self.repeated = frozenset(repeated)
        if not self.repeated.isdisjoint(_ONCE_ONLY):
            raise BadHeadError("repeated_field")


class RequestHead:
    """`length` is the body's: a number of bytes, or `CHUNKED`."""

    __slots__ = ("fields", "headers", "is_http_1_0", "keeps_alive", "length", "method", "target", "values")

    def __init__(self, method: bytes, target: bytes, fields: Fields, *, is_http_1_0: bool) -> None:
        """Raises `BadHeadError`."""
        self.method = method
        self.target = target
        self.fields = fields
        self.headers = fields.headers
        self.values = fields.values
        self.is_http_1_0 = is_http_1_0
        self.length = _length(fields.values, is_http_1_0=is_http_1_0, otherwise=0)
        self.keeps_alive = _keeps_alive(fields, is_http_1_0=is_http_1_0)
        # Two servers that choose another one would serve it under another name; HTTP/1.1 demands one.
        if b"host" not in fields.values and not is_http_1_0:
            raise BadHeadError("no_host")

    def speaking_of(self, method: bytes, target: bytes) -> "RequestHead":
        """The same headers, which were checked, on another request."""
        other = RequestHead.__new__(RequestHead)
        other.method, other.target = method, target
        other.fields, other.headers, other.values = self.fields, self.headers, self.values
        other.is_http_1_0, other.keeps_alive, other.length = self.is_http_1_0, self.keeps_alive, self.length
        return other


@dataclass(slots=True)
class AnswerHead:
    """`length` is the body's: a number of bytes, `CHUNKED` or `UNTIL_CLOSE`."""

    status: int
    reason: bytes
    keeps_alive: bool
    length: int
    fields: Fields
    headers: list[Header]
    values: dict[bytes, bytes]


def parse_request(head: bytes, most_fields: int) -> RequestHead:
    """The head of a request, with its empty line. Raises `BadHeadError`."""
    line, _, block = head.partition(b"\r\n")
    usual = _USUAL_LINE.fullmatch(line)
    if usual is None:
        return _parse_unusual(head, most_fields)
    fields = _remembered.fields_of(block)
    if len(fields.headers) > most_fields:
        raise BadHeadError("too_many_fields")
    return RequestHead(usual[1], usual[2], fields, is_http_1_0=False)


def _parse_unusual(head: bytes, most_fields: int) -> RequestHead:
    fields = Fields()
    parser = httptools.HttpRequestParser(fields)
    _feed(parser, head)
    version = parser.get_http_version()
    # llhttp takes RTSP and ICE as well, and they have a version 1.0 too.
    if version not in {"1.1", "1.0"} or not _HTTP_LINE.match(head):
        raise BadHeadError("version")
    if len(fields.headers) > most_fields:
        raise BadHeadError("too_many_fields")
    fields.check()
    return RequestHead(parser.get_method(), fields.target, fields, is_http_1_0=version == "1.0")


def _fields_of(block: bytes) -> Fields:
    """The headers of a request apart from its line, with the empty line behind them."""
    fields = Fields()
    _feed(httptools.HttpRequestParser(fields), _ANY_LINE + block)
    fields.check()
    return fields


class _Remembered:
    """The headers of requests that may come again: a browser's differ in little but the line above them.

    The result depends on these bytes alone, so it cannot be that of somebody else; what is refused is not
    kept. Bounded in number and size: it is the clients who choose what is in it.
    """

    def __init__(self) -> None:
        self._found: dict[bytes, Fields] = {}

    def fields_of(self, block: bytes) -> Fields:
        fields = self._found.get(block)
        if fields is None:
            fields = _fields_of(block)
            if len(block) <= _LONGEST_REMEMBERED and len(fields.headers) <= _MOST_FIELDS_REMEMBERED:
                self._keep(block, fields)
        return fields

    def _keep(self, block: bytes, fields: Fields) -> None:
        if len(self._found) >= _MOST_REMEMBERED:
            del self._found[next(iter(self._found))]
        self._found[block] = fields


_remembered = _Remembered()


def parse_answer(head: bytes, most_fields: int, *, is_for_head: bool) -> AnswerHead:
    """The head of an answer, with its empty line; `is_for_head`: to a HEAD request. Raises `BadHeadError`."""
    fields = Fields()
    parser = httptools.HttpResponseParser(fields)
    _feed(parser, head)
    version, status = parser.get_http_version(), parser.get_status_code()
    if version not in {"1.1", "1.0"}:
        raise BadHeadError("version")
    if not _FIRST <= status <= _LAST:
        raise BadHeadError("status")
    if not _REASON.fullmatch(fields.reason):
        raise BadHeadError("reason")
    if len(fields.headers) > most_fields:
        raise BadHeadError("too_many_fields")
    fields.check()
    is_http_1_0 = version == "1.0"
    length = _length(fields.values, is_http_1_0=is_http_1_0, otherwise=UNTIL_CLOSE)
    keeps_alive = length != UNTIL_CLOSE and _keeps_alive(fields, is_http_1_0=is_http_1_0)
    if is_for_head or status in {_NO_CONTENT, _NOT_MODIFIED} or status < _FIRST_FINAL:
        # Whatever the head says (RFC 9112 section 6.3). A service that sends the body all the same may do so
        # a moment later: it would be the next answer on this connection, to somebody else.
        keeps_alive = length in {0, UNTIL_CLOSE} and _keeps_alive(fields, is_http_1_0=is_http_1_0)
        length = 0
    return AnswerHead(
        status=status,
        reason=fields.reason,
        keeps_alive=keeps_alive,
        length=length,
        fields=fields,
        headers=fields.headers,
        values=fields.values,
    )


def has_bare_line_end(part: bytes) -> bool:
    """Whether an unfinished head has a line feed without its carriage return: it would never be finished."""
    return part.count(b"\n") != part.count(b"\r\n")


def words_of(value: bytes) -> list[bytes]:
    """The lower-case words of a comma-separated header value."""
    return [word.strip().lower() for word in value.split(b",")]


def _feed(parser: httptools.HttpRequestParser | httptools.HttpResponseParser, head: bytes) -> None:
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        return
    except httptools.HttpParserError as error:
        raise BadHeadError("not_http") from error


def _length(values: dict[bytes, bytes], *, is_http_1_0: bool, otherwise: int) -> int:
    coding, length = values.get(b"transfer-encoding"), values.get(b"content-length")
    if coding is not None:
        # Servers differ in which of the two counts, in what `identity` means, and in what HTTP/1.0 does: each
        # difference is a second request hidden in the body of the first.
        if length is not None or is_http_1_0 or coding.lower() != b"chunked":
            raise BadHeadError("transfer_encoding")
        return CHUNKED
    if length is None:
        return otherwise
    if not length.isdigit() or len(length) > _MOST_LENGTH_DIGITS:
        raise BadHeadError("content_length")
    return int(length)


def _keeps_alive(fields: Fields, *, is_http_1_0: bool) -> bool:
    connection = fields.values.get(b"connection")
    if connection is None:
        return not is_http_1_0
    lines = [value for plain, _, value in fields.headers if plain == b"connection"]
    words = words_of(b",".join(lines))
    return b"close" not in words and (not is_http_1_0 or b"keep-alive" in words)
