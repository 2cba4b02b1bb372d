"""Requests byte by byte: what clients, proxies and attackers send that no HTTP library would."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from apiserver.limits import BODY_LIMIT_BYTES
from tests.apiserver.server import AUDIENCE, ME, ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer
from tests.raw_client import connect

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANTS = "/api/v1/tenants"
TOKENS = "/api/v1/registration-tokens"
DEVICES = "/api/v1/devices"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.body["code"]


@dataclass(frozen=True)
class Sender:
    server: ApiServer
    bearer: str

    async def raw(self, request: bytes, *, to: str = "GET") -> Answer:
        client = await connect(str(self.server.public.make_url("/")))
        try:
            client.send(request)
            answer = await client.answer(to=to)
        finally:
            client.transport.abort()
        headers = {name.decode().title(): value.decode() for name, value in answer.head.fields}
        return Answer(answer.status, headers, answer.body)

    async def send(self, method: str, path: str, *lines: str, body: bytes = b"") -> Answer:
        """As somebody signed in. `lines` are headers."""
        if body:
            lines = (*lines, f"Content-Length: {len(body)}")
        head = [f"{method} {path} HTTP/1.1", "Host: api", f"Authorization: Bearer {self.bearer}", *lines]
        return await self.raw("\r\n".join([*head, "", ""]).encode() + body, to=method)

    async def post(self, path: str, body: bytes, *lines: str) -> Answer:
        return await self.send("POST", path, "Content-Type: application/json", *lines, body=body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alice(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sender]:
    clock, database = FakeClock(), Path(tmp_path_factory.mktemp("sent")) / "doorward.db"
    async with (
        FakeIssuer.start(audience=AUDIENCE, clock=clock) as issuer,
        api_server(issuer, database, clock) as server,
    ):
        yield Sender(server, issuer.access_token("alice"))


# Every answer has a request id


UNREADABLE = {
    "no HTTP": b"\x00\x01 garbage\r\n\r\n",
    "another version": b"GET / HTTP/9\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no Host": b"GET /openapi.json HTTP/1.1\r\n\r\n",
    "space in a name": b"GET / HTTP/1.1\r\nHost: api\r\nA B: c\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: api\r\nA: " + b"x" * 40_000 + b"\r\n\r\n",
    "long line": b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: api\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "method that is none": b"MAKE / HTTP/1.1\r\nHost: api\r\n\r\n",
}


@pytest.mark.parametrize("request_", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_no_http_is_refused_as_all_else_is(alice: Sender, request_: bytes) -> None:
    answer = await alice.raw(request_)

    assert answer.refusal == (400, "bad_request")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/nowhere", (404, "not_found")),
        ("GET", f"{ME}/", (404, "not_found")),
        ("GET", f"{ME};a=b", (404, "not_found")),
        ("GET", "/api/v1/users/../users/me", (404, "not_found")),
        ("GET", "/api/v1/users/%2e%2e/users/me", (404, "not_found")),
        ("GET", f"{DEVICES}/%00", (404, "not_found")),
        ("GET", f"{DEVICES}/%ff", (404, "not_found")),
        ("GET", f"{DEVICES}/dev_1", (404, "not_found")),
        ("OPTIONS", "*", (404, "not_found")),
        ("PUT", ME, (405, "method_not_allowed")),
        ("TRACE", ME, (405, "method_not_allowed")),
    ],
)
async def test_what_is_not_there_is_a_problem_with_the_id(
    alice: Sender, method: str, path: str, refusal: tuple[int, str]
) -> None:
    answer = await alice.send(method, path)

    assert answer.refusal == refusal
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]


async def test_what_else_is_expected_is_passed_over(alice: Sender) -> None:
    answer = await alice.send("GET", ME, "Expect: the-unexpected")

    assert answer.status == 200
    assert "X-Request-Id" in answer.headers


async def test_who_waits_for_it_is_told_to_go_on(alice: Sender) -> None:
    body = b'{"name": "waited"}'
    client = await connect(str(alice.server.public.make_url("/")))
    head = (
        f"POST {TENANTS} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {alice.bearer}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    client.send(head.encode())
    told = await client.answer(skip_interim=False)
    client.send(body)
    done = await client.answer()
    client.transport.abort()

    assert (told.status, done.status) == (100, 201)


# Methods


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (ME, {"GET", "HEAD"}),
        (DEVICES, {"GET", "HEAD", "POST"}),
        (f"{DEVICES}/me", {"GET", "HEAD", "DELETE"}),
        (f"{DEVICES}/dev_{'0' * 22}", {"GET", "HEAD", "PATCH"}),
    ],
)
async def test_another_method_is_told_the_right_ones(alice: Sender, path: str, allowed: set[str]) -> None:
    answer = await alice.send("OPTIONS", path)

    assert answer.refusal == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(",")) == allowed


async def test_head_is_get_without_a_body(alice: Sender) -> None:
    shown = await alice.send("GET", ME)
    head = await alice.send("HEAD", ME)

    changing = {"Date", "X-Request-Id", "Ratelimit"}
    assert head.text == b""
    assert head.status == shown.status
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in shown.headers.items() if name not in changing
    }


async def test_a_body_that_nobody_asked_for_is_not_looked_at(alice: Sender) -> None:
    assert (await alice.send("GET", ME, body=b"anything")).status == 200


# Bodies


NO_BODIES: dict[str, tuple[bytes, tuple[int, str]]] = {
    "field twice": (b'{"name": "a", "name": "b"}', (422, "invalid_body")),
    "field twice, once escaped": (b'{"name": "a", "n\\u0061me": "b"}', (422, "invalid_body")),
    "NUL": (b'{"name": "a\\u0000"}', (422, "invalid_body")),
    "lone surrogate": (b'{"name": "\\ud800"}', (400, "bad_request")),
    "surrogate in UTF-8": (b'{"name": "\xed\xa0\x80"}', (400, "bad_request")),
    "no UTF-8": (b'{"name": "\xff"}', (400, "bad_request")),
    "UTF-16": ('{"name": "a"}'.encode("utf-16"), (400, "bad_request")),
    "byte order mark": (b'\xef\xbb\xbf{"name": "a"}', (400, "bad_request")),
    "two values": (b'{"name": "a"}{"name": "b"}', (400, "bad_request")),
    "cut": (b'{"name": "a"', (400, "bad_request")),
    "list": (b"[]", (422, "invalid_body")),
    "null": (b"null", (422, "invalid_body")),
    "deep in the field": (b'{"name": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", (422, "invalid_body")),
    "deep in another": (b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", (422, "invalid_body")),
    "deep": (b"[" * 60_000, (422, "invalid_body")),
    "too large": (b" " * (BODY_LIMIT_BYTES + 1), (413, "request_too_large")),
}


@pytest.mark.parametrize(("body", "refusal"), NO_BODIES.values(), ids=NO_BODIES)
async def test_what_is_no_body_is_refused(alice: Sender, body: bytes, refusal: tuple[int, str]) -> None:
    assert (await alice.post(TENANTS, body)).refusal == refusal


async def test_a_label_twice_is_refused_too(alice: Sender) -> None:
    body = b'{"name": "web", "labels": {"a": "1", "a": "2"}}'

    assert (await alice.post(DEVICES, body)).refusal == (422, "invalid_body")


NO_NUMBERS = [
    "NaN",
    "Infinity",
    "1e2",
    "1.0",
    "-0",
    "-1",
    "0",
    "9" * 5000,
    "1e400",
    '"1"',
    "true",
    "0x1",
    "01",
]


@pytest.mark.parametrize("number", NO_NUMBERS)
async def test_what_is_no_number_of_uses_is_refused(alice: Sender, number: str) -> None:
    answer = await alice.post(TOKENS, f'{{"label": "any", "max_uses": {number}}}'.encode())

    assert answer.refusal in {(400, "bad_request"), (422, "invalid_body")}


async def test_a_body_of_unannounced_length_has_the_same_limit(alice: Sender) -> None:
    size = BODY_LIMIT_BYTES + 1
    head = [f"POST {TENANTS} HTTP/1.1", "Host: api", f"Authorization: Bearer {alice.bearer}"]
    head += ["Content-Type: application/json", "Transfer-Encoding: chunked", "", f"{size:x}", ""]
    answer = await alice.raw("\r\n".join(head).encode() + b" " * size + b"\r\n0\r\n\r\n")

    assert answer.refusal == (413, "request_too_large")


@pytest.mark.parametrize(
    "type_",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
async def test_json_may_be_said_in_these_ways(alice: Sender, type_: str) -> None:
    answer = await alice.send("POST", TENANTS, f"Content-Type: {type_}", body=b'{"name": "a"}')

    assert answer.status == 201


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Content-Type: text/plain"],
        ["Content-Type: application/x-www-form-urlencoded"],
        ["Content-Type: application/jsonp"],
        ["Content-Type: ;;;"],
        ["Content-Type: application/json; charset=latin-1"],
        ["Content-Type: application/json; charset=utf-16"],
        ["Content-Type: application/json", "Content-Encoding: gzip"],
    ],
    ids=", ".join,
)
async def test_a_body_that_somebody_else_would_read_differently_is_refused(
    alice: Sender, lines: list[str]
) -> None:
    answer = await alice.send("POST", TENANTS, *lines, body=b'{"name": "a"}')

    assert answer.refusal == (415, "unsupported_media_type")


# Queries and conditions


@pytest.mark.parametrize(
    "query",
    [
        "limit=%D9%A3",  # an Arabic three
        "limit=%C2%B2",  # a superscript two
        "limit=+3",
        "limit=%203",
        "limit=03",
        "limit=3.0",
        "limit=1e1",
        "limit=1_0",
        "limit=-0",
        "limit=null",
        "limit=NaN",
        "limit=" + "9" * 5000,
        "state=null",
        "sort=null",
        "owner_id=null",
        "cursor=%ED%A0%80",
        "name=%ff",
        "%ED%A0%80=1",
    ],
)
async def test_what_is_no_query_is_refused(alice: Sender, query: str) -> None:
    assert (await alice.send("GET", f"{DEVICES}?{query}")).refusal == (400, "bad_request")


@pytest.mark.parametrize("moment", ["null", "2026", "1e3", "2026-03-01", "2026-03-01T12:00:00"])
async def test_a_moment_has_one_form(alice: Sender, moment: str) -> None:
    answer = await alice.send("GET", f"/api/v1/audit-events?since={moment}")

    assert answer.refusal == (400, "bad_request")


@pytest.mark.parametrize(
    "lines",
    [['If-Match: "1"', 'If-Match: "9"'], ["If-Match: *", 'If-Match: "1"'], ['If-Match: "\u0661"']],
    ids=["two lines", "any and one", "an Arabic one"],
)
async def test_a_condition_is_one_tag_of_ours(alice: Sender, lines: list[str]) -> None:
    made = (await alice.post(TENANTS, b'{"name": "a"}')).body
    path = f"{TENANTS}/{made['id']}"
    answer = await alice.send("PATCH", path, *lines, "Content-Type: application/json", body=b'{"name": "b"}')

    assert answer.refusal == (412, "precondition_failed")
