"""Who may call a route: the rule that each route declares, and the guard in front of every handler."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from apiserver.auth.authenticate import Authenticator
from apiserver.auth.principal import Anonymous, Caller, UserCaller
from common.problems import ProblemCode, ProblemError
from common.routing import Route


class Access(Enum):
    """`ANYONE`: no credential is looked at. `USER`: handlers find the caller under `USER`."""

    ANYONE = auto()
    USER = auto()


USER = web.RequestKey("user", UserCaller)


@dataclass(frozen=True)
class Guard:
    authenticator: Authenticator

    def __call__(self, route: Route[Access]) -> Handler:
        """The route's handler behind its rule."""
        match route.access:
            case Access.ANYONE:
                return route.handler
            case Access.USER:
                return self._for_users(route.handler)
            case _:
                assert_never(route.access)

    def _for_users(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            request[USER] = user_or_refusal(await self.authenticator.caller_of(request))
            return await handler(request)

        return guarded


def user_or_refusal(caller: Caller) -> UserCaller:
    """The caller where it is a user; raises `ProblemError` for every other kind."""
    match caller:
        case UserCaller():
            return caller
        case Anonymous():
            # RFC 6750 section 3.1: without a credential the challenge carries no error code.
            raise ProblemError(
                ProblemCode.MISSING_TOKEN,
                "Send an access token in the Authorization header.",
                headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
            )
        case _:
            assert_never(caller)
