"""One proxied request: looked up, sent up, its answer sent down. One object each, never used again.

Read it in this order: `start` admits the request and asks for its credential, `_send_up` gets a connection,
`_connected` sends the head; then bytes go both ways until `answer_end`. The same for both forms: what they
differ in is the `Client`.
"""

from enum import Enum, auto

import structlog

from bff.access import not_signed_in
from bff.proxy.admission import Admitted, too_large
from bff.proxy.client import Client
from bff.proxy.credentials import Credential
from bff.proxy.door import Door
from bff.proxy.headers import framing_line
from bff.proxy.heads import AnswerHead, BadHeadError, RequestHead
from bff.proxy.pool import QUEUE_FULL, Pool, Waiter
from bff.proxy.upload import BodyTooLargeError, Upload
from bff.proxy.upstream import UpstreamConnection
from bff.session.faults import store_problem
from bff.session.live import MOST_PER_SESSION, TooManyConnectionsError
from bff.session.store import StoreUnavailableError
from common.problems import ProblemCode, ProblemError

log = structlog.get_logger(__name__)

_CONTINUE = 100
_UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
# RFC 9110 9.2.2: doing these twice is the same as doing them once.
_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
_NEVER = float("inf")


class _Due(Enum):
    """What is waited for, and so whose fault it is when it does not come."""

    NOTHING = auto()
    CREDENTIAL = auto()
    BODY = auto()
    ANSWER = auto()
    READING = auto()


