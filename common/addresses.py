"""Where a request comes from: forwarding headers count only when a configured proxy sent them."""

import ipaddress
from collections.abc import Sequence

from common.env import Network


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether a textual address lies in one of the networks. What is no address lies in none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The address of the client: the nearest one that no trusted proxy speaks for.

    `forwarded_for` holds the values of all `X-Forwarded-For` lines. They are read from the right, since
    whatever stands to the left of an untrusted address was written by the client itself.
    """
    address = peer
    hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
    while hops and is_within(address, trusted):
        hop = hops.pop()
        if not _is_address(hop):
            break
        address = hop
    return address


def _is_address(text: str) -> bool:
    if "%" in text:
        return False  # the zone of an IPv6 address may be any text, which would go into logs and headers
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
