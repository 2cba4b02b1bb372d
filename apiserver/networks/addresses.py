"""Address pools: one host number gives a device its IPv4 and its IPv6 address. Pure.

So no device has one without the other, and what is free is one question, not two.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from common.randomness import Randomness

DEFAULT_IPV4_NETWORK = IPv4Network("100.64.0.0/10")  # shared address space (RFC 6598): seldom in use at home
_FIRST_HOST = 1
_ULA_PREFIX = 0xFD  # RFC 4193 section 3.1: locally assigned, then 40 random bits
_GLOBAL_ID_BYTES = 5


@dataclass(frozen=True, slots=True)
class AddressPool:
    """Hosts `1` to `last_host`; those from `next_host` on were never given out.

    Host 0 is nobody's: the network's address in IPv4, its routers' in IPv6 (RFC 4291 section 2.6.1). Nor is
    the IPv4 network's last, the broadcast address.
    """

    ipv4_network: IPv4Network
    ipv6_network: IPv6Network
    next_host: int = _FIRST_HOST

    @property
    def last_host(self) -> int:
        """The last one that both networks have."""
        return min(self.ipv4_network.num_addresses - 2, self.ipv6_network.num_addresses - 1)


@dataclass(frozen=True, slots=True)
class Addresses:
    ipv4: str
    ipv6: str


def default_pool(randomness: Randomness) -> AddressPool:
    """The pool of a new tenant: an IPv6 network of its own, the same IPv4 network as all, who never meet."""
    address = bytes([_ULA_PREFIX]) + randomness.token_bytes(_GLOBAL_ID_BYTES) + bytes(10)
    return AddressPool(DEFAULT_IPV4_NETWORK, IPv6Network((address, 64)))


def addresses_of(pool: AddressPool, host: int) -> Addresses:
    """The addresses of a host of the pool; raises `ValueError` for a number that is none."""
    if not _FIRST_HOST <= host <= pool.last_host:
        raise ValueError(f"the pool has no host {host}")
    return Addresses(str(pool.ipv4_network[host]), str(pool.ipv6_network[host]))
