"""Who may call a route: the rule that each route declares, and the guard in front of every handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias, assert_never

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
    """`ANYONE`: no credential is looked at. `MEMBER`: a user, or a service that acts for one.

    `REGISTERING`: these, or a registration token. A service is admitted with the scope of the route alone,
    and not at all where there is none. Handlers find the caller under `USER`, `MEMBER`, `DEVICE` or
    `REGISTERING`.
    """

    ANYONE = auto()
    USER = auto()
    MEMBER = auto()
    DEVICE = auto()
    REGISTERING = auto()


Registering: TypeAlias = MemberCaller | RegistrationTokenCaller

USER = web.RequestKey("user", UserCaller)
MEMBER: web.RequestKey[MemberCaller] = web.RequestKey("member", object)  # type: ignore[arg-type]
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
            case Access.USER:
                return self._behind(route, _admit_user)
            case Access.MEMBER:
                return self._behind(route, _admit_member)
            case Access.DEVICE:
                return self._behind(route, _admit_device)
            case Access.REGISTERING:
                return self._behind(route, _admit_registering)
            case _:
                assert_never(route.access)

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


def _admit_device(request: web.Request, caller: Caller, _route: Route[Access]) -> None:
    if not isinstance(caller, DeviceCaller):
        raise refusal_of(caller, "Only a device may do this, with its device token.")
    request[DEVICE] = caller


def _admit_registering(request: web.Request, caller: Caller, route: Route[Access]) -> None:
    if not isinstance(caller, UserCaller | ServiceCaller | RegistrationTokenCaller):
        raise refusal_of(caller, "A device is registered by a registration token or by a signed-in user.")
    if not isinstance(caller, RegistrationTokenCaller):
        _check_scope_of_route(caller, route)
    request[REGISTERING] = caller


def refusal_of(caller: Caller, detail: str) -> ProblemError:
    """Why a caller of the wrong kind does not get in."""
    if isinstance(caller, Anonymous):
        # RFC 6750 section 3.1: without a credential the challenge carries no error code.
        return ProblemError(
            ProblemCode.MISSING_TOKEN,
            "Send a token in the Authorization header.",
            headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
        )
    return ProblemError(ProblemCode.FORBIDDEN, detail, cause="kind_of_caller")


def _check_scope_of_route(caller: MemberCaller, route: Route[Access]) -> None:
    if isinstance(caller, UserCaller):
        check_scope(caller, route.scope)
        return
    scope = route.scope or route.service_scope
    if scope is None:
        raise refusal_of(caller, "No service may do this.")
    check_scope(caller, scope)


def check_scope(caller: MemberCaller, scope: Enum | None) -> None:
    """Raises `ProblemError`. Handlers ask where a request does more than the scope of its route tells."""
    if scope is None or scope in caller.scopes:
        return
    raise ProblemError(
        ProblemCode.INSUFFICIENT_SCOPE,
        f"The token was narrowed, and lacks the scope {scope.value}.",
        headers={hdrs.WWW_AUTHENTICATE: f'Bearer error="insufficient_scope", scope="{scope.value}"'},
    )
