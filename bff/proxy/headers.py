"""Which headers cross the door: one table, matched on lower-case names."""

import re
from collections.abc import Callable, Iterable

from multidict import CIMultiDict

Headers = Iterable[tuple[str, str]]

# RFC 9110 7.6.1: these speak of one connection only.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# A client that could send these would be believed to be somebody else, or somewhere else, or to ask for
# something else, behind the door.
_ONLY_FROM_US = frozenset(
    {
        "authorization",
        "cf-connecting-ip",
        "forwarded",
        "proxy",
        "remote-user",
        "true-client-ip",
        "x-client-ip",
        "x-device-key",
        "x-email",
        "x-forwarded",
        "x-groups",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-preferred-username",
        "x-provisioning-key",
        "x-real-ip",
        "x-request-id",
        "x-roles",
        "x-user",
        "x-username",
    }
)
_ONLY_FROM_US_PREFIXES = (
    "impersonate-",
    "x-auth-",
    "x-authenticated-",
    "x-forwarded-",
    "x-original-",
    "x-remote-",
    "x-rewrite-",
    "x-ssl-client-",
    "x-user-",
    "x-webauth-",
)
_SET_BY_THE_CLIENT_LIBRARY = frozenset({"host", "expect"})
# aiohttp reads bytes that are no UTF-8 as these, and leaves them out when it writes: a name or value would
# change on its way, into the name of our cookie for instance.
_SURROGATES = re.compile("[\ud800-\udfff]")


def request_headers(
    received: Headers, added: Headers, is_our_cookie: Callable[[str], bool]
) -> CIMultiDict[str]:
    """What goes up: nothing that only we may say, none of our cookies, and then what we add."""
    received = list(received)
    dropped = _HOP_BY_HOP | _ONLY_FROM_US | _SET_BY_THE_CLIENT_LIBRARY | _named_in_connection(received)
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in received:
        plain = name.lower()
        # Some servers behind us read `X_User` as `X-User`, so a name with an underscore never passes.
        if plain in dropped or plain.startswith(_ONLY_FROM_US_PREFIXES) or "_" in plain:
            continue
        kept = _without_our_cookies(value, is_our_cookie) if plain == "cookie" else value
        if kept and not _SURROGATES.search(kept):
            headers.add(name, kept)
    for name, value in added:
        headers[name] = value
    return headers


def response_headers(received: Headers, is_our_cookie: Callable[[str], bool]) -> CIMultiDict[str]:
    """What comes down: no hop-by-hop headers, and no cookie that would overwrite ours."""
    received = list(received)
    dropped = _HOP_BY_HOP | _named_in_connection(received)
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in received:
        plain = name.lower()
        if plain in dropped or _SURROGATES.search(value):
            continue
        if plain == "set-cookie" and is_our_cookie(value.partition("=")[0].strip()):
            continue
        headers.add(name, value)
    # Behind the door the request had an `Authorization`, which keeps shared caches away; here, a cookie.
    headers.setdefault("Cache-Control", "private, no-cache")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    return headers


def _named_in_connection(headers: Headers) -> frozenset[str]:
    values = [value for name, value in headers if name.lower() == "connection"]
    # The body's framing is not for the other side to drop (`Connection: content-length`).
    named = {word.strip().lower() for value in values for word in value.split(",")}
    return frozenset(named - {"content-length", "content-type", "cookie", "set-cookie"})


def _without_our_cookies(value: str, is_our_cookie: Callable[[str], bool]) -> str:
    pairs = [pair.strip() for pair in value.split(";")]
    return "; ".join(pair for pair in pairs if pair and not is_our_cookie(pair.partition("=")[0].strip()))
