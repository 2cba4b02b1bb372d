"""The side of an exchange that faces the client: the front's connection, or a request of aiohttp's server."""

from typing import Protocol

from bff.proxy.heads import AnswerHead
from common.problems import ProblemError


class Client(Protocol):
    """Whoever sent the request: a connection of the front, or a request of aiohttp's server.

    Of `refuse`, `finish` and `break_off`, one is called, once, and nothing after it.
    """

    def refuse(self, problem: ProblemError) -> None:
        """It may not or cannot be done; nothing was answered yet."""
        ...

    def finish(self) -> None:
        """The answer is whole."""
        ...

    def break_off(self) -> None:
        """End the connection, so that half an answer does not look like a whole one."""
        ...

    def take_buffered(self) -> bytes:
        """What has come behind the head. From now on, more of it is given to `Exchange.take_body`."""
        ...

    def put_back(self, data: bytes) -> None:
        """What of it belongs to the next request."""
        ...

    def unsent(self) -> int:
        """Bytes of the answer that the client has not taken yet."""
        ...

    def send_continue(self) -> None:
        """The client waits for this before it sends its body."""
        ...

    def send_interim(self, answer: AnswerHead) -> None: ...

    def send_switch(self, answer: AnswerHead) -> None: ...

    def send_head(self, answer: AnswerHead) -> None: ...

    def send_data(self, data: bytes) -> None:
        """A part of the body, or of the tunnel. Empty: send what was held back."""
        ...

    def pause_upload(self) -> None: ...

    def resume_upload(self) -> None: ...
