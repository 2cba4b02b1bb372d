"""Who may call a route of the agent, and the guard that sees to it."""

from dataclasses import dataclass
from enum import Enum, auto

from aiohttp import web
from aiohttp.typedefs import Handler

from bff.csrf import CsrfRules
from bff.session.sessions import Sessions
from bff.session.storage import SessionStorage
from common.problems import ProblemCode, ProblemError
from common.request_keys import CALLER_LABEL, CallerLabel
from common.routing import Route


class Access(Enum):
    ANYONE = auto()
    """No credential is needed; what the handler needs beyond that, it checks itself."""
    SESSION = auto()
    """A live session; unsafe methods pass the CSRF rules. Counts as activity."""
    BY_ROUTE = auto()
    """A proxied path: the policy of its route decides (`bff.proxy.admission`)."""


@dataclass(frozen=True)
class AccessGuard:
    sessions: Sessions
    storage: SessionStorage
    csrf: CsrfRules

    def __call__(self, route: Route[Access]) -> Handler:
        guards = {
            Access.ANYONE: self._anyone,
            Access.SESSION: self._with_session,
            Access.BY_ROUTE: self._anyone,
        }
        return guards[route.access](route.handler)

    def _anyone(self, handler: Handler) -> Handler:
        return handler

    def _with_session(self, handler: Handler) -> Handler:
        async def with_session(request: web.Request) -> web.StreamResponse:
            session = await self.storage.current(request)
            if session is None:
                raise not_signed_in()
            self.csrf.check(request)
            request[CALLER_LABEL] = CallerLabel("session", str(session.record.user["sub"]))
            if request.query.get("slide") != "false":
                await self.sessions.mark_active(session)
            return await handler(request)

        return with_session


def not_signed_in() -> ProblemError:
    detail = "There is no session, or it has ended. Log in at /login/start."
    return ProblemError(ProblemCode.NOT_SIGNED_IN, detail)


def missing_bearer() -> ProblemError:
    detail = "Send one `Authorization: Bearer` header: `doorward login` gets you a token."
    headers = {"WWW-Authenticate": "Bearer"}
    return ProblemError(ProblemCode.MISSING_TOKEN, detail, headers=headers)
