"""A client's connection: its requests, one after the other, are read, named and taken up.

What becomes of a request is for those to say who build on this: the front of the proxied requests, and that
of forward-auth. What they do not want is handed to aiohttp's server together with the connection; its answer
closes it, so that every request passes here first.
"""

import asyncio
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar, cast

import structlog

from bff.proxy.admission import Admitted
from bff.proxy.door import Door
from bff.proxy.downward import Downward
from bff.proxy.handing_over import HandedOver, handed_over
from bff.proxy.heads import END_OF_HEAD, BadHeadError, RequestHead, has_bare_line_end, parse_request
from bff.proxy.naming import Naming
from bff.proxy.turn import Sender
from bff.session.record import SessionKey
from common.problems import ProblemCode, ProblemError

log = structlog.get_logger(__name__)

NEVER = float("inf")
# In place of a route, for what was refused before one was known to be meant.
BY_THE_HEAD, _UNREADABLE = "refused", "unreadable"
# Of requests that one connection sends together, so many are refused before other connections have a turn.
_MOST_AT_ONCE = 16
_CLIENT_LEFT = 499


class UnderWay(Protocol):
    """A request that was taken up. `status` is what was answered, 0 before that."""

    status: int

    @property
    def head(self) -> RequestHead: ...

    @property
    def admitted(self) -> Admitted: ...

    def take_body(self, data: bytes, /) -> bytes:
        """More from the client; returns what belongs to its next request."""
        ...

    def sweep(self, now_s: float, /) -> None: ...

    def pause_answer(self) -> None: ...

    def resume_answer(self) -> None: ...

    def abandon(self) -> None:
        """The client has gone: nobody waits for the answer."""
        ...


Work = TypeVar("Work", bound=UnderWay)


