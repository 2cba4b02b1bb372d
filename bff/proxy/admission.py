"""Who may pass: the route of a request, its policy, its credential. The same rules for both forms.

`look` judges what the head alone tells, `judge` the rest once the session is read. They raise `ProblemError`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import parse_qs

from bff.access import missing_bearer, not_signed_in
from bff.csrf import SAFE_METHODS, cross_site_problem
from bff.csrf import refusal_of as refusal_of_origin
from bff.proxy.headers import CookieNames, Upward, upward
from bff.proxy.heads import RequestHead
from bff.proxy.paths import refusal_of as refusal_of_path
from bff.proxy.policy import refusal_of as refusal_of_policy
from bff.proxy.route_table import ProxyRoute, RouteTable, below, plainest
from bff.session.record import HotSession, SessionKey, is_usable
from bff.session.sessions import HotPart, Sessions
from common.problems import ProblemCode, ProblemError

# Each is for one of the rules below to read; which of two counts would be decided by whoever reads next.
_SAFE = frozenset(method.encode() for method in SAFE_METHODS)
_SINGLE = (b"origin", b"sec-fetch-site", b"x-csrf", b"upgrade")


@dataclass(frozen=True, slots=True)
class Mount:
    """Where the routes stand: for browsers with cookies, or for callers with their own bearer."""

    path: str
    table: RouteTable
    cookies: CookieNames
    takes_bearers: bool


@dataclass(slots=True)
class Admitted:
    """A request that may pass as far as its head tells. `key`: the session to be read first, if any.

    `part`: what that session opened, once there is a credential of it.
    """

    mount: Mount
    route: ProxyRoute
    target: str
    upward: Upward
    key: SessionKey | None
    authorization: bytes | None
    is_upgrade: bool
    part: HotPart | None = None

    def again(self) -> "Admitted":
        """The same for another request of the same bytes."""
        return Admitted(
            self.mount, self.route, self.target, self.upward, self.key, self.authorization, self.is_upgrade
        )


# What no route of ours takes, in forward-auth: it is somebody's, and who is unknown does not get there.
# No file can give a route this name.
UNROUTED = ProxyRoute(name="(unrouted)", prefix="/", upstreams=())


@dataclass(frozen=True)
class Admission:
    """`origins`: our own and the configured ones. `mounts`: the longest path first."""

    mounts: Sequence[Mount]
    origins: Collection[str]
    sessions: Sessions

    def look(self, head: RequestHead) -> Admitted | None:
        """None: no route of ours takes it to an upstream."""
        target = head.target.decode("latin-1")
        found = _match(self.mounts, target)
        if found is None or not found[1].upstreams:
            return None
        mount, route = found
        _check_target(target)
        return self._admitted(head, mount, route, target[len(mount.path) :])

    def look_for_another(self, head: RequestHead) -> Admitted:
        """The same for a request that somebody else forwards. What no route takes needs a session."""
        target = head.target.decode("latin-1")
        _check_target(target)
        mount, route = _match(self.mounts, target) or (self.mounts[-1], UNROUTED)
        if self._is_disguised(target.partition("?")[0], route):
            raise _odd_path("disguised_route")
        return self._admitted(head, mount, route, target[len(mount.path) :])

    def is_own(self, target: str) -> bool:
        """Whether the path is one of the agent's own endpoints."""
        path = target.partition("?")[0]
        return _match(self.mounts, target) is None and any(
            path == own or path.startswith(below(own)) for own in self.mounts[-1].table.own
        )

    @cached_property
    def _folded(self) -> Sequence[Mount]:
        return [
            replace(mount, path=mount.path.casefold(), table=mount.table.folded()) for mount in self.mounts
        ]

    @cached_property
    def _is_folded(self) -> bool:
        """Whether no prefix has an upper-case letter."""
        prefixes = [route.prefix for mount in self.mounts for route in mount.table.routes]
        prefixes += [mount.path for mount in self.mounts]
        return all(prefix == prefix.casefold() for prefix in prefixes)

    def _is_disguised(self, path: str, route: ProxyRoute) -> bool:
        """Whether the proxy that forwards could take the path for one of another route.

        Caddy's matchers decode and ignore case. Without this, `/ADMIN/x` would get the policy of `/` here,
        and there be forwarded to what stands at `/admin`.
        """
        plain = plainest(path) if "%" in path or ";" in path else path
        if plain is None:
            return True
        folded = plain.casefold()
        if folded == path and self._is_folded:
            return False  # it is matched already
        found = _match(self._folded, folded)
        return found is not None and found[1].name != route.name

    def _admitted(self, head: RequestHead, mount: Mount, route: ProxyRoute, target: str) -> Admitted:
        _check_method(head.method, route)
        if head.fields.repeated and not head.fields.repeated.isdisjoint(_SINGLE):
            raise ProblemError(
                ProblemCode.BAD_REQUEST, "A header stands there twice.", cause="repeated_field"
            )
        if head.length > 0 and route.body_limit is not None and head.length > route.body_limit:
            raise too_large(route.body_limit)
        up, authorization, key = upward(head, mount.cookies), None, None
        if mount.takes_bearers:
            authorization = _bearer(head, route)
        elif route.policy.access != "anonymous":
            key = up.key
            if key is None:
                _check_may_go_without(route)
        return Admitted(
            mount=mount,
            route=route,
            target=target,
            upward=up,
            key=key,
            authorization=authorization,
            is_upgrade=up.asks_for_websocket and head.method == b"GET" and head.length == 0,
        )

    def judge(
        self, head: RequestHead, admitted: Admitted, hot: HotSession | None, now: datetime
    ) -> HotPart | None:
        """What the session opens; None when there is none and the route does not ask for one."""
        cookie = admitted.upward.cookie
        if hot is None or cookie is None or not is_usable(hot, self.sessions.limits, now):
            _check_may_go_without(admitted.route)
            return None
        self._check_origin(head, admitted)
        part = self.sessions.hot_part(cookie, hot)
        if part is None:
            _check_may_go_without(admitted.route)
            return None
        self.check_grants(admitted, part)
        return part

    def check_grants(self, admitted: Admitted, part: HotPart) -> None:
        """Scopes, roles and acr, where the route asks for any."""
        policy = admitted.route.policy
        if policy.scopes or policy.roles or policy.acr:
            refusal = refusal_of_policy(policy, part.grants)
            if refusal is not None:
                raise refusal.problem()

    def _check_origin(self, head: RequestHead, admitted: Admitted) -> None:
        if head.method in _SAFE and not admitted.is_upgrade:
            return
        names = {"Origin": b"origin", "Sec-Fetch-Site": b"sec-fetch-site", "X-CSRF": b"x-csrf"}
        headers = {
            name: head.values[plain].decode("latin-1")
            for name, plain in names.items()
            if plain in head.values
        }
        if admitted.is_upgrade:
            # Every page may open a WebSocket to every host: with its cookies, and without a preflight.
            refusal = None if headers.get("Origin") in self.origins else "foreign_origin"
        else:
            refusal = refusal_of_origin(head.method.decode(), headers, self.origins)
        if refusal is not None:
            raise cross_site_problem(refusal)