class Exchange:
    """Also the receiver of its upstream's answer (`bff.proxy.upstream.Receiver`).

    `status` is what was answered, 0 before that. `forwarded` are the lines that tell the upstream who asks,
    from where, under which id.
    """

    __slots__ = (
        "_admitted",
        "_authorization",
        "_body_from",
        "_body_since",
        "_client",
        "_door",
        "_due",
        "_due_at",
        "_forwarded",
        "_is_answer_paused",
        "_is_repeated",
        "_pool",
        "_tries_left",
        "_unsent",
        "_upload",
        "_upstream",
        "_waiter",
        "admitted",
        "head",
        "is_over",
        "is_tunnel",
        "status",
    )

    def __init__(
        self, door: Door, client: Client, head: RequestHead, admitted: Admitted, forwarded: bytes
    ) -> None:
        self._door = door
        self._client = client
        self._forwarded = forwarded
        self._authorization: bytes | None = None
        self._upload = Upload(head, admitted.route.body_limit)
        self._upstream: UpstreamConnection | None = None
        self._pool: Pool | None = None
        self._waiter: Waiter | None = None
        self._is_repeated = False
        self._is_answer_paused = False
        self._unsent = 0
        self._tries_left = len(admitted.route.upstreams)
        self._body_from = self._body_since = 0.0
        self._due, self._due_at = _Due.NOTHING, _NEVER
        self.head = head
        self.admitted = admitted
        self.status = 0
        self.is_over = False
        self.is_tunnel = False

    @property
    def is_request_whole(self) -> bool:
        return self._upload.is_whole

    def start(self) -> None:
        try:
            self._hold_session()
        except TooManyConnectionsError:
            detail = f"This session has {MOST_PER_SESSION} requests under way: wait until one ends."
            self._refuse(ProblemError(ProblemCode.TOO_MANY_REQUESTS, detail, retry_after_s=1))
            return
        self._door.credentials.find(self.head, self.admitted, self._found)
        if self._pool is None and not self.is_over:
            self._expect(_Due.CREDENTIAL, self._door.limits.credential_time_s)

    def _found(self, credential: Credential) -> None:
        if self.is_over:
            return
        if isinstance(credential, ProblemError):
            self._refuse(credential)
            return
        if credential is None:
            self._let_go_of_session()  # there is none, so its end is nothing to this request
        self._authorization = credential
        self._expect(_Due.ANSWER, self.admitted.route.answer_timeout_s)
        self._send_up()

    def _hold_session(self) -> None:
        """From before the session is read: of an end between that and the answer, nothing else would tell."""
        if self.admitted.key is not None:
            self._door.live.add(self.admitted.key, self.cut)

    def _let_go_of_session(self) -> None:
        if self.admitted.key is not None:
            self._door.live.discard(self.admitted.key, self.cut)

    # -- up

    def _send_up(self) -> None:
        self._tries_left -= 1
        self._pool = self._door.pools.pick(self.admitted.route)
        idle = None if self._is_repeated else self._pool.take_idle()
        if idle is not None:
            self._connected(idle)
            return
        self._waiter = Waiter(self._connected, self._not_connected)
        self._pool.wait_for_one(self._waiter)

    def _not_connected(self, cause: str) -> None:
        if self._pool is not None and cause != QUEUE_FULL:
            self._door.pools.failed(self.admitted.route, self._pool)
        if self.is_over:
            return
        if self._tries_left > 0:
            # Nothing was sent, so another upstream of the route may have it.
            self._send_up()
            return
        detail = "The service cannot be reached at the moment."
        self._refuse(ProblemError(ProblemCode.UPSTREAM_UNAVAILABLE, detail, cause=cause, retry_after_s=5))

    def _connected(self, connection: UpstreamConnection) -> None:
        self._waiter, self._upstream = None, connection
        upload = self._upload
        taken = self._framed(self._client.take_buffered())
        if taken is None:
            return
        body, rest = taken
        if self._pool is not None:
            self._door.pools.recovered(self.admitted.route, self._pool)
        self._client.put_back(rest)
        if not upload.is_whole:
            if upload.received == 0 and self._waits_for_continue():
                self._client.send_continue()
            self._expect_body_from_now()
            self._client.resume_upload()
        # Last, since it may find the upstream full and pause the client again.
        connection.begin(self, self.head, self._head_up() + body, is_whole=upload.is_whole)
        if self._is_answer_paused:
            connection.pause()

    def _waits_for_continue(self) -> bool:
        # A client of HTTP/1.0 would take it for the answer (RFC 9110 10.1.1).
        return b"100-continue" in self.head.values.get(b"expect", b"").lower() and not self.head.is_http_1_0

    def _head_up(self) -> bytes:
        admitted, pool = self.admitted, self._pool
        assert pool is not None  # noqa: S101 - chosen before a connection could come from it
        target = admitted.route.target_at(pool.address, admitted.target)
        first = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (self.head.method, target.encode(), pool.authority)
        framing = framing_line(self.head) + (_UPGRADE if admitted.is_upgrade else b"")
        bearer = b"" if self._authorization is None else b"Authorization: %b\r\n" % self._authorization
        return b"".join((first, admitted.upward.lines, framing, self._forwarded, bearer, b"\r\n"))

    def take_body(self, data: bytes) -> bytes:
        """More from the client: of the body, or of the tunnel. Returns what belongs to its next request."""
        upstream = self._upstream
        if upstream is None or self.is_over:
            return data
        if self.is_tunnel:
            upstream.send(data)
            return b""
        if self._upload.is_whole:
            return data
        taken = self._framed(data)
        if taken is None:
            return b""
        upstream.send(taken[0])
        self._note_progress(upstream)
        return taken[1]

    def _framed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """What goes up of it and what does not; None when the request ended with it."""
        try:
            return self._upload.take(data)
        except BodyTooLargeError:
            problem = too_large(self.admitted.route.body_limit or 0)
        except BadHeadError as error:
            detail = "The chunks of the body cannot be read."
            problem = ProblemError(ProblemCode.BAD_REQUEST, detail, cause=error.cause)
        self._give_up(problem)
        return None

    def _note_progress(self, upstream: UpstreamConnection) -> None:
        if not self._upload.is_whole:
            allowed = self._door.limits.body_time_s
            allowed += (self._upload.received - self._body_since) / self._door.limits.body_bytes_a_second
            # Not longer in silence either: whoever was fast before could hold two connections for days.
            silent_until = self._door.now_s() + self._door.limits.body_time_s
            self._due_at = min(self._body_from + allowed, silent_until)
            return
        upstream.end_of_request()
        if self.status == 0:
            self._expect(_Due.ANSWER, self.admitted.route.answer_timeout_s)
        else:
            self._expect_nothing()

    # -- down

    def answer_interim(self, answer: AnswerHead) -> None:
        if answer.status != _CONTINUE:  # that one was ours to send
            self._client.send_interim(answer)

    def answer_switch(self, answer: AnswerHead) -> None:
        upgrade = answer.values.get(b"upgrade", b"").lower()
        if not self.admitted.is_upgrade or upgrade != b"websocket":
            # Nobody asked: the connection would become something that no rule here has looked at.
            self._give_up(_bad_gateway("unasked_switch"))
            return
        self.status, self.is_tunnel = answer.status, True
        self._expect_nothing()
        self._client.send_switch(answer)
        early = self._client.take_buffered()
        self._client.put_back(b"")  # much of it may have stopped the reading
        if early and self._upstream is not None:
            self._upstream.send(early)

    def answer_head(self, answer: AnswerHead) -> None:
        self.status = answer.status
        self._client.send_head(answer)
        if self._upload.is_whole:
            self._expect_nothing()

    def answer_data(self, data: bytes) -> None:
        self._client.send_data(data)

    def answer_end(self) -> None:
        if self._end():
            self._client.finish()

    def answer_lost(self, cause: str) -> None:
        connection = self._upstream
        is_stale = connection is not None and connection.was_used and not connection.has_answered
        if is_stale and not self._is_repeated and self._may_be_sent_again():
            self._is_repeated, self._upstream = True, None
            self._tries_left += 1
            self._send_up()
            return
        self._give_up(_bad_gateway(cause))

    def _may_be_sent_again(self) -> bool:
        """Only what is harmless twice, and of which nothing was sent that we have not kept."""
        return self.head.method in _REPEATABLE and self.head.length == 0

    # -- pressure, time and ends

    def pause_upload(self) -> None:
        """The upstream is slower than the client: it is the one that is waited for."""
        self._client.pause_upload()
        # Also in a tunnel: a client that is not read from cannot be seen to leave.
        if self.status == 0 or self.is_tunnel:
            self._expect(_Due.ANSWER, self.admitted.route.answer_timeout_s)

    def resume_upload(self) -> None:
        if not self._upload.is_whole:
            self._expect_body_from_now()
        elif self.is_tunnel:
            self._expect_nothing()
        self._client.resume_upload()

    def pause_answer(self) -> None:
        """The client is slower than the upstream."""
        if self.is_over:
            return  # the connection may be another exchange's by now
        self._is_answer_paused = True
        if self._upstream is not None:
            self._upstream.pause()
        self._unsent = self._client.unsent()
        self._expect(_Due.READING, self._door.limits.unread_time_s)

    def resume_answer(self) -> None:
        if self.is_over:
            return
        self._is_answer_paused = False
        if self._upstream is not None:
            self._upstream.resume()
        if not self._upload.is_whole:
            self._expect_body_from_now()
        elif self.status == 0:
            self._expect(_Due.ANSWER, self.admitted.route.answer_timeout_s)
        else:
            self._expect_nothing()

    def sweep(self, now_s: float) -> None:
        """Ends what is overdue."""
        if now_s < self._due_at:
            return
        due = self._due
        if due is _Due.CREDENTIAL:
            self._give_up(store_problem(StoreUnavailableError("slow_session")))
        elif due is _Due.BODY:
            detail = "The body came too slowly, or not at all."
            self._give_up(ProblemError(ProblemCode.REQUEST_TIMEOUT, detail, cause="slow_body"))
        elif due is _Due.ANSWER:
            detail = f"There was no answer for {self.admitted.route.answer_timeout_s:.0f} seconds."
            self._give_up(ProblemError(ProblemCode.UPSTREAM_TIMEOUT, detail, cause="slow_answer"))
        elif not self._has_been_read():
            self._give_up(_bad_gateway("unread"))

    def _has_been_read(self) -> bool:
        """Whether a slow client has taken some of what waits for it; then it has as long again."""
        unsent, before = self._client.unsent(), self._unsent
        self._unsent = unsent
        self._expect(_Due.READING, self._door.limits.unread_time_s)
        return unsent < before

    def cut(self) -> None:
        """The session has ended."""
        self._give_up(not_signed_in())

    def abandon(self) -> None:
        """The client has gone: nobody waits for the answer."""
        upstream = self._upstream
        if not self._end() or upstream is None:
            return
        if self.is_tunnel:
            upstream.close()  # what it said last still arrives
        else:
            upstream.abort()

    def _give_up(self, problem: ProblemError) -> None:
        if self.is_over:
            return
        if self._upstream is not None:
            self._upstream.abort()
        if self.status == 0:
            self._refuse(problem)
        elif self._end():
            log.info("answer_cut", cause=problem.cause or problem.code, route=self.admitted.route.name)
            self._client.break_off()

    def _refuse(self, problem: ProblemError) -> None:
        if self._end():
            self.status = problem.status.value
            self._client.refuse(problem)

    def _end(self) -> bool:
        """Whether this call ended it."""
        if self.is_over:
            return False
        self.is_over = True
        self._expect_nothing()
        if self._waiter is not None:
            self._waiter.has_left = True
        self._let_go_of_session()
        return True

    def _expect(self, due: _Due, time_s: float) -> None:
        self._due, self._due_at = due, self._door.now_s() + time_s

    def _expect_nothing(self) -> None:
        # From here on silence is no fault: an event stream may have nothing to say for hours.
        self._due, self._due_at = _Due.NOTHING, _NEVER

    def _expect_body_from_now(self) -> None:
        self._expect(_Due.BODY, self._door.limits.body_time_s)
        self._body_from, self._body_since = self._door.now_s(), self._upload.received


def _bad_gateway(cause: str) -> ProblemError:
    detail = "The service gave no answer that could be passed on."
    return ProblemError(ProblemCode.UPSTREAM_UNAVAILABLE, detail, cause=cause, retry_after_s=5)
