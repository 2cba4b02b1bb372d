"""What one request does and what its answer does, drawn at random, and the model of what must come of it."""

import asyncio
import base64
import json
from dataclasses import asdict, dataclass
from typing import Literal

from hypothesis import strategies as st

from tests.fakes.raw_connection import EndedError, framing, read_sized_or_chunked
from tests.fakes.raw_upstream import UpstreamConnection

Framing = Literal["none", "sized", "chunked"]
AnswerFraming = Literal["sized", "chunked", "until_close", "old"]


@dataclass(frozen=True)
class AnswerPlan:
    """`breaks_at`: after so many bytes of the answer the connection is reset; `is_early`: before the body."""

    status: int
    framing: AnswerFraming
    size: int
    piece: int
    interim: int
    delay_ms: int
    breaks_at: int | None
    is_early: bool
    closes: bool


@dataclass(frozen=True)
class RequestPlan:
    """`leaves_at`: after so many bytes of the request the client resets its connection."""

    method: str
    framing: Framing
    size: int
    piece: int
    leaves_at: int | None
    user: int
    answer: AnswerPlan


_SIZES = st.one_of(st.integers(0, 40), st.integers(0, 5000), st.sampled_from([65_536, 150_000]))
_PIECES = st.one_of(st.integers(1, 30), st.integers(500, 70_000))
_RARELY = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 3000))

ANSWERS = st.builds(
    AnswerPlan,
    status=st.sampled_from([200, 200, 200, 201, 204, 304, 404, 500]),
    framing=st.sampled_from(["sized", "chunked", "until_close", "old"]),
    size=_SIZES,
    piece=_PIECES,
    interim=st.sampled_from([0, 0, 0, 1, 3]),
    delay_ms=st.sampled_from([0, 0, 1, 10]),
    breaks_at=_RARELY,
    is_early=st.sampled_from([False, False, False, True]),
    closes=st.booleans(),
)
REQUESTS = st.builds(
    RequestPlan,
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    framing=st.sampled_from(["none", "sized", "chunked"]),
    size=_SIZES,
    piece=_PIECES,
    leaves_at=_RARELY,
    user=st.integers(0, 2),
    answer=ANSWERS,
)


def body_of(name: str, size: int) -> bytes:
    """Bytes that say whose they are, wherever they are cut."""
    return (f"<{name}>".encode() * (size // (len(name) + 2) + 1))[:size]


def framed(body: bytes, piece: int) -> bytes:
    # A body in chunks of one byte would be a test of patience.
    step = max(piece, len(body) // 50 + 1)
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in pieces) + b"0\r\n\r\n"


def pieces_of(data: bytes, piece: int) -> list[bytes]:
    step = max(piece, len(data) // 50 + 1)
    return [data[at : at + step] for at in range(0, len(data), step)]


def request_bytes(plan: RequestPlan, name: str, head_start: bytes) -> bytes:
    """`head_start`: request line and the fields that every request has, without the empty line."""
    body = body_of(name, plan.size)
    lines = head_start + f"X-Id: {name}\r\nX-Plan: {json.dumps(asdict(plan.answer))}\r\n".encode()
    if plan.framing == "none":
        return lines + b"\r\n"
    if plan.framing == "sized":
        return lines + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return lines + b"Transfer-Encoding: chunked\r\n\r\n" + framed(body, plan.piece)


def answer_bytes(plan: AnswerPlan, name: str, user: str, *, is_for_head: bool) -> bytes:
    body = body_of(name, plan.size)
    start = f"HTTP/1.{0 if plan.framing == 'old' else 1} {plan.status} Said\r\n"
    head = f"{start}Echo-Id: {name}\r\nEcho-User: {user}\r\n".encode()
    has_body = not is_for_head and plan.status not in {204, 304}
    if plan.framing == "chunked" and plan.status != 204:
        head += b"Transfer-Encoding: chunked\r\n"
        body = framed(body, plan.piece)
    elif plan.framing == "sized" and plan.status != 204:
        head += b"Content-Length: %d\r\n" % len(body)
    # Said even where no body needs it: a request with a body that meets a connection closed without a word is
    # lost, and rightly so.
    if plan.closes or plan.framing == "until_close":
        head += b"Connection: close\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * plan.interim
    return interim + head + b"\r\n" + (body if has_body else b"")


def ends_with_connection(plan: AnswerPlan) -> bool:
    return plan.closes or plan.framing in {"until_close", "old"}


async def planned(connection: UpstreamConnection) -> None:
    """The script of the service: does what each request asks it to do."""
    while True:
        head = await connection.head()
        plan = AnswerPlan(**json.loads(head.value("X-Plan")))
        name, user = head.value("X-Id"), _subject(head.value("Authorization"))
        answer = answer_bytes(plan, name, user, is_for_head=head.method == "HEAD")
        if plan.is_early:
            await _send(connection, plan, answer)
        body = await read_sized_or_chunked(connection, framing(head) or 0)
        assert body in {b"", body_of(name, len(body))}, "bytes of somebody else's body"
        if not plan.is_early:
            await _send(connection, plan, answer)
        if ends_with_connection(plan):
            connection.close()
            return


async def _send(connection: UpstreamConnection, plan: AnswerPlan, answer: bytes) -> None:
    await asyncio.sleep(plan.delay_ms / 1000)
    until = len(answer) if plan.breaks_at is None else plan.breaks_at
    for piece in pieces_of(answer[:until], plan.piece):
        await connection.send_all(piece)
        await asyncio.sleep(0)
    if until < len(answer):
        # What was sent is let through first: a reset overtakes it.
        await asyncio.sleep(0.005)
        connection.cut()
        raise EndedError(b"")


def _subject(authorization: str) -> str:
    payload = authorization.removeprefix("Bearer ").split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    subject: str = claims["sub"]
    return subject
