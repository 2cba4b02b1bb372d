"""What is asked and answered: known to the load on one side and to the upstream on the other."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["items", "download", "upload", "forward-auth"]

ITEM_BYTES = 300
ITEM_PATH = b"/api/items/"
ITEM_DIGITS = 4
BYTES_PATH = b"/api/bytes/"
UPLOAD_PATH = b"/api/upload"
HEADERS_PATH = b"/api/headers"
NOTHING_PATH = b"/204"
FORWARD_AUTH_PATH = b"/verify"

# What a browser says beside its cookie: ten headers with it.
BROWSER_HEADERS = (
    b"Host: localhost\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: application/json\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: http://localhost/devices?state=active\r\n"
    b"Sec-Fetch-Dest: empty\r\n"
    b"Sec-Fetch-Mode: cors\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
)

_ITEM_START, _ITEM_END = b'{"number":"', b'"}'
_ITEM_REST = (
    b'","name":"'.ljust(ITEM_BYTES - len(_ITEM_START) - ITEM_DIGITS - len(_ITEM_END), b"x") + _ITEM_END
)


@dataclass(frozen=True, slots=True)
class Question:
    """`answer`: the right body; None where only its length is told. `body_length`: how much goes up.

    `proof`: what the head of an answer without a body must hold, so that one to somebody else is seen.
    """

    head: bytes
    body_length: int
    answer: bytes | None
    answer_length: int
    proof: bytes = b""


def item_body(digits: bytes) -> bytes:
    """The answer names what was asked, so that an answer to somebody else is seen."""
    return _ITEM_START + digits + _ITEM_REST


def upload_body(received: int) -> bytes:
    return b'{"received":%d}' % received


def question(kind: Kind, number: int, size: int, cookie: str, proof: str = "") -> Question:
    match kind:
        case "forward-auth":
            forwarded = b"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: %b%0*d\r\n" % (
                ITEM_PATH,
                ITEM_DIGITS,
                number,
            )
            head = _head(b"GET", FORWARD_AUTH_PATH, cookie, forwarded)
            return Question(head, 0, b"", 0, proof.encode())
        case "items":
            digits = b"%0*d" % (ITEM_DIGITS, number)
            answer = item_body(digits)
            return Question(_head(b"GET", ITEM_PATH + digits, cookie), 0, answer, len(answer))
        case "download":
            return Question(_head(b"GET", BYTES_PATH + b"%d" % size, cookie), 0, None, size)
        case "upload":
            answer = upload_body(size)
            head = _head(b"POST", UPLOAD_PATH, cookie, b"Content-Length: %d\r\n" % size)
            return Question(head, size, answer, len(answer))


def _head(method: bytes, path: bytes, cookie: str, more: bytes = b"") -> bytes:
    cookie_line = b"Cookie: " + cookie.encode("latin-1") + b"\r\n"
    return method + b" " + path + b" HTTP/1.1\r\n" + BROWSER_HEADERS + cookie_line + more + b"\r\n"
