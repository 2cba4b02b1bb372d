"""`GET /routes/explain?method=&path=` on the private listener: which route a request meets, and why.

It asks the same table and the same path rules as the proxy. It does not know the caller: what a policy asks
of a session is told, not judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec
from aiohttp import web

from bff.csrf import SAFE_METHODS
from bff.proxy.route_table import NEVER_FORWARDED, Policy, ProxyRoute, RouteTable, below
from bff.settings import Settings
from common.problems import ProblemCode, ProblemError, problem_json

Mode = Literal["web", "device"]
Verdict = Literal["forwarded", "refused", "own", "unknown", "forward_auth"]

PathRule: TypeAlias = Callable[[str], "str | None"]
"""Why a target without its mount is not forwarded, as a word; None when it is (`paths.refusal_of`)."""

EXPLAIN_PATH = "/routes/explain"


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """`own`: an endpoint of the agent. `unknown`: nothing is there, a 404. `because`: a sentence a step.

    `forward_auth`: a 404 here, and judged at /verify for a proxy that forwards it itself.
    """

    method: str
    path: str
    verdict: Verdict
    because: list[str]
    mode: Mode | None = None
    route: str | None = None
    prefix: str | None = None
    policy: str | None = None
    forwarded_to: list[str] = []


@dataclass(frozen=True)
class Explainer:
    settings: Settings
    path_rule: PathRule

    @property
    def table(self) -> RouteTable:
        return self.settings.routes

    def explain(self, method: str, target: str) -> Explanation:
        """`target` is a path, with or without a query, as a client would send it."""
        mount, mode = self._standing(target.partition("?")[0])
        inner = target[len(mount) :]
        because = [f"{mount} is where the {mode} mode stands, and is taken off."] if mount else []
        answer = Explanation(method=method, path=target, verdict="refused", because=because, mode=mode)
        path = inner.partition("?")[0]
        route = self.table.match(path)
        if route is None:
            return self._without_route(answer, path)
        if (refusal := self.path_rule(inner)) is not None:
            return _with(answer, because=[f"The path has a spelling that is refused with 400: {refusal}."])
        return self._with_route(answer, route, inner)

    def _standing(self, path: str) -> tuple[str, Mode]:
        """The longest mount that the path is below, and the mode that answers there."""
        mounts: list[tuple[str, Mode]] = [(mount, "device") for mount in self.settings.device_mounts]
        mounts += [(mount, "web") for mount in self.settings.web_mounts]
        return max((one for one in mounts if path.startswith(below(one[0]))), key=lambda one: len(one[0]))

    def _without_route(self, answer: Explanation, path: str) -> Explanation:
        for own in self.table.own:
            if path == own or path.startswith(below(own)):
                return _with(
                    answer, verdict="own", because=[f"{own} is the agent's own: no route takes a path of it."]
                )
        return _with(
            answer,
            verdict="unknown",
            because=["No route has a prefix of this path, or its spelling hides another route's: 404."],
        )

    def _with_route(self, answer: Explanation, route: ProxyRoute, target: str) -> Explanation:
        answer = _with(
            answer,
            route=route.name,
            prefix=route.prefix,
            policy=_policy_sentence(route.policy, answer.mode),
            because=[_why(route, self.table)],
        )
        if not route.allows(answer.method):
            methods = (
                ", ".join(sorted(route.methods or ())) or f"all but {' and '.join(sorted(NEVER_FORWARDED))}"
            )
            return _with(answer, because=[f"{answer.method} is refused with 405: the route takes {methods}."])
        if not route.upstreams:
            because = (
                "It has forward_auth: /verify judges it for the proxy that forwards it, and here it is 404."
            )
            return _with(answer, verdict="forward_auth", because=[because])
        return _with(
            answer,
            verdict="forwarded",
            because=_conditions(answer, route),
            forwarded_to=[_address_of(route, index, target) for index in range(len(route.upstreams))],
        )


def explain_routes(settings: Settings, path_rule: PathRule) -> list[web.RouteDef]:
    """For the private listener alone: it names addresses behind the door."""
    explainer = Explainer(settings, path_rule)

    async def handle(request: web.Request) -> web.Response:
        method, target = request.query.get("method", "GET"), request.query.get("path", "")
        if not target.startswith("/") or not target.isprintable():
            detail = "Give ?path= a path that begins with a slash, and ?method= where it is not GET."
            return problem_json(request, ProblemError(ProblemCode.BAD_REQUEST, detail))
        answer = explainer.explain(method.upper(), target)
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    return [web.get(EXPLAIN_PATH, handle)]


def _with(answer: Explanation, *, because: list[str], **changes: object) -> Explanation:
    return msgspec.structs.replace(answer, because=[*answer.because, *because], **changes)


def _why(route: ProxyRoute, table: RouteTable) -> str:
    others = [
        other.prefix
        for other in table.routes
        if other is not route and below(route.prefix).startswith(below(other.prefix))
    ]
    if not others:
        return f"{route.prefix} is the prefix that matches."
    return f"{route.prefix} is the longest prefix that matches, before {' and '.join(sorted(others))}."


def _policy_sentence(policy: Policy, mode: Mode | None) -> str:
    if mode == "device":
        if policy.access == "required":
            return "required: the caller's own bearer, which the service behind judges"
        return f"{policy.access}: with the caller's own bearer or without"
    asked = [
        *([f"all of the scopes {', '.join(sorted(policy.scopes))}"] if policy.scopes else []),
        *([f"one of the roles {', '.join(sorted(policy.roles))}"] if policy.roles else []),
        *([f"a login with acr {' or '.join(policy.acr)}"] if policy.acr else []),
    ]
    return {
        "anonymous": "anonymous: everybody, and no bearer goes up",
        "optional": "optional: everybody, with the user's bearer where somebody is signed in",
        "required": f"required: a session{' with ' if asked else ''}{', and '.join(asked)}",
    }[policy.access]


def _conditions(answer: Explanation, route: ProxyRoute) -> list[str]:
    found = []
    if answer.mode == "web" and answer.method not in SAFE_METHODS and route.policy.access != "anonymous":
        found.append(
            f"{answer.method} with a session passes the CSRF rules first: X-CSRF: 1, or this origin."
        )
    if route.body_limit is not None:
        found.append(f"A body of more than {route.body_limit} bytes is refused with 413.")
    if len(route.upstreams) > 1:
        found.append("Its upstreams take turns; one that cannot be reached or is ill is left out.")
    return found


def _address_of(route: ProxyRoute, index: int, target: str) -> str:
    address = route.upstreams[index]
    origin = str(address).removesuffix(address.base_path) if address.base_path else str(address)
    # A socket's path and the path that is asked would run into each other.
    separator = " " if address.unix_path is not None else ""
    return f"{origin}{separator}{route.target_at(address, target)}"