class ClientConnection(asyncio.Protocol, ABC, Generic[Work]):
    """`make_handler` makes the protocol of aiohttp's server that takes over what is handed to it.

    `on_refusals`: lines that stand on each refusal written here.
    """

    on_refusals: ClassVar[bytes] = b""

    __slots__ = (
        "_buffer",
        "_can_write",
        "_closes_at",
        "_door",
        "_down",
        "_exchange",
        "_has_part",
        "_is_lingering",
        "_is_reading",
        "_is_stepping",
        "_make_handler",
        "_naming",
        "_sender",
        "_started",
        "_transport",
        "_unsent",
    )

    def __init__(self, door: Door, make_handler: Callable[[], asyncio.Protocol]) -> None:
        self._door = door
        self._make_handler = make_handler
        self._transport: asyncio.Transport
        self._sender: Sender
        self._naming: Naming
        self._down: Downward
        self._buffer = b""
        self._exchange: Work | None = None
        self._started = 0.0
        self._is_reading = True
        self._can_write = True
        self._is_stepping = False
        self._is_lingering = False
        self._has_part = False
        self._closes_at = NEVER
        self._unsent = NEVER

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        self._sender = Sender(transport, self._door.turn)
        door = self._door
        if len(door.swept) >= door.limits.connections or door.is_draining:
            transport.abort()
            return
        self._naming = Naming(door, transport)
        self._down = Downward(door, self._sender, self._naming, self.on_refusals)
        door.fronts.add(self)
        door.swept.add(self)
        self._closes_in(door.limits.keep_alive_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._door.leave(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()
            self._log(exchange, exchange.status or _CLIENT_LEFT)

    def data_received(self, data: bytes) -> None:
        try:
            self._received(data)
        except Exception as error:  # noqa: BLE001 - the border of the data plane: one connection ends
            self._end_by(error)

    def _end_by(self, error: Exception) -> None:
        # An error's text may quote what the client sent: only its type and the lines of code are kept.
        log.error(
            "unexpected_error",
            request_id=self._naming.id.decode(),
            error=type(error).__name__,
            frames=traceback.format_tb(error.__traceback__),
        )
        self.abort()

    def _received(self, data: bytes) -> None:
        if self._is_lingering:
            return
        exchange = self._exchange
        if exchange is not None:
            data = exchange.take_body(data)
            if not data:
                return
        self._buffer = self._buffer + data if self._buffer else data
        if self._exchange is None:
            self._step()
        elif len(self._buffer) > self._door.limits.head_bytes:
            self._set_reading(on=False)

    def eof_received(self) -> None:
        """A client that closes its half has left: the transport closes, and `connection_lost` follows."""

    def pause_writing(self) -> None:
        self._can_write = False
        if self._exchange is not None:
            self._exchange.pause_answer()
        elif not self._is_lingering:
            # No further requests from a client that does not read: their answers would pile up here.
            self._set_reading(on=False)
            self._closes_in(self._door.limits.unread_time_s)

    def resume_writing(self) -> None:
        self._can_write = True
        if self._exchange is not None:
            self._exchange.resume_answer()
        elif not self._is_lingering and not self._transport.is_closing():
            self._begin_next()

    def sweep(self, now_s: float) -> None:
        if not self._is_reading and self._sender.has_left():
            self.abort()
        elif self._exchange is not None:
            self._exchange.sweep(now_s)
        elif now_s < self._closes_at:
            return
        elif self._has_part and self._can_write and not self._transport.is_closing():
            detail = "The head of the request came too slowly."
            self._refuse_unread(ProblemError(ProblemCode.REQUEST_TIMEOUT, detail, cause="slow_head"))
        elif not self._is_being_read():
            self.abort()

    def _is_being_read(self) -> bool:
        """Whether a slow client still takes what was written for it; then it has some time more."""
        unsent, before = self._sender.unsent(), self._unsent
        self._closes_in(self._door.limits.unread_time_s)
        self._unsent = unsent
        return 0 < unsent < before

    def drain(self) -> None:
        """No further request on this connection; the one under way may end."""
        if self._exchange is None:
            self._close()

    def abort(self) -> None:
        self._sender.abort()

    # -- its requests

    def _step(self) -> None:
        """Take up the next request, and those behind it that are answered at once."""
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            for _ in range(_MOST_AT_ONCE):
                if not self._may_step() or not self._take_head():
                    return
        finally:
            self._is_stepping = False
        if self._may_step():
            self._set_reading(on=False)
            asyncio.get_running_loop().call_soon(self._step_on)

    def _may_step(self) -> bool:
        if not self._buffer or self._exchange is not None or self._is_lingering:
            return False
        return self._can_write and not self._transport.is_closing()

    def _step_on(self) -> None:
        if self._exchange is None and self._can_write and not self._is_lingering:
            self._begin_next()

    def _take_head(self) -> bool:
        """Whether a request was taken up, so that another may follow."""
        data = self._buffer.removeprefix(b"\r\n")  # RFC 9112 2.2: an empty line before a request is skipped
        end, limits = data.find(END_OF_HEAD), self._door.limits
        if end > limits.head_bytes or (end < 0 and len(data) > limits.head_bytes):
            self._refuse_unread(_too_large(f"The headers may have {limits.head_bytes} bytes in all."))
        elif end >= 0:
            self._buffer, self._has_part = data[end + 4 :], False
            return self._take_request(data[: end + 4])
        elif has_bare_line_end(data):
            self._refuse_unread(_unreadable("bare_line_feed"))
        elif data and not self._has_part:
            self._has_part = True
            self._closes_in(limits.head_time_s)
        return False

    def _take_request(self, data: bytes) -> bool:
        most_fields = self._door.limits.header_fields
        try:
            head = self._parse(data, most_fields)
        except BadHeadError as error:
            is_long = error.cause == "too_many_fields"
            detail = f"There may be {most_fields} headers."
            self._refuse_unread(_too_large(detail) if is_long else _unreadable(error.cause))
            return False
        self._naming.name(head)
        self._started = self._door.now_s()
        return self._take_up(head)

    def _parse(self, data: bytes, most_fields: int) -> RequestHead:
        return parse_request(data, most_fields)

    @abstractmethod
    def _take_up(self, head: RequestHead) -> bool:
        """Begin with a request, answer it or hand it over; False when none may follow on this connection."""

    def _begin(self, head: RequestHead, exchange: Work) -> None:
        self._down.keeps_alive = head.keeps_alive
        self._closes_at = NEVER
        self._exchange = exchange

    def _hand_over(self, head: RequestHead) -> None:
        """The connection, with the request as it came, goes to aiohttp's server and does not come back."""
        self._door.leave(self)
        self._door.swept.add(HandedOver(self._door, self._transport))
        self._set_reading(on=True)
        handler, transport = self._make_handler(), self._transport
        rest, self._buffer = self._buffer, b""
        self._sender.flush()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        if not self._can_write:
            handler.pause_writing()  # it is told when that ends, and must have been told that it began
        handler.data_received(handed_over(head, rest))

    def _write_problem(
        self, problem: ProblemError, head: RequestHead, *, is_whole: bool, may_be_page: bool = True
    ) -> None:
        self._down.problem(problem, head, is_whole=is_whole, may_be_page=may_be_page)
        self._next(is_whole=is_whole)

    def _refuse_unread(self, problem: ProblemError) -> None:
        """For what could not be read as a request: nothing behind it can be trusted to be one."""
        self._naming.name_anew()
        self._started = self._door.now_s()
        self._count(b"", _UNREADABLE, problem.status.value)
        self._down.problem(problem, None, is_whole=False)
        self._linger()

    def _next(self, *, is_whole: bool) -> None:
        if self._down.keeps_alive and not self._door.is_draining:
            self._begin_next()
        elif is_whole and not self._buffer:
            self._close()
        else:
            self._linger()

    def _begin_next(self) -> None:
        if not self._can_write:
            self._set_reading(on=False)
            self._closes_in(self._door.limits.unread_time_s)
            return
        self._has_part = False
        self._closes_in(self._door.limits.keep_alive_s)
        self._set_reading(on=True)
        if self._buffer:
            self._step()

    def _close(self) -> None:
        self._has_part = False
        self._sender.close()
        # Until the client has read the rest: one that never does would be kept for ever.
        self._closes_in(self._door.limits.unread_time_s)

    def _linger(self) -> None:
        """The answer is sent while more may still come: a reset would take it from the client unread."""
        self._is_lingering, self._buffer, self._has_part = True, b"", False
        self._set_reading(on=True)
        self._sender.write_eof()
        self._closes_in(self._door.limits.linger_time_s)

    def _closes_in(self, time_s: float) -> None:
        self._unsent = NEVER
        self._closes_at = self._door.now_s() + time_s

    def _set_reading(self, *, on: bool) -> None:
        if on == self._is_reading or self._transport.is_closing():
            return
        self._is_reading = on
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _log(self, exchange: Work, status: int) -> None:
        admitted = exchange.admitted
        self._count(exchange.head.method, admitted.route.name, status, admitted.key)

    def _count(self, method: bytes, route: str, status: int, session: SessionKey | None = None) -> None:
        access_log = self._door.access_log
        seconds = self._door.now_s() - self._started
        if access_log.counted(method, route, status, seconds):
            access_log.write(
                method=method,
                route=route,
                status=status,
                seconds=seconds,
                request_id=self._naming.id,
                address=self._naming.address,
                session=session,
            )


def _unreadable(cause: str) -> ProblemError:
    return ProblemError(ProblemCode.BAD_REQUEST, "The request cannot be understood.", cause=cause)


def _too_large(detail: str) -> ProblemError:
    return ProblemError(ProblemCode.HEADERS_TOO_LARGE, f"{detail} Cookies are part of them.")
