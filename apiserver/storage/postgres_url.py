"""The address of a PostgreSQL database, as an operator writes it. Nothing is connected here."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from apiserver.storage.location import PostgresAddress

SCHEME = "postgresql://"

_FORM = "postgresql://user:password@host:port/name"
_OPTIONS = frozenset({"host", "sslmode", "sslrootcert"})
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_HIGHEST_PORT = 65535


class PostgresAddressError(ValueError):
    """The address cannot be used. The text says why and quotes nothing: there may be a password in it."""


def parse_postgres_address(text: str) -> PostgresAddress:
    """Raises `PostgresAddressError` with what is wrong and what to write instead."""
    if not text.startswith(SCHEME):
        raise PostgresAddressError(f"is no address of PostgreSQL: write {_FORM}")
    if "#" in text or " " in text or not text.isprintable():
        raise PostgresAddressError("has a # or an odd character: write them percent-encoded (%23 for #)")
    place, _, query = text.removeprefix(SCHEME).partition("?")
    authority, _, name = place.partition("/")
    credentials, _, host = authority.rpartition("@")
    if "@" in credentials or "/" in name or "@" in name:
        raise PostgresAddressError("has an @ or / in its credentials: write them percent-encoded (%40, %2F)")
    if not credentials.partition(":")[0]:
        raise PostgresAddressError(f"names no user: write {_FORM}")
    if not name:
        raise PostgresAddressError(f"names no database: write {_FORM}")
    options = _options(query)
    _check_host(host, options)
    _check_tls(options)
    return PostgresAddress(text)


def without_password(address: PostgresAddress) -> str:
    """The address as it may stand on a command line."""
    authority, separator, rest = address.url.removeprefix(SCHEME).partition("/")
    credentials, _, host = authority.rpartition("@")
    return f"{SCHEME}{credentials.partition(':')[0]}@{host}{separator}{rest}"


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if not set(options) <= _OPTIONS or len(options) != len(pairs) or not all(options.values()):
        # Whatever is unknown would go to the server as a setting of it, and be refused there.
        raise PostgresAddressError(
            f"has an option that is unknown, empty or given twice: there are {', '.join(sorted(_OPTIONS))}"
        )
    return options


def _check_host(host: str, options: Mapping[str, str]) -> None:
    if bool(host) is ("host" in options):
        raise PostgresAddressError(
            f"must name one host: write {_FORM}, or postgresql://user@/name?host=/folder/of/the/socket"
        )
    after_name = host.rpartition("]")[2] if host.startswith("[") else host
    _, has_port, port = after_name.partition(":")
    if has_port and not (port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT):
        raise PostgresAddressError("has a port that is no number up to 65535: write host:port")


def _check_tls(options: Mapping[str, str]) -> None:
    mode, authorities = options.get("sslmode", "prefer"), options.get("sslrootcert")
    if mode not in _SSL_MODES:
        raise PostgresAddressError(f"has an unknown sslmode: use one of {', '.join(_SSL_MODES)}")
    if mode.startswith("verify") and authorities is None:
        raise PostgresAddressError(
            f"has sslmode={mode} but does not say who vouches for the server: add sslrootcert=/path/ca.pem"
        )
    if authorities is not None and not Path(authorities).is_file():
        raise PostgresAddressError("has an sslrootcert that cannot be found: check the path and its rights")