def _match(mounts: Sequence[Mount], target: str) -> tuple[Mount, ProxyRoute] | None:
    for mount in mounts:
        if mount.path and not target.startswith(f"{mount.path}/"):
            continue
        route = mount.table.match(target[len(mount.path) :].partition("?")[0])
        if route is not None:
            return mount, route
    return None


def too_large(limit: int) -> ProblemError:
    return ProblemError(
        ProblemCode.REQUEST_TOO_LARGE, f"The body may have {limit} bytes at most.", cause="body_limit"
    )


def _check_target(target: str) -> None:
    refusal = refusal_of_path(target)
    if refusal is not None:
        raise _odd_path(refusal)


def _odd_path(cause: str) -> ProblemError:
    detail = "The path has a spelling that could mean another path behind the door."
    return ProblemError(ProblemCode.BAD_REQUEST, detail, cause=cause)


def _check_method(name: bytes, route: ProxyRoute) -> None:
    method = name.decode()
    if not route.allows(method):
        headers = {} if route.methods is None else {"Allow": ", ".join(sorted(route.methods))}
        detail = f"{method} does not pass this door here."
        raise ProblemError(ProblemCode.METHOD_NOT_ALLOWED, detail, headers=headers)


def _check_may_go_without(route: ProxyRoute) -> None:
    if route.policy.access == "required":
        raise not_signed_in()


def _bearer(head: RequestHead, route: ProxyRoute) -> bytes | None:
    authorization = head.values.get(b"authorization")
    # Two of them: which one counts would be decided by whoever reads them next.
    if b"authorization" in head.fields.repeated:
        raise missing_bearer()
    if authorization is not None and authorization[:7].lower() == b"bearer ":
        return authorization
    if route.policy.access == "required" or authorization is not None:
        raise missing_bearer()
    return None


def slides(target: str) -> bool:
    """Whether the request counts as activity of its session."""
    if "slide=false" not in target:
        return True
    return parse_qs(target.partition("?")[2]).get("slide", [""])[0] != "false"
