"""The parser's border under random bytes: `make fuzz` does the same for longer.

What is accepted here must be read alike by others: by a reader that forgives nothing, and by h11. What is
refused may be refused for any reason, but by `BadHeadError` alone.
"""

import os
import re
from contextlib import suppress
from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bff.proxy.body import ChunkDecoder, chunk
from bff.proxy.heads import CHUNKED, UNTIL_CLOSE, BadHeadError, parse_answer, parse_request
from tests.fakes.raw_connection import parse_head
from tests.negative.corpus import request_rows, response_rows

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
FUZZ = settings(max_examples=EXAMPLES, deadline=None)

END = b"\r\n\r\n"
_ME = "Host: door.example\r\nCookie: a=b\r\n"
# Longer ones only try the limits, which other tests do.
_LONGEST = 2000


def _head_of(raw: bytes) -> bytes:
    raw += END
    return raw[: raw.find(END) + 4]


REQUEST_HEADS = sorted(
    {
        _head_of(row.raw.replace("{me}", _ME).replace("{door}", "door.example").encode("latin-1"))
        for row in request_rows()
        if len(row.raw) < _LONGEST
    }
)
ANSWER_HEADS = sorted({_head_of(row.raw) for row in response_rows() if len(row.raw) < _LONGEST})
CHUNKED_BODIES = sorted(
    {
        row.raw.split("\r\n\r\n", 1)[1].encode("latin-1")
        for row in request_rows()
        if "hunked" in row.raw and "\r\n\r\n" in row.raw and len(row.raw) < _LONGEST
    }
)
# What parsers stumble over, and a little of everything.
ODD = st.one_of(
    st.sampled_from(
        [
            *(bytes([byte]) for byte in b'\r\n\t \0:;,="+-_0\x0b\x7f\x80\xff'),
            b"\r\n", b"\n\r\n", b"\r\r\n", b"\r\n ", b"\r\n\t", b"chunked", b"Content-Length: 5\r\n",
            b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding", b"HTTP/1.1", b"HTTP/1.0",
            b" HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n0\r\n\r\n", b"identity", b"0x", b"GET / HTTP/1.1\r\n",
        ]
    ),
    st.binary(min_size=1, max_size=4),
)  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 8), ODD), max_size=4)


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed in which some bytes were replaced, by more or fewer."""
    data = draw(st.sampled_from(seeds))
    for at, taken_out, put_in in draw(EDITS):
        start = at % (len(data) + 1)
        data = data[:start] + put_in + data[start + taken_out :]
    return data


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(at)]


@FUZZ
@given(raw=mutated(REQUEST_HEADS))
def test_a_request_that_is_accepted_is_read_alike_by_others(raw: bytes) -> None:
    head = _head_of(raw.removeprefix(b"\r\n"))
    try:
        read = parse_request(head, most_fields=100)
    except BadHeadError:
        return

    # Line ends before a message are skipped by llhttp (RFC 9112 2.2); nothing of them is passed on.
    strict = parse_head(head.lstrip(b"\r\n"))
    fields = [(name.lower(), value.strip(b" \t")) for name, value in strict.fields]
    assert [(plain, value.strip(b" \t")) for plain, _, value in read.headers] == fields
    assert re.fullmatch(rb"(\S+) +(\S+) +HTTP/1\.[01]", strict.start)
    assert strict.start.split()[:2] == [read.method, read.target]
    assert read.length == _strict_length(fields, otherwise=0)
    assert [name for name, _ in fields].count(b"host") <= 1
    _agrees_with_h11(h11.SERVER, head, fields)


@FUZZ
@given(raw=mutated(ANSWER_HEADS), is_for_head=st.booleans())
def test_an_answer_that_is_accepted_is_read_alike_by_others(raw: bytes, *, is_for_head: bool) -> None:
    head = _head_of(raw)
    try:
        read = parse_answer(head, 100, is_for_head=is_for_head)
    except BadHeadError:
        return

    # Line ends before a message are skipped by llhttp (RFC 9112 2.2); nothing of them is passed on.
    strict = parse_head(head.lstrip(b"\r\n"))
    fields = [(name.lower(), value.strip(b" \t")) for name, value in strict.fields]
    assert [(plain, value.strip(b" \t")) for plain, _, value in read.headers] == fields
    assert re.match(rb"HTTP/1\.[01] [1-5]\d\d( |$)", strict.start)
    assert strict.status == read.status
    has_body = not is_for_head and read.status >= 200 and read.status not in {204, 304}
    assert read.length == (_strict_length(fields, otherwise=UNTIL_CLOSE) if has_body else 0)


def _strict_length(fields: list[tuple[bytes, bytes]], otherwise: int) -> int:
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    lengths = [value for name, value in fields if name == b"content-length"]
    assert len(codings) + len(lengths) <= 1
    if codings:
        assert codings[0].lower() == b"chunked"
        return CHUNKED
    assert all(re.fullmatch(rb"[0-9]+", length) for length in lengths)
    return int(lengths[0]) if lengths else otherwise


def _agrees_with_h11(role: type[h11.SERVER], head: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    """h11 refuses a little more than it must; what it takes, it takes for the same."""
    connection = h11.Connection(role, max_incomplete_event_size=100_000)
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return
    assert isinstance(event, h11.Request)
    assert [(bytes(name), bytes(value)) for name, value in event.headers] == [
        (name, value.lower() if name == b"transfer-encoding" else value) for name, value in fields
    ]


def decoded(parts: list[bytes]) -> tuple[bytes, bytes] | None:
    """The body and what lies behind it; None for a body that has not ended. Raises `BadHeadError`."""
    decoder, body = ChunkDecoder(), b""
    for number, part in enumerate(parts):
        data, rest = decoder.feed(part)
        body += data
        if decoder.is_finished:
            return body, rest + b"".join(parts[number + 1 :])
    return None


def outcome(parts: list[bytes]) -> tuple[bytes, bytes] | str | None:
    try:
        return decoded(parts)
    except BadHeadError:
        return "refused"


CUTS = st.lists(st.integers(0, 10**6), max_size=12)


@FUZZ
@given(
    parts=st.lists(st.binary(min_size=1, max_size=300), max_size=6), cuts=CUTS, behind=st.binary(max_size=9)
)
def test_what_is_framed_is_read_as_it_was(parts: list[bytes], cuts: list[int], behind: bytes) -> None:
    raw = b"".join(chunk(part) for part in parts) + b"0\r\n\r\n" + behind

    assert decoded(pieces(raw, cuts)) == (b"".join(parts), behind)


@FUZZ
@given(raw=mutated(CHUNKED_BODIES), cuts=CUTS)
def test_a_chunked_body_is_read_alike_however_it_is_cut(raw: bytes, cuts: list[int]) -> None:
    whole = outcome([raw])

    assert outcome(pieces(raw, cuts)) == whole
    assert outcome([bytes([byte]) for byte in raw]) == whole


_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\r\n\0]*)?\r\n")
_TRAILERS = re.compile(rb"(?:[^\r\n\0]+\r\n)*\r\n")


def strictly(raw: bytes) -> tuple[bytes, bytes] | None:
    """The same by two regular expressions; None for all that is not a whole body."""
    body, at = b"", 0
    while (found := _CHUNK.match(raw, at)) is not None:
        size, at = int(found[1], 16), found.end()
        if size == 0:
            end = _TRAILERS.match(raw, at)
            return None if end is None else (body, raw[end.end() :])
        body += raw[at : at + size]
        at += size + 2
        if raw[at - 2 : at] != b"\r\n":
            return None
    return None


@FUZZ
@given(raw=mutated(CHUNKED_BODIES))
def test_a_chunked_body_that_is_accepted_is_read_alike_by_others(raw: bytes) -> None:
    ours = outcome([raw])

    assert (ours if isinstance(ours, tuple) else None) == strictly(raw)
    theirs = _by_h11(raw)
    if isinstance(ours, tuple) and theirs is not None:
        assert theirs == ours[0]


def _by_h11(raw: bytes) -> bytes | None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=100_000)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)
    body = b""
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            elif not isinstance(event, h11.Request):
                return None
    except h11.RemoteProtocolError:
        return None
    return body


@pytest.mark.parametrize("parse", ["request", "answer"])
@FUZZ
@given(raw=st.binary(max_size=200))
def test_bytes_that_mean_nothing_are_refused_and_nothing_else_happens(parse: str, raw: bytes) -> None:
    head = _head_of(raw)
    with suppress(BadHeadError):
        if parse == "request":
            parse_request(head, 100)
        else:
            parse_answer(head, 100, is_for_head=False)
