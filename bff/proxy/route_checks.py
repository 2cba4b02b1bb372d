"""Routes against each other and against the agent itself: each fault is a sentence with its remedy."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bff.proxy.route_table import ProxyRoute, UpstreamAddress, below
from common.env import ListenAddress, is_loopback

# The first segments of bff/routes.py, reserved in all modes: agents of both modes may share a file.
OWN_SEGMENTS: Final = (
    "backchannel-logout",
    "claims",
    "login",
    "logout",
    "refresh",
    "session",
    "sessions",
    "user_info",
    "userinfo",
)


@dataclass(frozen=True)
class Surroundings:
    """What a route must not collide with. `mounts`: where the routes and endpoints stand besides the root."""

    public_url: str
    mounts: tuple[str, ...]
    listeners: tuple[ListenAddress, ...]

    @property
    def own(self) -> tuple[str, ...]:
        """The prefixes that no route can have."""
        return (*(f"/{segment}" for segment in OWN_SEGMENTS), *self.mounts)


def own_path_fault(route: ProxyRoute, surroundings: Surroundings) -> str | None:
    """A route beside the agent's own endpoints. `/` is everything but them, which needs no telling."""
    for own in surroundings.own:
        if below(route.prefix).startswith(below(own)):
            return f"{own} is the agent's own, so nothing would reach this route: choose another prefix"
        if route.prefix != "/" and below(own).startswith(below(route.prefix)):
            return f"it would hide {own}, which is the agent's own: choose another prefix"
    return None


def upstream_fault(address: UpstreamAddress, surroundings: Surroundings) -> str | None:
    """An upstream that is this agent: requests would go round in circles, or reach the private listener."""
    if str(address).removesuffix(address.base_path) == surroundings.public_url:
        return "is PUBLIC_URL itself: name the service that is behind this door"
    if any(_is_at(address, listener) for listener in surroundings.listeners):
        return "is this agent itself: name the service that is behind this door"
    return None


def faults_between(routes: Sequence[tuple[str, ProxyRoute]]) -> Iterator[str]:
    """Each route comes with where it stands in the file."""
    for (place, route), (other_place, other) in combinations(routes, 2):
        if route.name == other.name and route.prefix != other.prefix:
            yield f"{other_place}: the name {other.name!r} is that of {place} as well: give it another"
        if route.prefix == other.prefix:
            yield f"{other_place}: {place} has the same prefix, so one would never be used: keep one"
        elif below(route.prefix) == below(other.prefix):
            yield (
                f"{other_place}: {place} differs by a slash only, so one takes what the other means: keep "
                f"{route.prefix.rstrip('/')}, which takes that path and all below"
            )
        else:
            yield from _open_edges(place, route, other_place, other)


def _open_edges(place: str, route: ProxyRoute, other_place: str, other: ProxyRoute) -> Iterator[str]:
    """`/admin/` within `/` leaves `/admin` to the policy of `/`, and most services serve both alike."""
    for inner_place, inner, outer_place, outer in (
        (place, route, other_place, other),
        (other_place, other, place, route),
    ):
        is_inside = below(inner.prefix).startswith(below(outer.prefix))
        if is_inside and inner.prefix.endswith("/") and inner.policy != outer.policy:
            edge = inner.prefix.rstrip("/")
            yield (
                f"{inner_place}: {edge} itself would fall to {outer_place}, which has another policy: write "
                f"the prefix as {edge}"
            )


def _is_at(address: UpstreamAddress, listener: ListenAddress) -> bool:
    if address.unix_path is not None or address.port != listener.port:
        return False
    return address.host == listener.host or (_is_here(address.host) and _is_here(listener.host))


def _is_here(host: str) -> bool:
    """This machine, or all of its addresses."""
    try:
        return ipaddress.ip_address(host).is_unspecified or is_loopback(f"http://{_bracketed(host)}")
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
