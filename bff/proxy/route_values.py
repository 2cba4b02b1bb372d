"""The values in the file of routes: each parser gives a type, or raises `ValueError` with the remedy."""

import re
from dataclasses import dataclass
from typing import Final

from yarl import URL

from bff.proxy.route_table import NEVER_FORWARDED, UpstreamAddress
from common.env import is_plain_http_url


@dataclass(frozen=True)
class Form:
    """What a word must look like, and how to write it instead."""

    pattern: re.Pattern[str]
    remedy: str


NAME: Final = Form(re.compile(r"[A-Za-z0-9._/-]{1,64}"), "use letters, digits and . _ / -, at most 64")
SCOPE: Final = Form(
    re.compile(r"[!#-\[\]-~]{1,256}"),  # RFC 6749 section 3.3
    'write each scope as a text of its own, without blanks and quotes, as in ["a", "b"]',
)
ROLE: Final = Form(re.compile(r"[^\x00-\x1f\x7f]{1,256}"), "use printable characters, at most 256")
# They go into `/login/start?acr_values=` parted by blanks, and into a header in quotes.
ACR_VALUE: Final = Form(
    re.compile(r"[!#-\[\]-~]{1,100}"), "write each value as a text of its own, without blanks and quotes"
)
# All of them together: what `/login/start` takes.
LONGEST_ACR_VALUES: Final = 256
METHOD: Final = Form(
    re.compile(rf"(?!(?:{'|'.join(sorted(NEVER_FORWARDED))})\Z)[A-Z]{{1,20}}"),
    "write methods in capitals, such as GET; TRACE and CONNECT never pass",
)
CLAIM: Final = Form(re.compile(r"[!-~]{1,256}"), 'name a claim, such as "roles" or "realm_access.roles"')

# What everybody reads in one way: nothing to decode, no path parameters, no wildcards.
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_LONGEST_PATH = 256
_SIZE = re.compile(r"([1-9][0-9]{0,14})(B|[KMG]B|[KMG]iB)?")
_UNITS: Final = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_LONGEST_UNIX_PATH = 107  # sockaddr_un of Linux, less the NUL at its end


def parse_path(text: str) -> str:
    """A path that is matched or asked byte for byte."""
    if not text.startswith("/"):
        raise ValueError("begin it with a slash")
    if len(text) > _LONGEST_PATH:
        raise ValueError(f"use at most {_LONGEST_PATH} characters")
    segments = text.removesuffix("/").split("/")[1:]
    if "" in segments:
        raise ValueError("it has an empty segment: write each slash once")
    if {".", ".."} & set(segments):
        raise ValueError("write it without . and .. segments")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError("use letters, digits and - . _ ~ between slashes, nothing encoded and no patterns")
    return text


def parse_size(value: object) -> int:
    """A number of bytes, or a text such as 10MB (of 1000) or 10MiB (of 1024)."""
    # Zero is "no limit" to other proxies, so it is nothing here.
    match = _SIZE.fullmatch(str(value)) if isinstance(value, (str, int)) else None
    if match is None:
        raise ValueError('write a number of bytes above 0, or "10MB" or "10MiB"; leave it out for no limit')
    return int(match[1]) * _UNITS[match[2] or "B"]


def parse_upstream(text: str) -> UpstreamAddress:
    """`http://host:port`, `https://host/base`, or `unix:/path/to.sock`."""
    if text.startswith("unix:"):
        return _unix(text.removeprefix("unix:"))
    if not is_plain_http_url(text):
        raise ValueError(
            f"{_without_user(text)!r} cannot be used: write http://host:port, https://host/path or "
            "unix:/path/to.sock, without user, query and fragment"
        )
    url = URL(text)
    if not url.port or url.scheme not in ("http", "https"):
        raise ValueError(f"{text!r} has no port that can be called: write one from 1 to 65535")
    # From the text, since the URL has its dots already resolved.
    path = text.split("://", 1)[1].partition("/")[2]
    try:
        base_path = parse_path(f"/{path}").removesuffix("/")
    except ValueError as error:
        raise ValueError(f"{text!r} has a path that cannot be used: {error}") from None
    return UpstreamAddress(
        "https" if url.scheme == "https" else "http", url.raw_host or "", url.port, base_path=base_path
    )


def _unix(path: str) -> UpstreamAddress:
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ValueError(
            f"{f'unix:{path}'!r} must name a socket by its absolute path, as unix:/run/shop.sock does"
        )
    if len(path.encode()) > _LONGEST_UNIX_PATH:
        raise ValueError(
            f"{f'unix:{path}'!r} is longer than a socket's path may be ({_LONGEST_UNIX_PATH} bytes)"
        )
    # The system looks the name up; the service reads a host that says nothing.
    return UpstreamAddress("http", "localhost", 80, unix_path=path)


def _without_user(text: str) -> str:
    """Faults are printed; what stands before an @ may hold a password."""
    return f"***@{text.rpartition('@')[2]}" if "@" in text else text
