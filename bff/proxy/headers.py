"""Which headers cross the door: one table, matched on lower-case names. Framing is written anew.

Names and values stay the bytes that they were: llhttp has made sure that none of them can end its line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from bff.proxy.heads import CHUNKED, AnswerHead, RequestHead, words_of
from bff.session.record import SessionKey, session_key

# RFC 9110 7.6.1: these speak of one connection only.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# A client that could send these would be believed to be somebody else, or somewhere else, or to ask for
# something else, behind the door.
_ONLY_FROM_US = frozenset(
    {
        b"authorization",
        b"cf-connecting-ip",
        b"forwarded",
        b"proxy",
        b"remote-user",
        b"true-client-ip",
        b"x-client-ip",
        b"x-device-key",
        b"x-email",
        b"x-forwarded",
        b"x-groups",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-preferred-username",
        b"x-provisioning-key",
        b"x-real-ip",
        b"x-request-id",
        b"x-roles",
        b"x-user",
        b"x-username",
    }
)
_ONLY_FROM_US_PREFIXES = (
    b"impersonate-",
    b"x-auth-",
    b"x-authenticated-",
    b"x-forwarded-",
    b"x-original-",
    b"x-remote-",
    b"x-rewrite-",
    b"x-ssl-client-",
    b"x-user-",
    b"x-webauth-",
)
# Written by us, from what was understood and not from what was received.
_WRITTEN_ANEW = frozenset({b"content-length", b"expect", b"host"})
# What an upstream says of CORS does not count: it knows bearers, and who may use the cookie is not for it to
# say. `X-Request-Id` is ours, so that an answer can be found in the log.
_ONLY_FROM_US_DOWN = frozenset({b"content-length", b"x-request-id"})
_ONLY_FROM_US_DOWN_PREFIX = b"access-control-"
# Not for the other side to drop by naming them in `Connection` (`Connection: content-length`).
_NOT_HOP_BY_HOP = frozenset({b"close", b"keep-alive", b"content-type", b"cookie", b"set-cookie", b"upgrade"})
# Nor these, which are added where they are missing, and would not be missed.
_NOT_HOP_BY_HOP |= {b"cache-control", b"x-content-type-options"}
_NOTHING: frozenset[bytes] = frozenset()
_LONGEST_REMEMBERED = 48
_NO_CONTENT, _NOT_MODIFIED, _FIRST_FINAL = 204, 304, 200


@dataclass(frozen=True, slots=True, eq=False)
class CookieNames:
    """Our cookies by name. Without `lets_others_pass`, no cookie at all goes up (device mode)."""

    session: bytes
    login_prefix: bytes
    lets_others_pass: bool = True

    def is_ours(self, name: bytes) -> bool:
        return name == self.session or name.startswith(self.login_prefix)

    def without_ours(self, value: bytes) -> bytes:
        """What of a `Cookie` header goes up."""
        if not self.lets_others_pass:
            return b""
        pairs = [pair.strip() for pair in value.split(b";")]
        return b"; ".join(
            pair for pair in pairs if pair and not self.is_ours(pair.partition(b"=")[0].strip())
        )


@dataclass(frozen=True, slots=True)
class Upward:
    """What the headers of a request come to: `lines` go up; `cookie` names the session, `key` its record.

    Worked out once for the same headers.
    """

    lines: bytes
    cookie: str | None
    key: SessionKey | None
    asks_for_websocket: bool


def upward(head: RequestHead, cookies: CookieNames) -> Upward:
    """The client's headers on their way up, without framing: nothing only we may say, no cookie of ours."""
    memo = head.fields.memo
    found = memo.get(cookies)
    if found is None:
        found = memo[cookies] = _worked_out(head, cookies)
    return cast("Upward", found)


def _worked_out(head: RequestHead, cookies: CookieNames) -> Upward:
    cookie = _session_cookie(head, cookies)
    return Upward(
        lines=b"".join(_request_lines(head, cookies)),
        cookie=cookie,
        key=None if cookie is None else session_key(cookie),
        asks_for_websocket=_asks_for_websocket(head),
    )


def _request_lines(head: RequestHead, cookies: CookieNames) -> Iterator[bytes]:
    named = _named_in_connection(head)
    for plain, name, value in head.headers:
        if not _goes_up(plain) or plain in named:
            continue
        kept = cookies.without_ours(value) if plain == b"cookie" else value
        if kept:
            yield b"%b: %b\r\n" % (name, kept)


