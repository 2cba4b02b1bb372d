"""One keep-alive connection of the load: asks one question at a time and judges each answer."""

import enum
import select
import socket

from bench.traffic import Question

_RIGHT_LINE = b"HTTP/1.1 200 "
_NO_BODY = b"ontent-Length: 0\r\n"
_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD = 64 * 1024
_READ_BYTES = 512 * 1024
_FILLER = memoryview(bytes(256 * 1024))


class Verdict(enum.Enum):
    """`WRONG`: a whole answer, but not ours or not 200. `BROKEN`: no whole answer, the connection is gone."""

    PENDING = enum.auto()
    RIGHT = enum.auto()
    WRONG = enum.auto()
    BROKEN = enum.auto()


class Conversation:
    """`asked_at` is the load's: when the request went out, or should have gone out."""

    __slots__ = (
        "_body",
        "_body_left",
        "_epoll",
        "_head",
        "_is_right_so_far",
        "_question",
        "_socket",
        "_unsent",
        "_usual_length",
        "asked_at",
        "fd",
        "port",
        "taken_bytes",
    )

    def __init__(self, port: int, epoll: select.epoll) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(0)
        self.fd = self._socket.fileno()
        self._epoll = epoll
        epoll.register(self.fd, select.EPOLLIN)
        self._question: Question | None = None
        self._unsent = 0
        self._usual_length = 0
        self.asked_at = 0.0
        self.taken_bytes = 0
        self._head = self._body = b""
        self._body_left: int | None = None
        self._is_right_so_far = False

    def close(self) -> None:
        self._epoll.unregister(self.fd)
        self._socket.close()

    def ask(self, question: Question, now: float) -> None:
        self._question = question
        self.asked_at = now
        try:
            # A head is small and nothing is in the socket's buffer before it: it goes out as a whole.
            self._socket.send(question.head)
        except ConnectionError:
            return  # reading tells it as well
        if question.body_length:
            self._unsent = question.body_length
            self._epoll.modify(self.fd, select.EPOLLIN | select.EPOLLOUT)

    def go_on(self, events: int) -> Verdict:
        """Called when the socket is ready."""
        if events & select.EPOLLOUT:
            self._send_body()
        return self._read() if events & ~select.EPOLLOUT else Verdict.PENDING

    def _read(self) -> Verdict:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return Verdict.PENDING
        except ConnectionError:
            return Verdict.BROKEN
        question = self._question
        if question is None or not data:
            return Verdict.BROKEN
        if question.proof and not self._head and _is_right_head(data, question.proof):
            self._question = None
            return Verdict.RIGHT
        # An answer as long as the last right one, that begins and ends as it must, needs no parsing.
        if (
            len(data) == self._usual_length
            and question.answer is not None
            and data.startswith(_RIGHT_LINE)
            and data.endswith(question.answer)
            and not self._head
        ):
            self._question = None
            return Verdict.RIGHT
        return self._read_with_care(data, question)

    def _read_with_care(self, data: bytes, question: Question) -> Verdict:
        if self._body_left is None:
            self._head += data
            head, end, data = self._head.partition(_END_OF_HEAD)
            if not end:
                return Verdict.PENDING if len(self._head) < _LONGEST_HEAD else Verdict.BROKEN
            length = _content_length(head)
            if length is None:
                return Verdict.BROKEN
            self._head = head
            self._body_left = length
            self._is_right_so_far = head.startswith(_RIGHT_LINE) and length == question.answer_length
        self.taken_bytes += len(data)
        self._body_left -= len(data)
        if question.answer is not None:
            self._body += data
        if self._body_left > 0:
            return Verdict.PENDING
        return self._judged(question)

    def _judged(self, question: Question) -> Verdict:
        is_right = self._is_right_so_far and self._body_left == 0 and not self._unsent
        is_right = is_right and question.proof in self._head
        if question.answer is not None:
            is_right = is_right and self._body == question.answer
            is_usual = is_right and not question.proof
            self._usual_length = len(self._head) + len(_END_OF_HEAD) + len(self._body) if is_usual else 0
        # More than was announced, or an answer before the whole request: what comes next would be misread.
        is_in_step = self._body_left == 0 and not self._unsent
        self._question = None
        self._forget_answer()
        if not is_in_step:
            return Verdict.BROKEN
        return Verdict.RIGHT if is_right else Verdict.WRONG

    def _forget_answer(self) -> None:
        self._head = self._body = b""
        self._body_left = None
        self._is_right_so_far = False

    def _send_body(self) -> None:
        try:
            sent = self._socket.send(_FILLER[: self._unsent])
        except BlockingIOError:
            return
        except ConnectionError:
            self._epoll.modify(self.fd, select.EPOLLIN)
            return
        self._unsent -= sent
        self.taken_bytes += sent
        if not self._unsent:
            self._epoll.modify(self.fd, select.EPOLLIN)


def _is_right_head(data: bytes, proof: bytes) -> bool:
    """Whether this is a right answer and no more, as a search tells; whatever is not is read with care."""
    is_head = data.startswith(_RIGHT_LINE) and data.find(_END_OF_HEAD) == len(data) - len(_END_OF_HEAD)
    return is_head and _NO_BODY in data and proof in data


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None
