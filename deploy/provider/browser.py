"""The browser's side: its session cookie, the guard of our forms, and how a page is sent."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

import hmac
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web
from authlib.oauth2.rfc6749 import InvalidRequestError

from common.randomness import Randomness, token_urlsafe
from deploy.provider.config import Config
from deploy.provider.server import MOST_PARAMETERS, single_parameters
from deploy.provider.sessions import BrowserSession, Sessions

FORM = "application/x-www-form-urlencoded"
CSRF_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

# Chromium holds a form's `form-action` against every redirect that follows the post, here back to the client
# and on to wherever the client sends its user: 'self' alone would end each login on a blank page. All those
# are loopback, on any port. The policy's grammar has no word for [::1]: clients there need the wider rule.
LOOPBACK_TARGETS = "http://127.0.0.1:* http://localhost:* https://127.0.0.1:* https://localhost:*"
ANY_WEB_TARGETS = "http: https:"


class ForgedFormError(Exception):
    """A form that did not come from a page of ours in this browser."""


async def read_parameters(request: web.Request) -> dict[str, str]:
    """The parameters of the query of a GET or the form of a POST. Raises InvalidRequestError."""
    if request.method != "POST":
        return single_parameters(request.query.items())
    if request.content_type != FORM:
        raise InvalidRequestError(f"The body must be {FORM}.")
    body = await request.read()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidRequestError("The body is not a form.") from error
    return single_parameters(pairs)


@dataclass(frozen=True)
class Browser:
    config: Config
    sessions: Sessions
    randomness: Randomness

    def session(self, request: web.Request) -> BrowserSession | None:
        return self.sessions.find(request.cookies.get(self._session_cookie))

    def remember(self, response: web.Response, session: BrowserSession) -> None:
        # Lax: logins start on the client's site, so the browser comes here from another site by a plain GET.
        # Not Secure: the provider speaks http, and only on this machine.
        response.set_cookie(self._session_cookie, session.cookie, httponly=True, samesite="Lax")

    def forget(self, response: web.Response) -> None:
        response.del_cookie(self._session_cookie, httponly=True, samesite="Lax")

    def csrf_token(self, request: web.Request) -> str:
        """What a form must bring back: one value per browser, so that two tabs do not spoil each other."""
        known = request.cookies.get(self._csrf_cookie, "")
        return known if CSRF_TOKEN.fullmatch(known) else token_urlsafe(self.randomness)

    async def read_form(self, request: web.Request) -> dict[str, str]:
        """The fields of a form of ours. Raises ForgedFormError, InvalidRequestError."""
        # Cookies are shared by all ports of a host: another server on this machine could plant the token, but
        # it cannot change the Origin.
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise ForgedFormError
        form = await read_parameters(request)
        expected = request.cookies.get(self._csrf_cookie, "")
        presented = form.get("csrf", "")
        if not expected or not hmac.compare_digest(expected.encode(), presented.encode()):
            raise ForgedFormError
        return form

    def page(self, html: str, *, status: int = 200, csrf: str | None = None) -> web.Response:
        response = web.Response(status=status, text=html, content_type="text/html")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Content-Security-Policy"] = "; ".join(
            [
                "default-src 'none'",
                "style-src 'self'",
                f"form-action 'self' {self._form_targets}",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            ]
        )
        if csrf is not None:
            response.set_cookie(self._csrf_cookie, csrf, httponly=True, samesite="Lax")
        return response

    @property
    def _form_targets(self) -> str:
        clients = self.config.clients
        uris = [uri for client in clients for uri in client.redirect_uris + client.post_logout_redirect_uris]
        return ANY_WEB_TARGETS if any("://[::1]" in uri for uri in uris) else LOOPBACK_TARGETS

    @property
    def _session_cookie(self) -> str:
        # Named by port: several providers on one machine share the browser's cookies.
        return f"development-provider-{self.config.listen_port}"

    @property
    def _csrf_cookie(self) -> str:
        return f"{self._session_cookie}-form"


def to_address(path: str, parameters: dict[str, str]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def see_other(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})
