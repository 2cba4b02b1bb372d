"""The headers that tell a service behind a proxy who calls: what forward-auth answers, and proxies copy.

Every one of them stands on every answer, empty when unknown: a proxy that copies only what is there would
otherwise leave what the client itself had sent under that name, and the service would believe it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal
from urllib.parse import quote

Kind = Literal["user", "device", "registration", "service", ""]

# All visible ASCII but the percent sign, so that a reader can undo it; in lists also without the comma. No
# blank: at an end it would be lost, and `alice ` would become `alice`.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
_PLAIN_IN_LISTS = _PLAIN.replace(",", "")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls. `user` is the person behind the call, the owner of a device too: the provider's `sub`.

    `subject` is the `sub` of the JWT that goes along.
    """

    kind: Kind = ""
    user: str = ""
    subject: str = ""
    tenant: str = ""
    taints: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


NOBODY = Identity()

_HEADERS = {
    "user": "X-User",
    "kind": "X-Auth-Kind",
    "subject": "X-Auth-Subject",
    "tenant": "X-Auth-Tenant",
    "taints": "X-Auth-Taints",
    "scopes": "X-Auth-Scopes",
    "roles": "X-Auth-Roles",
}
assert set(_HEADERS) == {field.name for field in fields(Identity)}  # noqa: S101 - one header for each

IDENTITY_HEADERS = ("Authorization", *_HEADERS.values())
"""What a proxy copies from an answer, and takes off a client's request."""


def identity_headers(identity: Identity, authorization: str = "") -> dict[str, str]:
    """All of `IDENTITY_HEADERS`; values are visible ASCII, percent-encoded where they were not."""
    values = {name: _value(getattr(identity, field)) for field, name in _HEADERS.items()}
    return {"Authorization": authorization, **values}


def _value(value: str | Iterable[str]) -> str:
    if isinstance(value, str):
        return quote(value, safe=_PLAIN)
    return ",".join(quote(item, safe=_PLAIN_IN_LISTS) for item in value)
