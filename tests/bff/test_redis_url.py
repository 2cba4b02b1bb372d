"""What an operator may write as SESSION_STORE, and what is said of what they may not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bff.settings import read_settings
from common.env import SettingsError
from common.randomness import SystemRandomness
from common.redis_url import RedisAddress, RedisAddressError, parse_redis_address

NEEDED: Mapping[str, str] = {
    "OIDC_PROVIDER": "https://login.example.com",
    "OIDC_CLIENT_ID": "doorward",
    "BACKEND": "http://127.0.0.1:8082",
}
COOKIE_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://localhost", RedisAddress("standalone", (("localhost", 6379),))),
        ("redis://localhost:6380/2", RedisAddress("standalone", (("localhost", 6380),), database=2)),
        ("redis://[::1]:6380", RedisAddress("standalone", (("::1", 6380),))),
        ("redis://[::1]", RedisAddress("standalone", (("::1", 6379),))),
        ("rediss://r.example.com", RedisAddress("standalone", (("r.example.com", 6379),), is_tls=True)),
        ("redis://:p%40ss@h", RedisAddress("standalone", (("h", 6379),), password="p@ss")),
        ("redis://u:p@h", RedisAddress("standalone", (("h", 6379),), username="u", password="p")),
        ("redis+sentinel://a,b:1/main", RedisAddress("sentinel", (("a", 26379), ("b", 1)), service="main")),
        (
            "rediss+sentinel://:p@a/main/3?sentinel_password=s",
            RedisAddress(
                "sentinel",
                (("a", 26379),),
                is_tls=True,
                password="p",
                database=3,
                service="main",
                sentinel_password="s",
            ),
        ),
        ("redis+cluster://a,b:7001", RedisAddress("cluster", (("a", 6379), ("b", 7001)))),
    ],
)
def test_an_address_says_where_the_store_is(text: str, address: RedisAddress) -> None:
    assert parse_redis_address(text) == address


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("localhost:6379", "must be memory:, or begin with"),
        ("postgres://h", "must be memory:, or begin with"),
        ("redis+other://h", "must be memory:, or begin with"),
        ("http+cluster://h", "must be memory:, or begin with"),
        ("memory:x", "must be memory:, or begin with"),
        ("redis://", "names no host"),
        ("redis://:6379", "names no host"),
        ("redis+cluster://a,,b", "names no host"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:six", "port"),
        ("redis://h:²", "port"),
        ("redis://[::1]x", "port"),
        ("redis://a,b", "several hosts"),
        ("redis://h/one", "database"),
        ("redis://h/-1", "database"),
        ("redis+cluster://h/1", "database"),
        ("redis+sentinel://h", "names no service"),
        ("redis+sentinel://h//1", "names no service"),
        ("redis://user@h", "without a password"),
        ("redis://user:@h", "without a password"),
        ("redis://:a@b@h", "percent-encoded"),
        ("redis://:secret#1@h", "percent-encoded"),
        ("redis://:secret 1@h", "percent-encoded"),
        ("redis://h?ssl_cert_reqs=none", "option"),
        ("redis://h?ca_file=", "option"),
        ("rediss://h?ca_file=/a&ca_file=/b", "option"),
        ("redis://h?ca_file=/etc/hosts", "no TLS"),
        ("rediss://h?ca_file=/is/not/there", "cannot be found"),
        ("redis://h?sentinel_password=s", "sentinel_password"),
    ],
)
def test_a_wrong_address_is_refused_with_a_remedy(text: str, complaint: str) -> None:
    with pytest.raises(RedisAddressError, match=complaint):
        parse_redis_address(text)


def test_a_refusal_never_quotes_the_password() -> None:
    values = {**NEEDED, "SESSION_STORE": "redis://:top-secret@h:six", "COOKIE_KEY": COOKIE_KEY}

    with pytest.raises(SettingsError) as refused:
        read_settings(values, SystemRandomness())

    assert refused.value.faults == [
        "SESSION_STORE has a port that is no number up to 65535: write host:port."
    ]


def test_an_address_prints_no_password() -> None:
    values = {**NEEDED, "SESSION_STORE": "redis://:top-secret@h", "COOKIE_KEY": COOKIE_KEY}

    settings, secrets = read_settings(values, SystemRandomness())

    assert secrets.session_store is not None
    assert secrets.session_store.password == "top-secret"
    assert "top-secret" not in f"{settings!r} {secrets!r} {secrets.session_store!r}"


def test_an_address_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.write_text("redis://:top-secret@h\n")

    _, secrets = read_settings(
        {**NEEDED, "SESSION_STORE_FILE": str(path), "COOKIE_KEY": COOKIE_KEY}, SystemRandomness()
    )

    assert secrets.session_store == parse_redis_address("redis://:top-secret@h")


def test_sessions_that_outlive_the_process_need_a_key_that_does() -> None:
    with pytest.raises(SettingsError, match=r"^COOKIE_KEY is not set: nobody could open"):
        read_settings({**NEEDED, "SESSION_STORE": "redis://h"}, SystemRandomness())


@pytest.mark.parametrize("values", [{}, {"SESSION_STORE": "memory:"}])
def test_memory_is_the_default_and_needs_no_key(values: Mapping[str, str]) -> None:
    _, secrets = read_settings({**NEEDED, **values}, SystemRandomness())

    assert secrets.session_store is None
