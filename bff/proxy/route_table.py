"""The proxied routes: what a route says, and which one a path belongs to.

`route_file` makes the table of a file. The longest prefix wins; the order in the file means nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

Access = Literal["anonymous", "optional", "required"]
Scheme = Literal["http", "https"]

DEFAULT_PORTS: Final[dict[Scheme, int]] = {"http": 80, "https": 443}
# TRACE answers with what it was asked, bearer included; CONNECT asks for a tunnel.
NEVER_FORWARDED: Final = frozenset({"TRACE", "CONNECT"})
DEFAULT_ROLES_CLAIM: Final = "roles"

_MOST_DECODINGS = 3


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """Where a service listens. `base_path` begins with a slash and ends without one, or is empty."""

    scheme: Scheme
    host: str
    port: int
    unix_path: str | None = None
    base_path: str = ""

    @property
    def authority(self) -> str:
        """What stands in `Host`: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """As it is written in the file."""
        if self.unix_path is not None:
            return f"unix:{self.unix_path}"
        return f"{self.scheme}://{self.authority}{self.base_path}"


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may use a route. All of `scopes`, one of `roles`, one of `acr`; what is empty is not asked.

    `anonymous`: everybody, and no bearer goes up. `optional`: everybody, with the bearer of the session where
    there is one. `required`: a session.
    """

    access: Access = "required"
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    acr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """`path` as the service sees it: the base path of an upstream is not put before it."""

    path: str
    interval_s: float


@dataclass(frozen=True, slots=True)
class ProxyRoute:
    """One `[[route]]`. A prefix `/x/` takes what is below it, `/x` that path itself as well.

    `name` is the label in logs and metrics. Without `upstreams` it is for forward-auth alone, and nothing is
    forwarded here. `methods`: None is all but TRACE and CONNECT. `body_limit` is in bytes; None is no limit
    of this route.
    """

    name: str
    prefix: str
    upstreams: tuple[UpstreamAddress, ...]
    policy: Policy = Policy()
    methods: frozenset[str] | None = None
    strip_prefix: bool = False
    answer_timeout_s: float = 60.0
    connect_timeout_s: float = 5.0
    body_limit: int | None = None
    health: HealthCheck | None = None

    def allows(self, method: str) -> bool:
        if self.methods is None:
            return method not in NEVER_FORWARDED
        return method in self.methods

    def target_at(self, address: UpstreamAddress, target: str) -> str:
        """What is asked of this upstream for a target (path and query) that belongs to this route."""
        if self.strip_prefix:
            target = target[len(self.prefix.rstrip("/")) :]
            # `/x?y` without `/x` has no path left.
            target = target if target.startswith("/") else f"/{target}"
        return address.base_path + target


_Row: TypeAlias = tuple[str, str | None, ProxyRoute | None, bool]
"""What paths begin with; the one path beside those; the route (None: our own); whether others are inside."""


class RouteTable:
    """`own` are the prefixes of the agent's own endpoints: no route takes a path of theirs."""

    def __init__(
        self,
        routes: Iterable[ProxyRoute],
        own: Sequence[str] = (),
        *,
        roles_claim: str = DEFAULT_ROLES_CLAIM,
    ) -> None:
        self.routes = tuple(routes)
        self.own = tuple(own)
        self.roles_claim = roles_claim
        rows = _rows(self.routes, self.own)
        self._anywhere = tuple(row for row in rows if row[0] == "/")
        self._by_segment = {
            segment: tuple(row for row in rows if _first_segment(row[0]) in {segment, ""})
            for segment in {_first_segment(row[0]) for row in rows}
        }

    def match(self, path: str) -> ProxyRoute | None:
        """The route with the longest prefix; None when the path is nobody's, or the agent's own.

        `path` is as received, without its query. What is forwarded passes `paths.refusal_of` as well: dot
        segments and encoded slashes are refused there, and not looked for here.
        """
        route, has_inside = self._longest(path)
        if has_inside and ("%" in path or ";" in path) and self._is_disguised(path, route):
            return None
        return route

    def _longest(self, path: str) -> tuple[ProxyRoute | None, bool]:
        end = path.find("/", 1)
        segment = path[1:end] if end > 0 else path[1:]
        for below, itself, route, has_inside in self._by_segment.get(segment, self._anywhere):
            if path.startswith(below) or path == itself:
                return route, has_inside
        return None, False

    def folded(self) -> "RouteTable":
        """The same for readers that do not tell upper from lower case: it matches paths in lower case."""
        routes = [replace(route, prefix=route.prefix.casefold()) for route in self.routes]
        return RouteTable(routes, [own.casefold() for own in self.own], roles_claim=self.roles_claim)

    def _is_disguised(self, path: str, route: ProxyRoute | None) -> bool:
        """Whether another reader of the path could take it for one of another route.

        Without this, `/%61dmin/x` and `/admin;/x` would get the policy of `/` here and be served as
        `/admin/x` behind us.
        """
        plain = plainest(path)
        return plain is None or self._longest(plain)[0] is not route


def _rows(routes: Sequence[ProxyRoute], own: Sequence[str]) -> list[_Row]:
    """Longest first, so that the first that fits is the one."""
    owners: list[tuple[str, ProxyRoute | None]] = [(route.prefix, route) for route in routes]
    owners += [(prefix, None) for prefix in own]
    prefixes = [prefix for prefix, _ in owners]
    rows = [
        (below(prefix), None if prefix.endswith("/") else prefix, route, _has_inside(prefix, prefixes))
        for prefix, route in owners
    ]
    return sorted(rows, key=lambda row: len(row[0]), reverse=True)


def below(prefix: str) -> str:
    """What the paths below a prefix begin with."""
    return prefix if prefix.endswith("/") else f"{prefix}/"


def _has_inside(prefix: str, prefixes: Iterable[str]) -> bool:
    return any(other != prefix and below(other).startswith(below(prefix)) for other in prefixes)


def _first_segment(prefix: str) -> str:
    return prefix.split("/")[1]


def plainest(path: str) -> str | None:
    """Decoded until nothing is left to decode, path parameters taken out; None when that takes too long."""
    for _ in range(_MOST_DECODINGS):
        decoded = unquote(path)
        if decoded == path:
            return "/".join(segment.partition(";")[0] for segment in path.split("/"))
        path = decoded
    return None
