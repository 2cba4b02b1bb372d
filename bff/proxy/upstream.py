"""One connection to a service behind the door: a request goes up, its answer comes down, one at a time.

A connection belongs to one exchange at a time. Whatever arrives while it belongs to nobody closes it: given
to the next exchange, it would be somebody else's answer.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol, cast

from bff.proxy.body import ChunkDecoder
from bff.proxy.heads import (
    CHUNKED,
    END_OF_HEAD,
    UNTIL_CLOSE,
    AnswerHead,
    BadHeadError,
    RequestHead,
    has_bare_line_end,
    parse_answer,
)
from bff.proxy.limits import Limits
from bff.proxy.turn import Sender, Turn
from common.sockets import ask_whether_it_is_there

_SWITCHING, _FIRST_FINAL = 101, 200


class Receiver(Protocol):
    """Who sent the request and is told of its answer. `answer_end` or `answer_lost` is the last word."""

    def answer_interim(self, answer: AnswerHead) -> None:
        """A 1xx that is no 101: the answer itself is still to come."""
        ...

    def answer_switch(self, answer: AnswerHead) -> None:
        """101: what follows is no HTTP any more."""
        ...

    def answer_head(self, answer: AnswerHead) -> None:
        """The final head; the body follows."""
        ...

    def answer_data(self, data: bytes) -> None:
        """A part of the body without its framing, or of the tunnel after a 101. Empty: nothing yet."""
        ...

    def answer_end(self) -> None: ...

    def answer_lost(self, cause: str) -> None:
        """The answer will not come, or not whole. `cause` is a word for the log."""
        ...

    def pause_upload(self) -> None: ...

    def resume_upload(self) -> None: ...


class _Reads(Enum):
    NOTHING = auto()
    HEAD = auto()
    LENGTH = auto()
    CHUNKS = auto()
    UNTIL_CLOSE = auto()
    TUNNEL = auto()


class UpstreamConnection(asyncio.Protocol):
    """`give_back` is told when the connection can take another request, `forget` when it has ended."""

    __slots__ = (
        "_decoder",
        "_forget",
        "_give_back",
        "_interim",
        "_is_for_head",
        "_is_paused",
        "_is_reusable",
        "_is_sent",
        "_is_upload_paused",
        "_kept",
        "_left",
        "_limits",
        "_reads",
        "_receiver",
        "_sender",
        "_transport",
        "_turn",
        "_unsent",
        "has_answered",
        "idle_since",
        "is_open",
        "was_used",
    )

    def __init__(
        self,
        limits: Limits,
        turn: Turn,
        give_back: Callable[["UpstreamConnection"], None],
        forget: Callable[["UpstreamConnection"], None],
    ) -> None:
        self._limits = limits
        self._turn = turn
        self._give_back = give_back
        self._forget = forget
        self._receiver: Receiver | None = None
        self._reads = _Reads.NOTHING
        self._kept = b""
        self._left = 0
        self._decoder: ChunkDecoder | None = None
        self._is_for_head = False
        self._is_sent = False
        self._is_reusable = False
        self._is_paused = False
        self._is_upload_paused = False
        self._unsent: list[bytes] | None = None
        self._interim = 0
        self._transport: asyncio.Transport
        self._sender: Sender
        self.is_open = False
        self.has_answered = False
        self.was_used = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sender = Sender(self._transport, self._turn)
        ask_whether_it_is_there(transport.get_extra_info("socket"))
        self.is_open = True

    def begin(self, receiver: Receiver, head: RequestHead, data: bytes, *, is_whole: bool) -> None:
        """Send a request. `data` is its head and perhaps its whole body."""
        self._receiver = receiver
        self._reads = _Reads.HEAD
        self._is_for_head = head.method == b"HEAD"
        self._is_sent = is_whole
        self._is_reusable = True
        self._interim = 0
        self.has_answered = False
        self._sender.write(data)
        self._unsent = self._sender.held_back or None

    @property
    def is_ready(self) -> bool:
        """Whether a request may be sent on it. One that is closing would take it and lose it."""
        return self.is_open and not self._transport.is_closing()

    def send(self, data: bytes) -> None:
        """More of the request's body, framed."""
        self._sender.write(data)

    def end_of_request(self) -> None:
        self._is_sent = True

    def pause(self) -> None:
        """Whoever reads the answer is slower than this upstream."""
        if self.is_open and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self.is_open:
                self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection and what is under way on it, without telling the receiver."""
        self._receiver = None
        self._reads = _Reads.NOTHING
        if self.is_open:
            self._sender.abort()

    def close(self) -> None:
        """End the connection once what was written to it is sent."""
        self._receiver = None
        self._reads = _Reads.NOTHING
        if self.is_open:
            self._sender.close()

    def data_received(self, data: bytes) -> None:
        try:
            while data:
                data = self._take(data)
        except BadHeadError as error:
            self._lost(error.cause)

    def _take(self, data: bytes) -> bytes:
        """Read one part; returns what lies behind it."""
        reads, receiver = self._reads, self._receiver
        if receiver is None:
            # An answer that nobody asked for would be taken for that of the next request.
            self.abort()
            return b""
        if reads is _Reads.HEAD:
            return self._take_head(data, receiver)
        if reads is _Reads.LENGTH:
            return self._take_length(data, receiver)
        if reads is _Reads.CHUNKS:
            return self._take_chunks(data, receiver)
        receiver.answer_data(data)
        return b""

    def _take_head(self, data: bytes, receiver: Receiver) -> bytes:
        if self._unsent is not None:
            self._check_sent(self._unsent)
        self.has_answered = True
        data = self._kept + data if self._kept else data
        end = data.find(END_OF_HEAD)
        if end > self._limits.head_bytes or (end < 0 and len(data) > self._limits.head_bytes):
            raise BadHeadError("answer_head_too_long")
        if end < 0:
            if has_bare_line_end(data):
                raise BadHeadError("bare_line_feed")
            self._kept = data
            return b""
        self._kept = b""
        answer = parse_answer(data[: end + 4], self._limits.header_fields, is_for_head=self._is_for_head)
        return self._begin_answer(answer, data[end + 4 :], receiver)

    def _check_sent(self, request: list[bytes]) -> None:
        if request is self._sender.held_back:
            # It has not left yet: whatever this answers, it is not for this receiver.
            raise BadHeadError("unasked_answer")
        self._unsent = None

    def _begin_answer(self, answer: AnswerHead, rest: bytes, receiver: Receiver) -> bytes:
        if answer.status < _FIRST_FINAL and answer.status != _SWITCHING:
            self._count_interim()
            receiver.answer_interim(answer)
            return rest
        self._expect_body(answer)
        if self._reads is _Reads.TUNNEL:
            receiver.answer_switch(answer)
        else:
            receiver.answer_head(answer)
        if self._receiver is not receiver:
            return b""
        if self._reads is _Reads.LENGTH and self._left == 0:
            self._end(rest)
            return b""
        if not rest:
            receiver.answer_data(b"")
        return rest

    def _count_interim(self) -> None:
        self._interim += 1
        # Without a bound, an upstream could keep an exchange for ever without answering.
        if self._interim > self._limits.interim_answers:
            raise BadHeadError("too_many_interim_answers")

    def _expect_body(self, answer: AnswerHead) -> None:
        self._is_reusable = answer.keeps_alive
        self._left = answer.length
        if answer.status == _SWITCHING:
            self._reads = _Reads.TUNNEL
        elif answer.length == CHUNKED:
            self._reads, self._decoder = _Reads.CHUNKS, ChunkDecoder()
        elif answer.length == UNTIL_CLOSE:
            self._reads = _Reads.UNTIL_CLOSE
        else:
            self._reads = _Reads.LENGTH

    def _take_length(self, data: bytes, receiver: Receiver) -> bytes:
        rest = b""
        if len(data) > self._left:
            data, rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        receiver.answer_data(data)
        if self._left == 0 and self._receiver is receiver:
            self._end(rest)
            return b""
        return rest

    def _take_chunks(self, data: bytes, receiver: Receiver) -> bytes:
        assert self._decoder is not None  # noqa: S101 - set with the state
        content, rest = self._decoder.feed(data)
        if content:
            receiver.answer_data(content)
        if self._decoder.is_finished and self._receiver is receiver:
            self._end(rest)
        return b""

    def _end(self, rest: bytes) -> None:
        """The answer is whole. `rest`, behind it, is nobody's: such a connection is not used again."""
        receiver, self._receiver = self._receiver, None
        self._reads, self._decoder = _Reads.NOTHING, None
        self.was_used = True
        # With much of the request still unsent, the next one's body would not be held up by anything.
        if rest or not self._is_reusable or not self._is_sent or self._is_upload_paused:
            self.abort()
        else:
            # A slow reader of this answer must not hold up the next one, which is somebody else's.
            self.resume()
            self._give_back(self)
        if receiver is not None:
            receiver.answer_end()

    def _lost(self, cause: str) -> None:
        receiver = self._receiver
        self.abort()
        if receiver is not None:
            receiver.answer_lost(cause)

    def eof_received(self) -> None:
        """The upstream closes; the transport then does so as well and `connection_lost` follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._forget(self)
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return
        # Without a length, the end of the connection is the end of the answer; a broken one is not.
        if exc is None and self._reads in {_Reads.UNTIL_CLOSE, _Reads.TUNNEL}:
            receiver.answer_end()
        else:
            receiver.answer_lost("closed_in_head" if self._reads is _Reads.HEAD else "closed_in_body")

    def pause_writing(self) -> None:
        self._is_upload_paused = True
        if self._receiver is not None:
            self._receiver.pause_upload()

    def resume_writing(self) -> None:
        self._is_upload_paused = False
        if self._receiver is not None:
            self._receiver.resume_upload()
