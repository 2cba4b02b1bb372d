"""Who may call a route of the agent, and the guard that sees to it."""

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from bff.csrf import CsrfRules
from bff.session.sessions import Sessions
from bff.session.storage import CURRENT_SESSION, SessionStorage
from common.problems import ProblemCode, ProblemError
from common.rate_limits import ADDRESS, RateLimiter, key_of_address
from common.request_keys import CALLER_LABEL, CLIENT_ADDRESS, CallerLabel
from common.routing import Route

LOGOUT_GOES_ON: web.RequestKey[bool] = web.RequestKey("logout_goes_on", bool)
"""There for a ticket of a logout that is good: who has it was signed in just now."""


class Access(Enum):
    ANYONE = auto()
    """No credential is needed; what the handler needs beyond that, it checks itself. Counted by address."""
    EITHER = auto()
    """As `ANYONE`, but not counted when the handler has found a live session, or a logout that goes on."""
    SESSION = auto()
    """A live session; unsafe methods pass the CSRF rules. Counts as activity. By address, without one."""
    PROVIDER = auto()
    """A token of the provider, which the handler verifies. By address, when it is refused.

    Not before: one address ends the sessions of all users, and a logout that is turned away is lost.
    """
    BY_ROUTE = auto()
    """A proxied path: the policy of its route decides (`bff.proxy.admission`). Never counted here."""


@dataclass(frozen=True)
class AccessGuard:
    sessions: Sessions
    storage: SessionStorage
    csrf: CsrfRules
    limiter: RateLimiter

    def __call__(self, route: Route[Access]) -> Handler:
        guards = {
            Access.ANYONE: self._anyone,
            Access.EITHER: self._either,
            Access.SESSION: self._with_session,
            Access.PROVIDER: self._from_provider,
            Access.BY_ROUTE: self._uncounted,
        }
        return guards[route.access](route.handler)

    def _uncounted(self, handler: Handler) -> Handler:
        return handler

    def _anyone(self, handler: Handler) -> Handler:
        async def counted(request: web.Request) -> web.StreamResponse:
            await self._count(request)
            return await handler(request)

        return counted

    def _either(self, handler: Handler) -> Handler:
        async def counted_without_session(request: web.Request) -> web.StreamResponse:
            # Afterwards: a page that logs out and leaves must not be lost in a look-up before the logout.
            try:
                response = await handler(request)
            except ProblemError:
                await self._count_without_session(request)
                raise
            await self._count_without_session(request)
            return response

        return counted_without_session

    def _from_provider(self, handler: Handler) -> Handler:
        async def counted_when_refused(request: web.Request) -> web.StreamResponse:
            response = await handler(request)
            if response.status == HTTPStatus.BAD_REQUEST:
                await self._count(request)
            return response

        return counted_when_refused

    def _with_session(self, handler: Handler) -> Handler:
        async def with_session(request: web.Request) -> web.StreamResponse:
            session = await self.storage.current(request)
            if session is None:
                await self._count(request)
                raise not_signed_in()
            self.csrf.check(request)
            request[CALLER_LABEL] = CallerLabel("session", str(session.record.user["sub"]))
            if request.query.get("slide") != "false":
                await self.sessions.mark_active(session)
            return await handler(request)

        return with_session

    async def _count_without_session(self, request: web.Request) -> None:
        if CURRENT_SESSION not in request and LOGOUT_GOES_ON not in request:
            await self._count(request)

    async def _count(self, request: web.Request) -> None:
        """Raises `ProblemError` when the address has used up what it has without a session."""
        await self.limiter.spend(ADDRESS, key_of_address(request[CLIENT_ADDRESS]))


def not_signed_in() -> ProblemError:
    detail = "There is no session, or it has ended. Log in at /login/start."
    return ProblemError(ProblemCode.NOT_SIGNED_IN, detail)


def missing_bearer() -> ProblemError:
    detail = "Send one `Authorization: Bearer` header: `doorward login` gets you a token."
    headers = {"WWW-Authenticate": "Bearer"}
    return ProblemError(ProblemCode.MISSING_TOKEN, detail, headers=headers)
