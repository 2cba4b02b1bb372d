"""aiohttp-session over our records: the control plane's `get_session` and `new_session`.

Its cookie is set once, at login, with the absolute lifetime, and never again. Tokens never enter its dict: at
login the handler leaves them in `NEW_LOGIN`, and the record is written with them in one go.
"""

import warnings
from typing import TypedDict

from aiohttp import web
from aiohttp_session import AbstractStorage, Session

from bff.session.record import SessionKey, session_key
from bff.session.sessions import BrowserSession, NewLogin, Sessions

# The library keeps its things under string keys, of which aiohttp warns at every start.
warnings.filterwarnings("ignore", category=web.NotAppKeyWarning, module="aiohttp_session")

NEW_LOGIN = web.RequestKey("new_login", NewLogin)
CURRENT_SESSION = web.RequestKey("current_session", BrowserSession)


class _SessionData(TypedDict, total=False):
    created: int
    session: dict[str, object]


def cookie_name(*, is_secure: bool) -> str:
    """`__Host-` ties the cookie to this host and to https; plain http on loopback goes without."""
    return "__Host-doorward_session" if is_secure else "doorward_session"


class SessionStorage(AbstractStorage):
    def __init__(self, sessions: Sessions, *, is_secure: bool) -> None:
        super().__init__(
            cookie_name=cookie_name(is_secure=is_secure),
            path="/",
            secure=is_secure,
            httponly=True,
            # Lax, not Strict: a Strict cookie is missing on the redirect chain back from the provider, and
            # the first page after the login would look signed out. `csrf.py` does what Strict would.
            samesite="Lax",
        )
        self._sessions = sessions

    async def current(self, request: web.Request) -> BrowserSession | None:
        """The usable session of this request, looked up once."""
        if CURRENT_SESSION not in request:
            found = await self._sessions.find(self.load_cookie(request))
            if found is None:
                return None
            request[CURRENT_SESSION] = found
        return request[CURRENT_SESSION]

    async def load_session(self, request: web.Request) -> Session:
        found = await self.current(request)
        if found is None:
            return Session(None, data=None, new=True)
        created = int(found.record.created_at.timestamp())
        data: _SessionData = {"created": created, "session": dict(found.record.user)}
        return Session(found.key, data=data, new=False)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: Session
    ) -> None:
        if session.empty:
            await self._end_former(request)
            self.drop_cookie(response)
        elif session.new:
            await self._begin(request, response, session)
        else:
            await self._sessions.store.save_user(SessionKey(str(session.identity)), dict(session))

    async def _begin(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        # The former id dies with the login, so an id that somebody planted before it is worth nothing.
        await self._end_former(request)
        begun = await self._sessions.begin(request[NEW_LOGIN], dict(session))
        lifetime_s = int(self._sessions.limits.lifetime.total_seconds())
        self.save_cookie(response, begun.cookie, max_age=lifetime_s)

    async def _end_former(self, request: web.Request) -> None:
        former = self.load_cookie(request)
        if former is not None:
            await self._sessions.end(session_key(former))

    def drop_cookie(self, response: web.StreamResponse) -> None:
        """Attributes as at login: browsers refuse to replace a `__Host-` cookie without `Secure`."""
        response.del_cookie(
            self.cookie_name,
            path="/",
            secure=self.cookie_params["secure"],
            httponly=True,
            samesite="Lax",
        )
