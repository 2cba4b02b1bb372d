"""What browsers call one site, so that a cookie of one origin is sent from a page of the other."""

import pytest

from common.sites import is_same_site

SAME = {
    "the same origin": ("https://app.example.com", "https://app.example.com"),
    "another host of the domain": ("https://app.example.com", "https://admin.example.com"),
    "the domain itself": ("https://app.example.com", "https://example.com"),
    "deeper": ("https://a.b.c.example.com", "https://example.com"),
    "another port": ("https://app.example.com", "https://admin.example.com:8443"),
    "below a suffix of two words": ("https://a.shop.co.uk", "https://b.shop.co.uk"),
    "below a private suffix": ("https://a.me.github.io", "https://me.github.io"),
    "an exception of the list": ("https://a.city.kawasaki.jp", "https://city.kawasaki.jp"),
    "in capitals": ("https://APP.example.com", "https://admin.EXAMPLE.com"),
    "of a domain in another script": ("https://a.xn--mnchen-3ya.de", "https://xn--mnchen-3ya.de"),
    "localhost": ("http://localhost:8080", "http://localhost:5173"),
    "an address": ("http://127.0.0.1:8080", "http://127.0.0.1:5173"),
    "an IPv6 address": ("http://[::1]:8080", "http://[::1]:5173"),
    "a public suffix, with itself": ("https://github.io", "https://github.io"),
    "a suffix that the list does not know": ("https://a.doorward.internal", "https://b.doorward.internal"),
}

OTHER = {
    "another domain": ("https://app.example.com", "https://app.example.org"),
    "ours as the end of a word": ("https://example.com", "https://badexample.com"),
    "ours as the beginning": ("https://example.com", "https://example.com.evil.net"),
    "below the same suffix of two words": ("https://app.co.uk", "https://evil.co.uk"),
    "below the same private suffix": ("https://me.github.io", "https://evil.github.io"),
    "the private suffix itself": ("https://me.github.io", "https://github.io"),
    "below a wildcard of the list": ("https://a.kawasaki.jp", "https://b.kawasaki.jp"),
    "below a suffix in another script": ("https://a.xn--55qx5d.cn", "https://b.xn--55qx5d.cn"),
    "below a suffix that the list does not know": ("https://app.internal", "https://api.internal"),
    "two public suffixes": ("https://github.io", "https://co.uk"),
    "another scheme": ("https://app.example.com", "http://app.example.com"),
    "another address": ("http://127.0.0.1", "http://127.0.0.2"),
    "addresses with the same end": ("https://10.0.0.1", "https://192.0.0.1"),
    "an address as a name": ("https://10.0.0.1", "https://a.0.0.1"),
    "localhost and its address": ("http://localhost", "http://127.0.0.1"),
    "two hosts below localhost": ("http://a.localhost", "http://b.localhost"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_these_are_one_site(one: str, other: str) -> None:
    assert is_same_site(one, other)
    assert is_same_site(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER.keys())
def test_these_are_two(one: str, other: str) -> None:
    assert not is_same_site(one, other)
    assert not is_same_site(other, one)