def _session_cookie(head: RequestHead, cookies: CookieNames) -> str | None:
    """Of several, the last, as the control plane reads them; decoded as it does, for the same record."""
    found = None
    for plain, _, value in head.headers:
        for pair in value.split(b";") if plain == b"cookie" else ():
            name, _, content = pair.partition(b"=")
            if name.strip() == cookies.session:
                found = content.strip()
    return found.decode("utf-8", "surrogateescape") if found else None


def _asks_for_websocket(head: RequestHead) -> bool:
    """No other protocol passes: over h2c, requests would follow that nobody here has looked at."""
    if head.values.get(b"upgrade", b"").lower() != b"websocket" or b"upgrade" in head.fields.repeated:
        return False
    return b"upgrade" in words_of(head.values.get(b"connection", b""))


def framing_line(head: RequestHead) -> bytes:
    if head.length == CHUNKED:
        return b"Transfer-Encoding: chunked\r\n"
    if head.length or b"content-length" in head.values:
        return b"Content-Length: %d\r\n" % head.length
    return b""


def answer_lines(answer: AnswerHead, cookies: CookieNames) -> list[bytes]:
    """What comes down: no hop-by-hop headers, and no cookie that would overwrite ours."""
    named = _named_in_connection(answer)
    lines = []
    for plain, name, value in answer.headers:
        if not _comes_down(plain) or (named and plain in named):
            continue
        if plain == b"set-cookie" and not _may_be_set(value.partition(b"=")[0].strip(), cookies):
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    return lines


def default_lines(answer: AnswerHead) -> bytes:
    """What a final answer says where its service is silent."""
    # Behind the door the request had an `Authorization`, which keeps shared caches away; here, a cookie.
    caching = b"" if b"cache-control" in answer.values else b"Cache-Control: private, no-cache\r\n"
    sniffing = b"" if b"x-content-type-options" in answer.values else b"X-Content-Type-Options: nosniff\r\n"
    return caching + sniffing


def length_line(answer: AnswerHead, *, is_for_head: bool) -> bytes:
    """The `Content-Length` that comes down. To HEAD and in a 304 it speaks of a body that is not sent."""
    is_without_body = is_for_head or answer.status == _NOT_MODIFIED
    if is_without_body:
        value = answer.values.get(b"content-length")
        return b"" if value is None else b"Content-Length: %b\r\n" % value
    if answer.length < 0 or answer.status == _NO_CONTENT or answer.status < _FIRST_FINAL:
        return b""
    return b"Content-Length: %d\r\n" % answer.length


def _may_be_set(name: bytes, cookies: CookieNames) -> bool:
    """Not ours, and no name with a byte that a reader may leave out so that it becomes one of ours.

    Nor one without a name: `=name=value` comes back from the browser as `name=value`.
    """
    return bool(name) and name.isascii() and not cookies.is_ours(name)


def _remembered(rule: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """For names that come again and again. Long ones do not, and would fill the memory."""
    found = lru_cache(maxsize=1024)(rule)
    return lambda plain: found(plain) if len(plain) <= _LONGEST_REMEMBERED else rule(plain)


@_remembered
def _goes_up(plain: bytes) -> bool:
    # Some servers behind us read `X_User` as `X-User`, and others `X.User` and `X~User` as well (every byte
    # that is no letter or digit becomes the underscore of a CGI variable): no such name passes.
    if plain in _HOP_BY_HOP or plain in _ONLY_FROM_US or plain in _WRITTEN_ANEW:
        return False
    if not plain.replace(b"-", b"").isalnum():
        return False
    return not plain.startswith(_ONLY_FROM_US_PREFIXES)


@_remembered
def _comes_down(plain: bytes) -> bool:
    if plain in _HOP_BY_HOP or plain in _ONLY_FROM_US_DOWN:
        return False
    return not plain.startswith(_ONLY_FROM_US_DOWN_PREFIX)


def _named_in_connection(
    head: RequestHead | AnswerHead,
) -> frozenset[bytes]:
    """Names that the other side declares to be of this connection only."""
    connection = head.values.get(b"connection")
    # Nearly every request: `keep-alive` names nothing.
    if connection is None or (connection == b"keep-alive" and b"connection" not in head.fields.repeated):
        return _NOTHING
    named = {word for plain, _, value in head.headers if plain == b"connection" for word in words_of(value)}
    return frozenset(named - _NOT_HOP_BY_HOP)
