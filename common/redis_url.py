"""The address of a Redis store, as an operator writes it. Pure: nothing is connected here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote

RedisKind = Literal["standalone", "sentinel", "cluster"]

_KINDS: Mapping[str, RedisKind] = {"": "standalone", "sentinel": "sentinel", "cluster": "cluster"}
_DEFAULT_PORTS: Mapping[RedisKind, int] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}
_OPTIONS = frozenset({"ca_file", "sentinel_password"})
_HIGHEST_PORT = 65535
_HIGHEST_DATABASE = 9999


class RedisAddressError(ValueError):
    """The address cannot be used. The text says why and quotes nothing: there may be a password in it."""


@dataclass(frozen=True, repr=False)
class RedisAddress:
    """Where the store is and what opens it. `service` is the name that Sentinels know it by."""

    kind: RedisKind
    hosts: tuple[tuple[str, int], ...]
    is_tls: bool = False
    username: str | None = None
    password: str | None = None
    database: int = 0
    service: str = ""
    ca_file: str | None = None
    sentinel_password: str | None = None

    def __repr__(self) -> str:
        return f"RedisAddress({self.kind}, ***)"


def parse_redis_address(text: str) -> RedisAddress:
    """Raises `RedisAddressError` with what is wrong and what to write instead."""
    scheme, separator, rest = text.partition("://")
    transport, _, kind_name = scheme.partition("+")
    kind = _KINDS.get(kind_name)
    if not separator or transport not in {"redis", "rediss"} or kind is None:
        raise RedisAddressError(
            "must be memory:, or begin with redis://, redis+sentinel:// or redis+cluster:// "
            "(rediss in place of redis for TLS)"
        )
    if "#" in rest or not rest.isprintable() or " " in rest:
        raise RedisAddressError("has a # or an odd character: write them percent-encoded (%23 for #)")
    location, _, query = rest.partition("?")
    authority, _, path = location.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    username, password = _credentials(credentials)
    service, database = _place(kind, path)
    options = _options(query)
    is_tls = transport == "rediss"
    _check_options(options, kind, is_tls=is_tls)
    return RedisAddress(
        kind=kind,
        hosts=_hosts(kind, hosts),
        is_tls=is_tls,
        username=username,
        password=password,
        database=database,
        service=service,
        ca_file=options.get("ca_file"),
        sentinel_password=options.get("sentinel_password"),
    )


def _credentials(text: str) -> tuple[str | None, str | None]:
    username, separator, password = text.partition(":")
    if "@" in text or "/" in text:
        raise RedisAddressError("has an @ or / in its credentials: write them percent-encoded (%40, %2F)")
    if text and not (separator and password):
        raise RedisAddressError("names a user without a password: write user:password@ or :password@")
    return unquote(username) or None, unquote(password) or None


def _hosts(kind: RedisKind, text: str) -> tuple[tuple[str, int], ...]:
    hosts = tuple(_host(word, _DEFAULT_PORTS[kind]) for word in text.split(","))
    if kind == "standalone" and len(hosts) > 1:
        raise RedisAddressError(
            "names several hosts: that needs redis+sentinel:// or redis+cluster:// at its beginning"
        )
    return hosts


def _host(text: str, default_port: int) -> tuple[str, int]:
    name, port = text, str(default_port)
    if text.startswith("["):
        name, _, after = text[1:].partition("]")
        port = after.removeprefix(":") or port
    elif ":" in text:
        name, _, port = text.partition(":")
    if not name:
        raise RedisAddressError("names no host: write host or host:port, several parted by commas")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT):
        raise RedisAddressError("has a port that is no number up to 65535: write host:port")
    return name, int(port)


def _place(kind: RedisKind, path: str) -> tuple[str, int]:
    """The service and the database: `/service/db` for Sentinel, `/db` for one server, none in a cluster."""
    first, _, second = path.partition("/")
    service, database = (first, second) if kind == "sentinel" else ("", path)
    if kind == "sentinel" and not service:
        raise RedisAddressError("names no service: write redis+sentinel://host1,host2/service")
    if kind == "cluster" and database not in {"", "0"}:
        raise RedisAddressError("names a database: a cluster has only the first one, so leave it out")
    if database and not (database.isascii() and database.isdigit() and int(database) <= _HIGHEST_DATABASE):
        raise RedisAddressError("has a database that is no number: write its index, such as /0, or nothing")
    return unquote(service), int(database or 0)


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if not set(options) <= _OPTIONS or len(options) != len(pairs) or not all(options.values()):
        raise RedisAddressError("has an option that is unknown, empty or given twice: see docs/sessions.md")
    return options


def _check_options(options: Mapping[str, str], kind: RedisKind, *, is_tls: bool) -> None:
    ca_file = options.get("ca_file")
    if ca_file is not None and not is_tls:
        raise RedisAddressError("has a ca_file but no TLS: begin it with rediss")
    if ca_file is not None and not Path(ca_file).is_file():
        raise RedisAddressError("has a ca_file that cannot be found: check the path and its rights")
    if "sentinel_password" in options and kind != "sentinel":
        raise RedisAddressError("has a sentinel_password, which is for redis+sentinel:// alone")
