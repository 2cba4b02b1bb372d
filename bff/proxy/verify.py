"""Forward-auth: the request that a proxy asks about, and what it is told. Bytes in, bytes out, nothing waits.

The proxy names that request in one of two ways (docs/forward-auth.md). It is then judged by the rules of the
proxied routes (`bff.proxy.admission`), as if it had come here itself.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import quote

from bff.login.redirects import allowed_return
from bff.proxy.answering import header_lines
from bff.proxy.heads import RequestHead
from bff.session.grants import Grants
from bff.session.sessions import HotPart
from common.identity import NOBODY, Identity, identity_headers
from common.problems import ProblemCode, ProblemError

_PATH = b"/verify"
_OWN_QUERIES = {b"": True, b"navigation=401": False}
_METHOD = re.compile(rb"[A-Z]+(-[A-Z]+)*")
_LONGEST_METHOD = 20
_FORWARDED_URI = re.compile(rb"\r\nX-Forwarded-Uri: (/[!-~]*)(?=\r\n[^ \t])", re.IGNORECASE)
_NAMES_THE_REQUEST = frozenset({b"x-forwarded-method", b"x-forwarded-uri"})
# What nginx's auth_request passes on; it makes a 500 of any other refusal.
_PASSED_ON_BY_ALL = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MOST_IDENTITIES = 1024

OK, OK_LINE = HTTPStatus.OK.value, b"HTTP/1.1 200 OK\r\n"
FOUND, FOUND_LINE = HTTPStatus.FOUND.value, b"HTTP/1.1 302 Found\r\n"

NOBODY_LINES = header_lines(identity_headers(NOBODY))
"""On every answer that knows nobody: a proxy that copies them overwrites what the client sent."""


@dataclass(frozen=True, slots=True)
class Question:
    """`head`: the request that is judged. `takes_redirects`: whether the proxy can pass a redirect on."""

    head: RequestHead
    takes_redirects: bool = True

    @property
    def target(self) -> str:
        return self.head.target.decode("latin-1")


def is_forward_auth(target: bytes) -> bool:
    return target.startswith(_PATH) and target[len(_PATH) : len(_PATH) + 1] in {b"", b"?", b"/"}


def set_apart(data: bytes) -> tuple[bytes, bytes | None]:
    """A head without its line of X-Forwarded-Uri, and what that says; None where it is not a plain one.

    The rest of a head comes again and again, and is then known (`bff.proxy.heads`); this line differs each
    time. Only a whole line is taken out, between two line ends and with no fold behind it, so that the lines
    around it stay what they were; a second one is left in.
    """
    found = _FORWARDED_URI.search(data)
    if found is None:
        return data, None
    return data[: found.start()] + data[found.end() :], found[1]


def question_in(head: RequestHead, apart: bytes | None = None) -> Question:
    """`apart`: X-Forwarded-Uri, where it was taken out of the head before.

    Raises `ProblemError` for what names no request, or more than one.
    """
    if head.length != 0:
        raise _unclear("A forward-auth request has no body: let the proxy send the head alone.", "body")
    path, _, query = head.target.partition(b"?")
    if path != _PATH:
        # Then X-Forwarded-Method and X-Forwarded-Uri are the client's own, and tell nothing.
        return Question(head.speaking_of(head.method, head.target[len(_PATH) :]))
    if query not in _OWN_QUERIES:
        raise _unclear("/verify takes no query but `navigation=401`.", "unknown_query")
    return Question(_forwarded(head, apart), _OWN_QUERIES[query])


def _forwarded(head: RequestHead, apart: bytes | None) -> RequestHead:
    method, left = head.values.get(b"x-forwarded-method"), head.values.get(b"x-forwarded-uri")
    target = left if apart is None else apart
    # Of two, one is the client's: what was judged would not be what is forwarded.
    is_double = not _NAMES_THE_REQUEST.isdisjoint(head.fields.repeated)
    if method is None or target is None or is_double or (apart is not None and left is not None):
        detail = "The proxy must send X-Forwarded-Method and X-Forwarded-Uri, each once."
        raise _unclear(detail, "forwarded_request")
    if not _METHOD.fullmatch(method) or len(method) > _LONGEST_METHOD:
        raise _unclear("X-Forwarded-Method is no method.", "forwarded_method")
    return head.speaking_of(method, target)


def _unclear(detail: str, cause: str) -> ProblemError:
    return ProblemError(ProblemCode.BAD_REQUEST, detail, cause=cause)


def opens_websocket(head: RequestHead) -> bool:
    """Judged by more than `Upgrade`, which is of one connection only, so that proxies leave it out here.

    Page scripts can set none of these. Without `Connection`, the proxied form would see a mere GET, and a
    page of another site would open a WebSocket with the cookie of this one.
    """
    values = head.values
    if b"sec-websocket-key" in values or b"sec-websocket-version" in values:
        return True
    return b"websocket" in values.get(b"upgrade", b"").lower()


def is_navigation(head: RequestHead) -> bool:
    if head.method != b"GET":
        return False
    mode = head.values.get(b"sec-fetch-mode")
    return mode == b"navigate" if mode is not None else b"text/html" in head.values.get(b"accept", b"")


def login_address(login_start: str, target: str) -> str:
    """Where a login starts that comes back to `target`, or to `/` where that is none to come back to."""
    if allowed_return(target, ()) is None:
        return login_start
    return f"{login_start}?redirect={quote(target, safe='/')}"


def as_told(problem: ProblemError, question: Question) -> ProblemError:
    """The refusal that the proxy can pass on.

    What a client has done wrong must not look like a fault of the server: with nginx, which makes a 500 of a
    400, anybody could ring the operator's bell. Our own faults stay what they are.
    """
    status = problem.status
    if question.takes_redirects or status in _PASSED_ON_BY_ALL or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem
    return ProblemError(ProblemCode.FORBIDDEN, problem.detail, cause=problem.cause or problem.code.value)


def admitting(authorization: bytes | None, part: HotPart | None) -> bytes:
    """The identity headers of a request that may pass, of nobody where there is no session."""
    if authorization is None or part is None:
        return NOBODY_LINES
    return b"Authorization: %b\r\n%b" % (authorization, _identity_lines(part.subject, part.grants))


@lru_cache(maxsize=_MOST_IDENTITIES)
def _identity_lines(subject: str, grants: Grants) -> bytes:
    """All but `Authorization`. Depends on these two alone, so it cannot be that of somebody else."""
    identity = Identity(
        kind="user",
        user=subject,
        subject=subject,
        scopes=tuple(sorted(grants.scopes)),
        roles=tuple(sorted(grants.roles)),
    )
    headers = identity_headers(identity)
    del headers["Authorization"]
    return header_lines(headers)


def answer(line: bytes, identity: bytes, request_id: bytes, connection: bytes) -> bytes:
    """An answer without a body. `connection`: further lines."""
    return b"%b%bCache-Control: no-store\r\nX-Request-Id: %b\r\nContent-Length: 0\r\n%b\r\n" % (
        line,
        identity,
        request_id,
        connection,
    )
