"""Logout: the session ends here at once, then the browser is sent to end it at the provider.

`POST /logout` answers a one-time path of ours. That path alone redirects to the provider with the
`id_token_hint`, so that no script ever reads the token.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from bff.access import LOGOUT_GOES_ON
from bff.answers import wants_json
from bff.csrf import CsrfRules
from bff.events import Events
from bff.login.provider import Provider, ProviderUnavailableError, end_session_url
from bff.login.redirects import allowed_return
from bff.session.record import session_key
from bff.session.seal import Sealer
from bff.session.sessions import BrowserSession, Sessions
from bff.session.storage import SessionStorage
from bff.session.store import StoreUnavailableError
from bff.settings import Settings
from common.clock import Clock
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness, token_urlsafe
from common.tasks import Tasks

_TICKET_LIFETIME = timedelta(minutes=2)
_PURPOSE = "logout-ticket"


@dataclass(frozen=True)
class Logout:
    settings: Settings
    sessions: Sessions
    storage: SessionStorage
    provider: Provider
    sealer: Sealer
    csrf: CsrfRules
    events: Events
    clock: Clock
    randomness: Randomness
    tasks: Tasks

    async def post(self, request: web.Request) -> web.Response:
        """End the session; 200 `{"logout_url"}` for scripts, 303 to the same address for a form."""
        self.csrf.check(request)
        return await self._end(request)

    async def get(self, request: web.Request) -> web.Response:
        """For links within the site. From elsewhere, an image tag could log everybody out."""
        is_navigation = request.headers.get("Sec-Fetch-Mode") == "navigate"
        if request.headers.get("Sec-Purpose") is not None:
            # The browser fetches ahead what the person may never open.
            raise ProblemError(
                ProblemCode.CROSS_SITE_REQUEST, "A prefetch does not log out.", cause="prefetch"
            )
        if not is_navigation or request.headers.get("Sec-Fetch-Site") not in {
            "same-origin",
            "same-site",
            "none",
        }:
            detail = "Logging out by GET is for links of this site: send POST /logout."
            raise ProblemError(ProblemCode.CROSS_SITE_REQUEST, detail, cause="logout_by_get")
        return await self._end(request)

    async def to_provider(self, request: web.Request) -> web.Response:
        """The one-time path: 303 to the provider's end-session endpoint, or home when it is used up."""
        if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
            # A script that followed the redirect could read the token in the address that it led to.
            detail = "Open this address in the browser: it is not for scripts."
            raise ProblemError(ProblemCode.CROSS_SITE_REQUEST, detail, cause="ticket_by_script")
        ticket = request.match_info["ticket"]
        sealed = await self.sessions.store.take_once(_ticket_name(ticket))
        url = self.sealer.open(_PURPOSE, ticket, sealed) if sealed is not None else None
        if url is None:
            return _see_other("/")
        request[LOGOUT_GOES_ON] = True
        return _see_other(url.decode())

    async def _end(self, request: web.Request) -> web.Response:
        # A task of its own: a page that logs out and leaves at once has logged out.
        return await asyncio.shield(self.tasks.start_to_finish("logout", self._ended(request)))

    async def _ended(self, request: web.Request) -> web.Response:
        return_to = self._return_to(request)
        session = await self.storage.current(request)
        logout_url = return_to
        if session is not None:
            logout_url = await self._end_session(session, return_to)
        response = (
            web.json_response({"logout_url": logout_url})
            if wants_json(request.headers)
            else _see_other(logout_url)
        )
        self.storage.drop_cookie(response)
        return response

    async def _end_session(self, session: BrowserSession, return_to: str) -> str:
        """Ended here first: whatever the provider does, the cookie opens nothing from now on."""
        rest = self.sessions.rest(session)
        try:
            await self.sessions.end(session.key)
            self.events.session_ended("logout")
        finally:
            if rest is not None and rest.refresh_token is not None:
                # Not awaited: a slow provider must not make the logout look as if it had failed.
                self.tasks.detach("revoke", self.provider.revoke(rest.refresh_token))
        if rest is None:
            return return_to
        return await self._ticket(rest.id_token, return_to) or return_to

    async def _ticket(self, id_token: str, return_to: str) -> str | None:
        try:
            metadata = await self.provider.metadata()
        except ProviderUnavailableError:
            return None
        absolute = return_to if not return_to.startswith("/") else self.settings.public_url + return_to
        state = token_urlsafe(self.randomness, 16)
        url = end_session_url(metadata, self.settings, id_token=id_token, return_to=absolute, state=state)
        if url is None:
            return None
        ticket = token_urlsafe(self.randomness)
        sealed = self.sealer.seal(_PURPOSE, ticket, url.encode())
        try:
            expires_at = self.clock.now() + _TICKET_LIFETIME
            await self.sessions.store.put_once(_ticket_name(ticket), sealed, expires_at)
        except StoreUnavailableError:
            return None  # a full store: the session has ended here, which is what was asked for
        return f"{self.settings.prefix}/logout/{ticket}"

    def _return_to(self, request: web.Request) -> str:
        asked = request.query.get("redirect", "/")
        allowed = allowed_return(asked, self.settings.return_origins)
        if allowed is None:
            detail = "`redirect` must be a path of this site or lie at one of the configured origins."
            raise ProblemError(ProblemCode.BAD_REDIRECT, detail)
        return allowed


def _ticket_name(ticket: str) -> str:
    return "logout:" + session_key(ticket)


def _see_other(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})
