"""The door's own server protocol: one client connection, its requests one after the other.

A request of a proxied route is taken up by an `Exchange`. Any other has its whole connection handed to
aiohttp's server, whose answer then closes it, so that every request passes here first.
"""

from bff.proxy.answering import CONTINUE
from bff.proxy.client_connection import BY_THE_HEAD, ClientConnection
from bff.proxy.exchange import Exchange
from bff.proxy.heads import AnswerHead, RequestHead
from common.problems import ProblemError


class Front(ClientConnection[Exchange]):
    """`make_handler` makes the protocol that takes over what is not proxied. Also an `exchange.Client`."""

    __slots__ = ()

    def _take_up(self, head: RequestHead) -> bool:
        if _is_preflight(head):
            self._hand_over(head)
            return False
        try:
            admitted = self._door.admission.look(head)
        except ProblemError as problem:
            self._count(head.method, BY_THE_HEAD, problem.status.value)
            self._write_problem(problem, head, is_whole=head.length == 0)
            return True
        if admitted is None:
            self._hand_over(head)
            return False
        exchange = Exchange(self._door, self, head, admitted, self._naming.lines())
        self._begin(head, exchange)
        exchange.start()
        return True

    # -- what the exchange says (`exchange.Client`)

    def take_buffered(self) -> bytes:
        data, self._buffer = self._buffer, b""
        return data

    def put_back(self, data: bytes) -> None:
        self._buffer = data
        self._set_reading(on=True)

    def unsent(self) -> int:
        return self._sender.unsent()

    def send_continue(self) -> None:
        self._sender.write(CONTINUE)

    def send_interim(self, answer: AnswerHead) -> None:
        self._down.interim(answer, self._current())

    def send_switch(self, answer: AnswerHead) -> None:
        self._down.switch(answer, self._current())

    def send_head(self, answer: AnswerHead) -> None:
        self._down.head(answer, self._current())

    def send_data(self, data: bytes) -> None:
        self._down.data(data)

    def _current(self) -> Exchange:
        assert self._exchange is not None  # noqa: S101 - only it calls
        return self._exchange

    def finish(self) -> None:
        exchange, self._exchange = self._current(), None
        self._down.end()
        self._log(exchange, exchange.status)
        self._next(is_whole=exchange.is_request_whole)

    def refuse(self, problem: ProblemError) -> None:
        exchange, self._exchange = self._current(), None
        self._log(exchange, problem.status.value)
        self._write_problem(problem, exchange.head, is_whole=exchange.is_request_whole)

    def break_off(self) -> None:
        exchange, self._exchange = self._current(), None
        self._log(exchange, exchange.status)
        if exchange.head.is_http_1_0:
            self._sender.reset()
        else:
            # Its framing tells that the rest is missing, and what has come can still be read.
            self._sender.abort()

    def pause_upload(self) -> None:
        self._set_reading(on=False)

    def resume_upload(self) -> None:
        self._set_reading(on=True)


def _is_preflight(head: RequestHead) -> bool:
    return head.method == b"OPTIONS" and b"access-control-request-method" in head.values
