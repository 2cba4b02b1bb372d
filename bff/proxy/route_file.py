"""The file of `ROUTES`: TOML to a table. All faults are collected, each with its place and remedy."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from bff.proxy.route_checks import Surroundings, faults_between, own_path_fault, upstream_fault
from bff.proxy.route_table import (
    DEFAULT_ROLES_CLAIM,
    Access,
    HealthCheck,
    Policy,
    ProxyRoute,
    RouteTable,
    UpstreamAddress,
)
from bff.proxy.route_values import (
    ACR_VALUE,
    CLAIM,
    LONGEST_ACR_VALUES,
    METHOD,
    NAME,
    ROLE,
    SCOPE,
    Form,
    parse_path,
    parse_size,
    parse_upstream,
)
from common.env import parse_duration

DEFAULT_PREFIX: Final = "/api/"
_ACCESSES: Final[tuple[Access, ...]] = ("anonymous", "optional", "required")
_ANSWER_TIMEOUT, _CONNECT_TIMEOUT, _HEALTH_INTERVAL = "60s", "5s", "10s"
_FILE_KEYS = ("roles_claim", "route")
ROUTE_KEYS = (
    "prefix",
    "name",
    "upstream",
    "policy",
    "scopes",
    "roles",
    "acr",
    "methods",
    "strip_prefix",
    "answer_timeout",
    "connect_timeout",
    "body_limit",
    "health",
    "health_interval",
    "forward_auth",
)
# What says how to forward, which a route for forward-auth alone never does.
_FORWARDING_KEYS = (
    "upstream",
    "strip_prefix",
    "answer_timeout",
    "connect_timeout",
    "body_limit",
    "health",
    "health_interval",
)


@dataclass(frozen=True)
class RouteFile:
    """What was found. `faults` are sentences; with any of them, the table is not to be used."""

    table: RouteTable
    faults: tuple[str, ...]
    uses_backend: bool


def backend_route(backend: str) -> ProxyRoute:
    """The route that stands where there is no file: `/api/` with the user's bearer, to `BACKEND`."""
    return ProxyRoute(name=DEFAULT_PREFIX, prefix=DEFAULT_PREFIX, upstreams=(parse_upstream(backend),))


def load_routes(path: Path, backend: str | None, surroundings: Surroundings) -> RouteFile:
    """The routes of this file. `backend` is the upstream of routes that name none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        kind = type(error).__name__
        return _unusable(
            f"ROUTES {path} cannot be read ({kind}): check the path, its rights, and that it is UTF-8."
        )
    return read_routes(text, str(path), backend, surroundings)


def read_routes(text: str, file: str, backend: str | None, surroundings: Surroundings) -> RouteFile:
    """As `load_routes`, for a text; `file` is its name in the faults."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _unusable(f"ROUTES {file} is not TOML: {error}.")
    keys = _Keys(document, f"ROUTES {file}", _FILE_KEYS)
    roles_claim = keys.word("roles_claim", CLAIM) or DEFAULT_ROLES_CLAIM
    tables = _route_tables(keys, document)
    rows = [_Row(file, number, table, backend) for number, table in enumerate(tables, start=1)]
    found = [(row.place, route) for row in rows if (route := row.route(surroundings)) is not None]
    faults = [*keys.faults, *(fault for row in rows for fault in row.faults)]
    faults += [f"ROUTES {file}, {fault}." for fault in faults_between(found)]
    routes = [route for _, route in found]
    # Prefixes that collide make no table, and what was refused is not used.
    table = RouteTable([] if faults else routes, surroundings.own, roles_claim=roles_claim)
    return RouteFile(table, tuple(faults), any(_needs_backend(table) for table in tables))


def _unusable(fault: str) -> RouteFile:
    # Nobody knows whether it would have used BACKEND: no second fault for that.
    return RouteFile(RouteTable([]), (fault,), uses_backend=True)


def _needs_backend(table: Mapping[str, object]) -> bool:
    return "upstream" not in table and table.get("forward_auth") is not True


