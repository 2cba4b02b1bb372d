"""Address pools: one host number, two addresses; never those of the network itself."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.networks.addresses import Addresses, AddressPool, addresses_of, default_pool
from common.randomness import SystemRandomness
from tests.fakes.randomness import FixedRandomness

ULA = IPv6Network("fd12:3456:789a::/64")
SMALL = AddressPool(IPv4Network("10.9.0.0/30"), ULA)


def all_of(pool: AddressPool) -> list[Addresses]:
    return [addresses_of(pool, host) for host in range(pool.next_host, pool.last_host + 1)]


def test_a_30_pool_has_exactly_two_hosts() -> None:
    assert all_of(SMALL) == [
        Addresses("10.9.0.1", "fd12:3456:789a::1"),
        Addresses("10.9.0.2", "fd12:3456:789a::2"),
    ]


@pytest.mark.parametrize("host", [-1, 0, 3, 4, 2**32, 2**64, 2**128])
def test_a_number_that_is_no_host_has_no_addresses(host: int) -> None:
    with pytest.raises(ValueError, match="the pool has no host"):
        addresses_of(SMALL, host)


@pytest.mark.parametrize(
    ("ipv4", "hosts"), [("10.9.0.0/29", 6), ("10.9.0.0/24", 254), ("10.9.0.0/31", 0), ("10.9.0.1/32", 0)]
)
def test_a_pool_has_all_but_the_first_and_the_last_address(ipv4: str, hosts: int) -> None:
    pool = AddressPool(IPv4Network(ipv4), ULA)

    assert len(all_of(pool)) == hosts


def test_the_smaller_network_is_the_border() -> None:
    pool = AddressPool(IPv4Network("10.9.0.0/24"), IPv6Network("fd12::/126"))

    assert all_of(pool)[-1] == Addresses("10.9.0.3", "fd12::3")


@given(st.integers(16, 30), st.integers(120, 128))
def test_no_host_has_an_address_of_the_network_and_none_is_given_twice(ipv4: int, ipv6: int) -> None:
    pool = AddressPool(IPv4Network(("10.0.0.0", ipv4)), IPv6Network(("fd12::", ipv6)))
    given_out = all_of(pool)
    in_ipv4 = {IPv4Address(addresses.ipv4) for addresses in given_out}
    in_ipv6 = {IPv6Address(addresses.ipv6) for addresses in given_out}

    assert len(in_ipv4) == len(in_ipv6) == len(given_out)
    assert in_ipv4.isdisjoint({pool.ipv4_network[0], pool.ipv4_network.broadcast_address})
    assert pool.ipv6_network[0] not in in_ipv6
    assert all(address in pool.ipv4_network for address in in_ipv4)
    assert all(address in pool.ipv6_network for address in in_ipv6)


def test_the_default_pool_is_shared_address_space_and_a_unique_local_network() -> None:
    pool = default_pool(FixedRandomness(0xAB))

    assert pool == AddressPool(IPv4Network("100.64.0.0/10"), IPv6Network("fdab:abab:abab::/64"), 1)
    assert addresses_of(pool, 1) == Addresses("100.64.0.1", "fdab:abab:abab::1")
    assert addresses_of(pool, pool.last_host) == Addresses("100.127.255.254", "fdab:abab:abab::3f:fffe")


def test_each_tenant_has_an_ipv6_network_of_its_own() -> None:
    networks = {default_pool(SystemRandomness()).ipv6_network for _ in range(50)}

    assert len(networks) == 50
    assert all(network.subnet_of(IPv6Network("fd00::/8")) for network in networks)
