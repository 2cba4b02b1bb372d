"""Who may call a route: the rule that each route declares, and the guard in front of every handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from apiserver.auth.principal import (
    Anonymous,
    Caller,
    DeviceCaller,
    MemberCaller,
    RegistrationTokenCaller,
    ServiceCaller,
    UserCaller,
)
from apiserver.auth.rates import CountedCallers
from common.problems import ProblemCode, ProblemError
from common.routing import Route


class Access(Enum):
    """`ANYONE`: no credential is looked at. `IN_BODY`: the handler finds it there, and counts the caller.

    `MEMBER`: a user, or a service that acts for one. `REGISTERING`: these, or a registration token.
    `SERVICE`: a service alone. A service is admitted with the scope of the route alone, and not at all where
    there is none. Handlers find the caller under `USER`, `MEMBER`, `SERVICE`, `DEVICE` or `REGISTERING`.
    """

    ANYONE = auto()
    IN_BODY = auto()
    USER = auto()
    MEMBER = auto()
    SERVICE = auto()
    DEVICE = auto()
    REGISTERING = auto()


Registering: TypeAlias = MemberCaller | RegistrationTokenCaller

USER = web.RequestKey("user", UserCaller)
MEMBER: web.RequestKey[MemberCaller] = web.RequestKey("member", object)  # type: ignore[arg-type]
SERVICE = web.RequestKey("service", ServiceCaller)
DEVICE = web.RequestKey("device", DeviceCaller)
REGISTERING: web.RequestKey[Registering] = web.RequestKey("registering", object)  # type: ignore[arg-type]

_Admit: TypeAlias = Callable[[web.Request, Caller, Route[Access]], None]


@dataclass(frozen=True)
class Guard:
    callers: CountedCallers

    def __call__(self, route: Route[Access]) -> Handler:
        """The route's handler behind its rule."""
        match route.access:
            case Access.ANYONE:
                return self._open(route)
            case Access.IN_BODY:
                return route.handler
            case access:
                return self._behind(route, _ADMIT[access])

    def _open(self, route: Route[Access]) -> Handler:
        async def counted(request: web.Request) -> web.StreamResponse:
            await self.callers.counts.stranger(request)
            return await route.handler(request)

        return counted

    def _behind(
        self, route: Route[Access], admit: _Admit
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            admit(request, await self.callers.caller_of(request), route)
            return await route.handler(request)

        return guarded


def _admit_user(request: web.Request, caller: Caller, route: Route[Access]) -> None:
    if not isinstance(caller, UserCaller):
        raise refusal_of(caller, "Only a signed-in user may do this.")
    check_scope(caller, route.scope)
    request[USER] = caller


def _admit_member(request: web.Request, caller: Caller, route: Route[Access]) -> None:
    if not isinstance(caller, UserCaller | ServiceCaller):
        raise refusal_of(caller, "Only a signed-in user, or a service that acts for one, may do this.")
    _check_scope_of_route(caller, route)
    request[MEMBER] = caller


def _admit_service(request: web.Request, caller: Caller, route: Route[Access]) -> None:
    if not isinstance(caller, ServiceCaller):
        raise refusal_of(caller, "Only a service may do this, with its service token.")
    _check_scope_of_route(caller, route)
    request[SERVICE] = caller


def _admit_device(request: web.Request, caller: Caller, route: Route[Access]) -> None:
    if not isinstance(caller, DeviceCaller):
        raise refusal_of(caller, "Only a device may do this, with its device token.")
    check_scope(caller, route.scope)
    request[DEVICE] = caller


def _admit_registering(request: web.Request, caller: Caller, route: Route[Access]) -> None:
    if not isinstance(caller, UserCaller | ServiceCaller | RegistrationTokenCaller):
        raise refusal_of(caller, "A device is registered by a registration token or by a signed-in user.")
    if not isinstance(caller, RegistrationTokenCaller):
        _check_scope_of_route(caller, route)
    request[REGISTERING] = caller


# One that is missing here is an error at the start, when the routes are registered.
_ADMIT: dict[Access, _Admit] = {
    Access.USER: _admit_user,
    Access.MEMBER: _admit_member,
    Access.SERVICE: _admit_service,
    Access.DEVICE: _admit_device,
    Access.REGISTERING: _admit_registering,
}


def refusal_of(caller: Caller, detail: str) -> ProblemError:
    """Why a caller of the wrong kind does not get in."""
    if isinstance(caller, Anonymous):
        return nothing_presented()
    return ProblemError(ProblemCode.FORBIDDEN, detail, cause="kind_of_caller")


def nothing_presented() -> ProblemError:
    # RFC 6750 section 3.1: without a credential the challenge carries no error code.
    return ProblemError(
        ProblemCode.MISSING_TOKEN,
        "Send a token in the Authorization header.",
        headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
    )


def _check_scope_of_route(caller: MemberCaller, route: Route[Access]) -> None:
    if isinstance(caller, UserCaller):
        check_scope(caller, route.scope)
        return
    scope = route.scope or route.service_scope
    if scope is None:
        raise refusal_of(caller, "No service may do this.")
    check_scope(caller, scope)


def check_scope(caller: MemberCaller | DeviceCaller, scope: Enum | None) -> None:
    """Raises `ProblemError`. Handlers ask where a request does more than the scope of its route tells."""
    if scope is None or scope in caller.scopes:
        return
    raise ProblemError(
        ProblemCode.INSUFFICIENT_SCOPE,
        f"The token was narrowed, and lacks the scope {scope.value}.",
        headers={hdrs.WWW_AUTHENTICATE: f'Bearer error="insufficient_scope", scope="{scope.value}"'},
    )
