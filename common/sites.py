"""What browsers call one site: the scheme and the part of the host that its owner registered."""

import ipaddress
from functools import cache

from publicsuffixlist import PublicSuffixList
from yarl import URL


def is_same_site(one: str, other: str) -> bool:
    """Whether a cookie with `SameSite` set at one of these origins is sent to the other; ports do not count.

    Schemes count, as in current browsers (schemeful same-site).
    """
    first, second = URL(one), URL(other)
    return first.scheme == second.scheme and _site(first.host or "") == _site(second.host or "")


def _site(host: str) -> str:
    """The registrable domain; the host itself where there is none (`localhost`, an address, `co.uk`)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        registered: str | None = _public_suffixes().privatesuffix(host)
        return registered or host


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()
