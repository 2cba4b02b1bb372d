"""Which headers cross the door: one table, matched on normalised names."""

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
# A client that could send these would be believed to be somebody else, or somewhere else, behind the door.
_ONLY_FROM_US = frozenset(
    {
        "authorization",
        "forwarded",
        "remote-user",
        "x-device-key",
        "x-email",
        "x-groups",
        "x-provisioning-key",
        "x-real-ip",
        "x-remote-user",
        "x-request-id",
        "x-user",
    }
)
_ONLY_FROM_US_PREFIXES = ("x-forwarded-", "x-auth-", "x-authenticated-", "x-user-")
_SET_BY_THE_CLIENT_LIBRARY = frozenset({"host", "expect"})


def normalised(name: str) -> str:
    """Some servers behind us read `X_User` as `X-User`: so do we."""
    return name.lower().replace("_", "-")


def request_headers(
    received: Headers, added: Headers, is_our_cookie: Callable[[str], bool]
) -> CIMultiDict[str]:
    """What goes up: nothing that only we may say, none of our cookies, and then what we add."""
    received = list(received)
    dropped = _HOP_BY_HOP | _SET_BY_THE_CLIENT_LIBRARY | _named_in_connection(received)
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in received:
        plain = normalised(name)
        if plain in dropped or plain in _ONLY_FROM_US or plain.startswith(_ONLY_FROM_US_PREFIXES):
            continue
        kept = _without_our_cookies(value, is_our_cookie) if plain == "cookie" else value
        if kept:
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
        plain = normalised(name)
        if plain in dropped:
            continue
        if plain == "set-cookie" and is_our_cookie(value.partition("=")[0].strip()):
            continue
        headers.add(name, value)
    return headers


def _named_in_connection(headers: Headers) -> frozenset[str]:
    values = [value for name, value in headers if name.lower() == "connection"]
    # The body's framing is not for the other side to drop (`Connection: content-length`).
    named = {normalised(word.strip()) for value in values for word in value.split(",")}
    return frozenset(named - {"content-length", "content-type", "cookie", "set-cookie"})


def _without_our_cookies(value: str, is_our_cookie: Callable[[str], bool]) -> str:
    pairs = [pair.strip() for pair in value.split(";")]
    return "; ".join(pair for pair in pairs if pair and not is_our_cookie(pair.partition("=")[0].strip()))
