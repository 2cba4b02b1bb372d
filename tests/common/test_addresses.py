"""Who asks: forwarding headers are believed only as far as configured proxies vouch for them."""

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.addresses import client_address, is_within

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("10.0.0.1", ["203.0.113.9"], "203.0.113.9", id="one proxy"),
        pytest.param("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9", id="two proxies"),
        pytest.param("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9", id="two lines"),
        pytest.param("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9", id="the client wrote the left one"),
        pytest.param("10.0.0.1", ["10.0.0.9, 203.0.113.9"], "203.0.113.9", id="it claims to be a proxy"),
        pytest.param("10.0.0.1", ["6.6.6.6", "203.0.113.9, 10.0.0.2"], "203.0.113.9", id="a forged line"),
        pytest.param("203.0.113.9", ["6.6.6.6"], "203.0.113.9", id="no proxy of ours"),
        pytest.param("203.0.113.9", ["10.0.0.1"], "203.0.113.9", id="no proxy of ours, poses as one"),
        pytest.param("10.0.0.1", [], "10.0.0.1", id="no header"),
        pytest.param("10.0.0.1", [""], "10.0.0.1", id="empty header"),
        pytest.param("10.0.0.1", ["junk"], "10.0.0.1", id="junk"),
        pytest.param("10.0.0.1", ["6.6.6.6, junk"], "10.0.0.1", id="junk hides what is left of it"),
        pytest.param("10.0.0.1", ["6.6.6.6, , 10.0.0.2"], "10.0.0.2", id="an empty hop does too"),
        pytest.param("10.0.0.1", ["203.0.113.9:4711"], "10.0.0.1", id="with a port"),
        pytest.param("10.0.0.1", ["unknown"], "10.0.0.1", id="unknown"),
        pytest.param("10.0.0.1", ["2001:db8::7"], "2001:db8::7", id="IPv6 client"),
        pytest.param("fd00::1", ["2001:db8::7, fd00::2"], "2001:db8::7", id="IPv6 proxies"),
        pytest.param("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9", id="proxy as a mapped address"),
        pytest.param(
            "10.0.0.1", ["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9", id="hop as a mapped address"
        ),
        pytest.param("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3", id="all are proxies: the farthest"),
        pytest.param("unix", ["203.0.113.9"], "unix", id="no address at all"),
    ],
)
def test_the_client_is_the_nearest_address_that_no_proxy_speaks_for(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert client_address(peer, forwarded, TRUSTED) == expected


def test_without_configured_proxies_no_header_counts() -> None:
    assert client_address("10.0.0.1", ["6.6.6.6"], ()) == "10.0.0.1"


@settings(deadline=None)  # a machine that is busy makes no example wrong
@given(forwarded=st.lists(st.text(max_size=60), max_size=4))
def test_whatever_the_client_writes_the_address_that_the_proxy_adds_wins(forwarded: list[str]) -> None:
    assert client_address("10.0.0.1", [*forwarded, "203.0.113.9"], TRUSTED) == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:11.0.0.1", False),
        ("fd12::1", True),
        ("fe80::1", False),
        ("", False),
        ("10.0.0", False),
        ("10.0.0.1\n", False),
        ("010.0.0.1", False),
    ],
)
def test_an_address_is_within_its_networks_only(
    address: str,
    expected: bool,
) -> None:
    assert is_within(address, TRUSTED) is expected
