"""Paths: what is matched is what is forwarded, byte for byte, or the request is refused."""

import re
from urllib.parse import unquote

# Printable ASCII; browsers and servers read the backslash as a slash, so it has no place here.
_PLAIN = re.compile(r"/[!-\[\]-~]*")
# Encoded separators and control characters: a router behind us may decode them before it matches.
_DISGUISED = re.compile(r"%(2f|5c|[01][0-9a-f]|7f)|%(?![0-9a-f]{2})", re.IGNORECASE)
# Nearly all paths: segments that begin with a letter, digit, underscore or hyphen, and nothing encoded.
_SURELY_FINE = re.compile(r"(?=/)(?:/[\w-][\w.~-]*)*/?(?:\?[!-\"$-\[\]-~]*)?", re.ASCII)


def refusal_of(raw_target: str) -> str | None:
    """Why a request target (path and query as received) is not forwarded; None when it is.

    Without this, `/api/..%2fadmin` would pass the rules of `/api/` here and be served as `/admin` behind us.
    """
    if _SURELY_FINE.fullmatch(raw_target):
        return None
    path = raw_target.partition("?")[0]
    if not _PLAIN.fullmatch(raw_target) or "#" in raw_target:
        return "odd_characters"
    if _DISGUISED.search(path):
        return "disguised_characters"
    if "//" in path:
        return "empty_segment"
    # `%2e%2e` is one of the spellings of `..`, and `..;x` is read as `..` by servers with path parameters.
    segments = [unquote(segment).partition(";")[0] for segment in path.split("/")]
    return "dot_segment" if {".", ".."} & set(segments) else None
