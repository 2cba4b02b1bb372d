"""Sign-out that a client asks for (OpenID Connect RP-Initiated Logout 1.0)."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from dataclasses import dataclass

from aiohttp import web
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import InvalidRequestError

from deploy.provider import pages, paths
from deploy.provider.backchannel import BackchannelLogout
from deploy.provider.browser import Browser, read_parameters, see_other, to_address
from deploy.provider.clients import Client
from deploy.provider.server import ProviderServer


@dataclass(frozen=True)
class LogoutRequest:
    client: Client | None
    hinted_sub: str | None
    return_to: str | None


def read_logout_request(server: ProviderServer, parameters: dict[str, str]) -> LogoutRequest:
    """What the client asks for.

    Raises InvalidRequestError when the hint is not an ID token of ours or is another client's, or when the
    address to return to is not, to the letter, one of the client's.
    """
    client_id = parameters.get("client_id")
    hinted_sub = None
    if hint := parameters.get("id_token_hint"):
        claims = server.tokens.id_token_claims(hint)
        if claims is None:
            raise InvalidRequestError("The id_token_hint is not an ID token of this provider.")
        if client_id not in {None, claims["aud"]}:
            raise InvalidRequestError("The id_token_hint was given to another client.")
        client_id, hinted_sub = str(claims["aud"]), str(claims["sub"])
    client = None if client_id is None else server.query_client(client_id)
    return LogoutRequest(client, hinted_sub, _return_to(client, parameters))


def _return_to(client: Client | None, parameters: dict[str, str]) -> str | None:
    wanted = parameters.get("post_logout_redirect_uri")
    if wanted is None:
        return None
    if client is None or wanted not in client.post_logout_redirect_uris:
        raise InvalidRequestError(
            "The post_logout_redirect_uri is not one that is registered for this client."
        )
    state = parameters.get("state")
    return wanted if state is None else str(add_params_to_uri(wanted, {"state": state}))


@dataclass(frozen=True)
class EndSession:
    server: ProviderServer
    browser: Browser
    backchannel: BackchannelLogout

    async def end_session(self, request: web.Request) -> web.Response:
        parameters = await read_parameters(request)
        if request.method == "POST":
            # From another site the Lax cookie is not sent with a POST; it is with the GET that follows.
            return see_other(to_address(paths.END_SESSION, parameters))
        logout = read_logout_request(self.server, parameters)
        session = self.browser.session(request)
        # Without a hint of who is meant, any page on the web could sign the user out: ask first.
        if session is None or logout.hinted_sub == session.user.sub:
            return self._sign_out(request, logout)
        csrf = self.browser.csrf_token(request)
        html = pages.confirm_sign_out_page(csrf=csrf, username=session.user.username, parameters=parameters)
        return self.browser.page(html, csrf=csrf)

    async def confirmed(self, request: web.Request) -> web.Response:
        form = await self.browser.read_form(request)
        return self._sign_out(request, read_logout_request(self.server, form))

    def _sign_out(self, request: web.Request, logout: LogoutRequest) -> web.Response:
        session = self.browser.session(request)
        if session is not None:
            self.backchannel.sign_out(session)
        if logout.return_to is not None:
            response = see_other(logout.return_to)
        else:
            response = self.browser.page(pages.message_page("Signed out", "You are signed out here."))
        self.browser.forget(response)
        return response
