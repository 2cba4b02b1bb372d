"""What is an address for us, what an origin, and what is this machine: `common.env`, the pure part."""

import pytest

from common.env import as_origin, is_loopback, is_plain_http_url


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example",
        "http://127.0.0.1:8080/path/x;y=1",
        "https://[2001:db8::1]:8443/",
        "https://a.example/realms/one%20two",
        "https://xn--bcher-kva.example",
    ],
)
def test_a_plain_address_is_taken(address: str) -> None:
    assert is_plain_http_url(address)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("", id="empty"),
        pytest.param("a.example", id="no scheme"),
        pytest.param("//a.example", id="scheme-relative"),
        pytest.param("/path", id="path"),
        pytest.param("ftp://a.example", id="another scheme"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("https:a.example", id="no slashes"),
        pytest.param("https:/a.example", id="one slash"),
        pytest.param("https:///path", id="no host"),
        pytest.param("HTTP://a.example", id="capitals, which a comparison with http: would miss"),
        pytest.param("https://user@a.example", id="user"),
        pytest.param("https://a.example?x=1", id="query"),
        pytest.param("https://a.example#x", id="fragment"),
        pytest.param("https://a.example\\b", id="backslash"),
        pytest.param("https://a.example/x y", id="blank"),
        pytest.param("https://a.example/\r\nX: y", id="line break"),
        pytest.param("https://a.example/\x00", id="NUL"),
        pytest.param("https://bücher.example", id="not ASCII"),
        pytest.param("https://a.example/<x>", id="brackets"),
        pytest.param('https://a.example/"', id="quote"),
        pytest.param("https://a.example:99999", id="port too high"),
        pytest.param("https://a.example:x", id="port is a word"),
        pytest.param("https://[::1", id="half an IPv6 address"),
        pytest.param("https://[a.example]", id="name in brackets"),
    ],
)
def test_anything_else_is_no_plain_address(address: str) -> None:
    assert not is_plain_http_url(address)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        pytest.param("https://a.example", "https://a.example", id="as it is"),
        pytest.param("https://a.example/", "https://a.example", id="slash at the end"),
        pytest.param("https://A.EXAMPLE", "https://a.example", id="capitals"),
        pytest.param("https://a.example:443", "https://a.example", id="default port of https"),
        pytest.param("http://a.example:80", "http://a.example", id="default port of http"),
        pytest.param("http://a.example:443", "http://a.example:443", id="default port of another scheme"),
        pytest.param("https://a.example/x", None, id="path"),
        pytest.param("https://a.example//", None, id="two slashes"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(address: str, origin: str | None) -> None:
    assert as_origin(address) == origin


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("http://127.8.9.10", True),
        ("http://[::1]:8080", True),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://notlocalhost", False),
    ],
)
def test_only_this_machine_is_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected
