"""Where a browser may be sent after login and logout: one pure function decides.

An open redirect lends our name to a phishing page, and can carry codes and errors to it.
"""

import re
from collections.abc import Collection
from urllib.parse import unquote

# Two of these fit into one transaction cookie: browsers drop a cookie of more than 4096 bytes.
_LONGEST = 1024
# Printable ASCII but for the backslash, which browsers read as a slash, and the quotes and brackets that
# no valid address holds.
_PLAIN = re.compile(r"[!#-;=?-\[\]^_a-z{|}~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


def allowed_return(address: str, origins: Collection[str]) -> str | None:
    """The address itself when it is a path of this origin or lies at one of `origins`; otherwise None.

    Origins are exact (`https://app.example.com:8443`): no suffixes, no wildcards.
    """
    if len(address) > _LONGEST or not _PLAIN.fullmatch(address):
        return None
    if address.startswith("/"):
        return address if _is_local(address) else None
    return next((address for origin in origins if _is_at(address, origin)), None)


def _is_at(address: str, origin: str) -> bool:
    # Compared as text before any parser sees it: parsers differ on `https:app`, `@` and `\`.
    if address == origin:
        return True
    return address.startswith(f"{origin}/") and _is_local(address.removeprefix(origin))


def _is_local(path_and_more: str) -> bool:
    path = re.split(r"[?#]", path_and_more, maxsplit=1)[0]
    # Some servers and apps decode once more before they redirect: `/%2fevil.com`, `/%09/evil.com`.
    decoded = unquote(unquote(path))
    return "//" not in decoded and not _CONTROL.search(decoded)
