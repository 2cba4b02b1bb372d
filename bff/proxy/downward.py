"""The answers that go down one client connection of the front: framing, keep-alive, our own refusals."""

import structlog

from bff.proxy.answering import answer_head, cors_lines, interim_head, problem_answer
from bff.proxy.body import LAST_CHUNK, chunk
from bff.proxy.door import Door
from bff.proxy.exchange import Exchange
from bff.proxy.heads import AnswerHead, RequestHead
from bff.proxy.naming import Naming
from bff.proxy.turn import Sender
from common.problems import ProblemError

log = structlog.get_logger(__name__)


class Downward:
    """`keeps_alive`: whether another answer may follow the present one on this connection."""

    __slots__ = ("_door", "_held_back", "_is_chunked", "_naming", "_on_refusals", "_sender", "keeps_alive")

    def __init__(self, door: Door, sender: Sender, naming: Naming, on_refusals: bytes) -> None:
        self._door = door
        self._on_refusals = on_refusals
        self._sender = sender
        self._naming = naming
        # The head, until there is something behind it: they leave together.
        self._held_back = b""
        self._is_chunked = False
        self.keeps_alive = False

    def interim(self, answer: AnswerHead, exchange: Exchange) -> None:
        if not exchange.head.is_http_1_0:
            self._sender.write(interim_head(answer, exchange.admitted.mount.cookies))

    def switch(self, answer: AnswerHead, exchange: Exchange) -> None:
        self.keeps_alive = False
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        self._held_back = self._head(answer, exchange, upgrade)

    def head(self, answer: AnswerHead, exchange: Exchange) -> None:
        head = exchange.head
        # What follows a body that was not read whole cannot be told from it.
        if not exchange.is_request_whole or self._door.is_draining:
            self.keeps_alive = False
        if answer.length < 0 and head.is_http_1_0:
            self.keeps_alive = False  # the end of the connection is the end of the answer
        elif answer.length < 0:
            self._is_chunked = True
        framing = b"Transfer-Encoding: chunked\r\n" if self._is_chunked else b""
        self._held_back = self._head(answer, exchange, framing + self.keep_alive_line(head))

    def data(self, data: bytes) -> None:
        """A part of the body. Empty: send what was held back."""
        held_back, self._held_back = self._held_back, b""
        if held_back:
            self._sender.write(held_back)
        if data:
            self._sender.write(chunk(data) if self._is_chunked else data)

    def end(self) -> None:
        held_back, self._held_back = self._held_back, b""
        if self._is_chunked:
            held_back += LAST_CHUNK
            self._is_chunked = False
        if held_back:
            self._sender.write(held_back)

    def problem(
        self, problem: ProblemError, head: RequestHead | None, *, is_whole: bool, may_be_page: bool = True
    ) -> None:
        """`head`: of the request; None when it could not be read. `is_whole`: nothing of it is to come."""
        keeps_alive = head is not None and head.keeps_alive and is_whole
        self.keeps_alive = keeps_alive and not self._door.is_draining
        request_id = self._naming.id.decode()
        log.info("refused", request_id=request_id, code=problem.code, cause=problem.cause)
        connection = self._on_refusals + self.keep_alive_line(head)
        if head is not None:
            connection += cors_lines(head, self._door.cors_origins)
        login = f"{self._door.prefix}/login/start" if may_be_page else None
        self._sender.write(problem_answer(problem, head, request_id, login=login, connection=connection))

    def _head(self, answer: AnswerHead, exchange: Exchange, connection: bytes) -> bytes:
        if self._door.cors_origins:  # what an upstream says of CORS does not count
            connection += cors_lines(exchange.head, self._door.cors_origins)
        cookies = exchange.admitted.mount.cookies
        return answer_head(answer, exchange.head, cookies, self._naming.id, connection)

    def keep_alive_line(self, head: RequestHead | None) -> bytes:
        if not self.keeps_alive:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if head is not None and head.is_http_1_0 else b""
