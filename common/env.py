"""Settings from the environment: every value is cast and checked, every fault is collected and told at once.

`Environment` reads; each server's `settings.py` decides what the values mean together.
"""

import base64
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeAlias

from dotenv import dotenv_values
from yarl import URL

KEY_BYTES = 32
_KEY_FORM = f"{KEY_BYTES} random bytes in base64: make one with `openssl rand -base64 32`"

Network: TypeAlias = IPv4Network | IPv6Network

_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# Added to a date, far longer ones would leave the calendar: an error at the first login, not at the start.
_LONGEST_DURATION = timedelta(days=3650)
_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65535


class SettingsError(Exception):
    """The configuration cannot be used. `faults` holds a sentence for each thing that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class ListenAddress:
    """Where a listener binds. Port 0 lets the system choose one."""

    host: str
    port: int


def read_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """The process environment over the values of a `.env` file, where there is one."""
    from_file = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    return from_file | dict(os.environ)


class Environment:
    """Reads variables one by one. A fault is recorded and a harmless value given, so that all are found."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()
        self.faults: list[str] = []

    def fault(self, sentence: str) -> None:
        self.faults.append(sentence)

    def finish(self) -> None:
        """Raises `SettingsError` when anything was wrong."""
        if self.faults:
            raise SettingsError(self.faults)

    def optional(self, name: str) -> str | None:
        """The trimmed value; None when it is not set or empty."""
        self.names.add(name)
        return self._values.get(name, "").strip() or None

    def text(self, name: str, default: str | None = None) -> str:
        """A required text, unless there is a default."""
        value = self.optional(name) or default
        if value is None:
            self.fault(f"{name} is not set: it is required.")
            return ""
        return value

    def words(self, name: str, default: str = "") -> tuple[str, ...]:
        """Words parted by spaces or commas."""
        return tuple((self.optional(name) or default).replace(",", " ").split())

    def choice(self, name: str, options: tuple[str, ...], default: str) -> str:
        value = self.optional(name) or default
        if value not in options:
            self.fault(f"{name} is {value!r}: use one of {', '.join(options)}.")
            return default
        return value

    def flag(self, name: str) -> bool:
        """A switch that is off unless it is set to true or 1."""
        value = (self.optional(name) or "false").lower()
        if value not in {"true", "1", "false", "0"}:
            self.fault(f"{name} is {value!r}: use true or false.")
        return value in {"true", "1"}

    def duration(self, name: str, default: str) -> timedelta:
        """A time span such as 90s, 30m, 12h or 7d."""
        value = self.optional(name) or default
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fault(f"{name} is {value!r}: {error}.")
            return parse_duration(default)

    def url(self, name: str, default: str | None = None) -> str:
        """An absolute http or https address without credentials, query and fragment."""
        value = self.text(name, default)
        if value and not is_plain_http_url(value):
            self.fault(f"{name} must be an address such as https://host/path: no user, query or fragment.")
            return ""
        return value

    def optional_url(self, name: str) -> str | None:
        return self.url(name) if self.optional(name) else None

    def origin(self, name: str, default: str | None = None) -> str:
        """A scheme, host and port as browsers write it in `Origin`: lower case, no default port, no path."""
        value = self.url(name, default)
        if not value:
            return ""
        origin = as_origin(value)
        if origin is None:
            self.fault(f"{name} is {value!r}: it must be an origin such as https://app.example.com, no path.")
            return ""
        return origin

    def listen(self, name: str, default: str) -> ListenAddress:
        """A `host:port`; an IPv6 host stands in brackets."""
        value = self.optional(name) or default
        host, _, port = value.rpartition(":")
        is_port = _PORT.fullmatch(port) is not None and int(port) <= _HIGHEST_PORT
        if not host or not is_port:
            self.fault(f"{name} is {value!r}: write host:port, such as 127.0.0.1:8080 or [::1]:8080.")
            return ListenAddress("127.0.0.1", 0)
        return ListenAddress(host.removeprefix("[").removesuffix("]"), int(port))

    def networks(self, name: str) -> tuple[Network, ...]:
        """Address ranges in CIDR form; none by default."""
        found: list[Network] = []
        for word in self.words(name):
            try:
                found.append(ipaddress.ip_network(word))
            except ValueError:
                self.fault(f"{name} has {word!r}: write ranges such as 10.0.0.0/8 or 127.0.0.1/32.")
        return tuple(found)

    def secret(self, name: str) -> str | None:
        """A secret from the variable, or from the file that `NAME_FILE` names; None when neither is set."""
        value, path = self.optional(name), self.optional(f"{name}_FILE")
        if path is None:
            return value
        if value is not None:
            self.fault(f"{name} and {name}_FILE are both set: keep one of them.")
        try:
            content = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.fault(f"{name}_FILE cannot be read ({type(error).__name__}): check the path and its rights.")
            return None
        if not content:
            self.fault(f"{name}_FILE names an empty file: write the secret into it.")
        return content or None

    def keys(self, name: str) -> tuple[bytes, ...] | None:
        """Secret keys, at least one; None when none is set."""
        text = self.secret(name)
        if text is None:
            return None
        try:
            return parse_keys(text)
        except ValueError as error:
            self.fault(f"{name} must be {error}.")
            return ()


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Keys in base64 of any form, parted by commas or blanks. Raises `ValueError` with what is needed."""
    keys = tuple(_decoded_key(word) for word in text.replace(",", " ").split())
    if not keys or not all(len(key) == KEY_BYTES and len(set(key)) > 1 for key in keys):
        raise ValueError(_KEY_FORM)
    return keys


def _decoded_key(word: str) -> bytes:
    try:
        return base64.b64decode(
            word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4), validate=True
        )
    except ValueError:
        return b""


def parse_duration(text: str) -> timedelta:
    """A time span such as 90s, 30m, 12h or 7d. Raises `ValueError` with the remedy."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("write a number and a unit, such as 90s, 30m, 12h or 7d")
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if duration > _LONGEST_DURATION:
        raise ValueError(f"use at most {_LONGEST_DURATION.days}d")
    return duration


def is_plain_http_url(value: str) -> bool:
    """Whether it is an absolute http(s) address that carries no user, query, fragment or odd character."""
    if not value.isascii() or not value.isprintable() or set(value) & set(' \\"<>?#@'):
        return False
    # In lower case only, so that a comparison with "https:" never misses another spelling of http.
    if not value.startswith(("http://", "https://")):
        return False
    try:
        url = URL(value)
        return bool(url.host) and url.port is not None
    except ValueError:
        return False


def as_origin(value: str) -> str | None:
    """The origin of an address that has no path; None when it has one."""
    url = URL(value)
    return str(url.origin()) if url.raw_path == "/" else None


def is_loopback(url: str) -> bool:
    """Whether the address names this machine, so that plain http does not cross a network."""
    host = URL(url).host or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