def _route_tables(keys: "_Keys", document: Mapping[str, object]) -> list[Mapping[str, object]]:
    tables = document.get("route", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        keys.fault("route is not written as [[route]], in two brackets: write each route so")
        return []
    if not tables:
        keys.fault("there is no [[route]], so nothing would be forwarded: write one")
    return tables


class _Row:
    """One `[[route]]`, by its number in the file."""

    def __init__(self, file: str, number: int, table: Mapping[str, object], backend: str | None) -> None:
        prefix = table.get("prefix")
        self.place = f"route {number} ({prefix!r})" if isinstance(prefix, str) else f"route {number}"
        self._keys = _Keys(table, f"ROUTES {file}, {self.place}", ROUTE_KEYS)
        self._backend = backend

    @property
    def faults(self) -> list[str]:
        return self._keys.faults

    def route(self, surroundings: Surroundings) -> ProxyRoute | None:
        """None without a usable prefix: then there is nothing to compare with the others."""
        keys = self._keys
        prefix = keys.path("prefix")
        route = ProxyRoute(
            name=keys.word("name", NAME) or prefix or "",
            prefix=prefix or "",
            upstreams=() if self._is_forward_auth() else self._upstreams(surroundings),
            policy=self._policy(),
            methods=self._methods(),
            strip_prefix=keys.flag("strip_prefix"),
            answer_timeout_s=keys.duration_s("answer_timeout", _ANSWER_TIMEOUT),
            connect_timeout_s=keys.duration_s("connect_timeout", _CONNECT_TIMEOUT),
            body_limit=keys.size("body_limit"),
            health=self._health(),
        )
        if prefix is None:
            keys.fault_once("prefix", 'prefix is missing: write one, such as prefix = "/shop/"')
            return None
        if (collision := own_path_fault(route, surroundings)) is not None:
            keys.fault(collision)
        return route

    def _is_forward_auth(self) -> bool:
        keys = self._keys
        if not keys.flag("forward_auth"):
            return False
        unused = [name for name in _FORWARDING_KEYS if keys.has(name)]
        if unused:
            keys.fault(
                f"{', '.join(unused)} would never count: a route with forward_auth = true is only judged, "
                "at /verify, and another proxy forwards. Take one or the other out"
            )
        return True

    def _upstreams(self, surroundings: Surroundings) -> tuple[UpstreamAddress, ...]:
        keys = self._keys
        texts = keys.words("upstream") or ((self._backend,) if self._backend else ())
        if not texts:
            keys.fault_once(
                "upstream", "upstream is missing and BACKEND is not set: write where the service is"
            )
        found = []
        for text in texts:
            try:
                found.append(parse_upstream(text))
            except ValueError as error:
                keys.fault(f"upstream {error}")
        for address in found:
            if (fault := upstream_fault(address, surroundings)) is not None:
                keys.fault(f"upstream {address} {fault}")
        if len({_kind(address) for address in found}) > 1:
            # One that falls back from https to http would send bearers in clear without a word.
            keys.fault("upstream mixes http, https and unix: use one of them for all of a route")
        if len(set(found)) != len(found):
            keys.fault("upstream has an address twice: write each once")
        return tuple(found)

    def _policy(self) -> Policy:
        keys = self._keys
        access = keys.choice("policy", _ACCESSES, "required")
        scopes, roles = keys.words("scopes", SCOPE), keys.words("roles", ROLE)
        acr = keys.words("acr", ACR_VALUE)
        if access != "required" and (scopes or roles or acr):
            # Whoever is refused as a user would be let in by signing out.
            keys.fault(f'scopes, roles and acr need a session: use policy = "required", not "{access}"')
        if len(" ".join(acr)) > LONGEST_ACR_VALUES:
            keys.fault(f"acr is longer than /login/start takes: use {LONGEST_ACR_VALUES} characters in all")
        return Policy(cast("Access", access), frozenset(scopes), frozenset(roles), acr)

    def _methods(self) -> frozenset[str] | None:
        methods = frozenset(self._keys.words("methods", METHOD))
        if not methods:
            return None
        # RFC 9110 9.3.2: HEAD is GET without the body.
        return methods | {"HEAD"} if "GET" in methods else methods

    def _health(self) -> HealthCheck | None:
        keys = self._keys
        path = keys.path("health")
        interval_s = keys.duration_s("health_interval", _HEALTH_INTERVAL)
        if keys.has("health_interval") and not keys.has("health"):
            keys.fault('health_interval is set without health: write the path to ask, such as "/healthz"')
        return None if path is None else HealthCheck(path, interval_s)


def _kind(address: UpstreamAddress) -> Literal["unix", "http", "https"]:
    return address.scheme if address.unix_path is None else "unix"


class _Keys:
    """Reads one TOML table. A fault is noted and a harmless value given, so that all are found."""

    def __init__(self, table: Mapping[str, object], where: str, known: Collection[str]) -> None:
        self._table = table
        self._where = where
        self._told: set[str] = set()
        self.faults: list[str] = []
        for name in table.keys() - set(known):
            self.fault(f"{name!r} is no key here: use {', '.join(known)}")

    def fault(self, sentence: str) -> None:
        self.faults.append(f"{self._where}: {sentence}.")

    def fault_once(self, name: str, sentence: str) -> None:
        """Unless something was already said of this key."""
        if name not in self._told:
            self.fault(sentence)

    def has(self, name: str) -> bool:
        return name in self._table

    def words(self, name: str, form: Form | None = None) -> tuple[str, ...]:
        """A text, or a list of texts; empty when the key is not there, never otherwise without a fault."""
        if name not in self._table:
            return ()
        value = self._table[name]
        words = [word for word in (value if isinstance(value, list) else [value]) if isinstance(word, str)]
        if not all(words) or len(words) != (len(value) if isinstance(value, list) else 1) or not words:
            self._fault_of(name, "must be a text or a list of texts, and not be empty")
            return ()
        for word in words:
            if form is not None and not form.pattern.fullmatch(word):
                self._fault_of(name, f"has {word!r}: {form.remedy}")
        return tuple(words)

    def word(self, name: str, form: Form) -> str | None:
        value = self._text(name)
        if value is not None and not form.pattern.fullmatch(value):
            self._fault_of(name, f"is {value!r}: {form.remedy}")
        return value

    def choice(self, name: str, options: Collection[str], default: str) -> str:
        value = self._text(name) or default
        if value not in options:
            self._fault_of(name, f"is {value!r}: use one of {', '.join(options)}")
            return default
        return value

    def path(self, name: str) -> str | None:
        value = self._text(name)
        try:
            return None if value is None else parse_path(value)
        except ValueError as error:
            self._fault_of(name, f"is {value!r}: {error}")
            return None

    def flag(self, name: str) -> bool:
        value = self._table.get(name, False)
        if not isinstance(value, bool):
            self._fault_of(name, "must be true or false, without quotes")
        return value is True

    def duration_s(self, name: str, default: str) -> float:
        value = self._text(name) or default
        try:
            return parse_duration(value).total_seconds()
        except ValueError as error:
            self._fault_of(name, f"is {value!r}: {error}")
            return parse_duration(default).total_seconds()

    def size(self, name: str) -> int | None:
        if name not in self._table:
            return None
        try:
            return parse_size(self._table[name])
        except ValueError as error:
            self._fault_of(name, f"is {self._table[name]!r}: {error}")
            return None

    def _text(self, name: str) -> str | None:
        if name not in self._table:
            return None
        value = self._table[name]
        if not isinstance(value, str) or not value:
            self._fault_of(name, "must be a text in quotes, and not be empty")
            return None
        return value

    def _fault_of(self, name: str, sentence: str) -> None:
        self._told.add(name)
        self.fault(f"{name} {sentence}")
