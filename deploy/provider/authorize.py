"""The authorization endpoint and the login page: from a client's wish to a code."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.core.errors import LoginRequiredError, RequestNotSupportedError, RequestURINotSupportedError

from common.clock import Clock
from deploy.provider import pages, paths
from deploy.provider.backchannel import BackchannelLogout
from deploy.provider.browser import Browser, read_parameters, see_other, to_address
from deploy.provider.discovery import PROMPTS
from deploy.provider.grants import CodeGrant
from deploy.provider.server import Answer, ProviderRequest, ProviderServer, single_parameters
from deploy.provider.sessions import BrowserSession
from deploy.provider.users import TooManyAttemptsError, User, Users

WRONG_PASSWORD = "The user name or the password is wrong."  # noqa: S105 - a sentence
TOO_MANY_ATTEMPTS = "Too many attempts for this user name. Wait a minute, then try again."

LONGEST_MAX_AGE = 9  # digits, some thirty years


@dataclass(frozen=True)
class NextStep:
    """What a login is for: a client's authorization request, or a device that waits.

    It goes through the login form as a text and is checked again when it comes back.
    """

    path: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "NextStep":
        """Raises InvalidRequestError for anything but these two paths: a login must not end elsewhere."""
        parts = urlsplit(text)
        if parts.scheme or parts.netloc or parts.path not in {paths.AUTHORIZE, paths.DEVICE}:
            raise InvalidRequestError("The login form does not say what the login is for.")
        return cls(parts.path, single_parameters(parse_qsl(parts.query)))

    def __str__(self) -> str:
        return to_address(self.path, self.parameters)


def must_sign_in(parameters: Mapping[str, str], auth_time: int | None, now: int) -> bool:
    """Whether this request needs the password now (OpenID Connect Core 3.1.2.1: prompt and max_age).

    Raises InvalidRequestError when either cannot be understood.
    """
    prompts = parameters.get("prompt", "").split()
    if not set(prompts) <= set(PROMPTS) or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequestError("The prompt is not one that this provider supports.")
    max_age = parameters.get("max_age")
    if max_age is not None and not (
        max_age.isascii() and max_age.isdigit() and len(max_age) <= LONGEST_MAX_AGE
    ):
        raise InvalidRequestError("The max_age is not a number of seconds.")
    if auth_time is None or "login" in prompts:
        return True
    return max_age is not None and now - auth_time >= int(max_age)


def refuse_unsupported(parameters: Mapping[str, str]) -> None:
    """Raises the OAuth2Error for what discovery says is not offered (OpenID Connect Core 3.1.2.6)."""
    if "request" in parameters:
        raise RequestNotSupportedError
    if "request_uri" in parameters:
        raise RequestURINotSupportedError
    if parameters.get("response_type") != "code":
        raise OAuth2Error("Only response_type=code is offered.", error="unsupported_response_type")
    if parameters.get("response_mode", "query") != "query":
        raise InvalidRequestError("Only response_mode=query is offered.")


@dataclass(frozen=True)
class SignIn:
    server: ProviderServer
    users: Users
    browser: Browser
    backchannel: BackchannelLogout
    clock: Clock

    async def authorize(self, request: web.Request) -> web.Response:
        parameters = await read_parameters(request)
        if request.method == "POST":
            # From another site the Lax cookie is not sent with a POST; it is with the GET that follows.
            return see_other(to_address(paths.AUTHORIZE, parameters))
        return self._continue(request, parameters, self.browser.session(request))

    async def login(self, request: web.Request) -> web.Response:
        form = await self.browser.read_form(request)
        next_step = NextStep.parse(form.get("next", ""))
        if form.get("decision") == "cancel":
            return self._cancel(request, next_step)
        username = form.get("username", "")
        try:
            user = self.users.authenticate(username, form.get("password", ""))
        except TooManyAttemptsError:
            return self.login_page(request, next_step, username, status=429, fault=TOO_MANY_ATTEMPTS)
        if user is None:
            return self.login_page(request, next_step, username, status=401, fault=WRONG_PASSWORD)
        session = self._sign_in(user, self.browser.session(request))
        response = self._resume(request, next_step, session)
        self.browser.remember(response, session)
        return response

    def login_page(
        self,
        request: web.Request,
        next_step: NextStep,
        username: str,
        *,
        status: int = 200,
        fault: str | None = None,
    ) -> web.Response:
        csrf = self.browser.csrf_token(request)
        html = pages.login_page(
            csrf=csrf,
            next_step=str(next_step),
            client_id=next_step.parameters.get("client_id"),
            username=username,
            fault=fault,
        )
        return self.browser.page(html, status=status, csrf=csrf)

    def _sign_in(self, user: User, previous: BrowserSession | None) -> BrowserSession:
        if previous is not None and previous.user == user:
            self.browser.sessions.confirm(previous)
            return previous
        if previous is not None:
            # Somebody else takes over this browser: the clients of the one before are told.
            self.backchannel.sign_out(previous)
        return self.browser.sessions.sign_in(user)

    def _resume(self, request: web.Request, next_step: NextStep, session: BrowserSession) -> web.Response:
        if next_step.path == paths.DEVICE:
            return see_other(str(next_step))
        return self._continue(request, next_step.parameters, session, just_signed_in=True)

    def _cancel(self, request: web.Request, next_step: NextStep) -> web.Response:
        if next_step.path == paths.DEVICE:
            return see_other(paths.DEVICE)
        return self._continue(request, next_step.parameters, None, just_signed_in=True)

    def _continue(
        self,
        request: web.Request,
        parameters: dict[str, str],
        session: BrowserSession | None,
        *,
        just_signed_in: bool = False,
    ) -> web.Response:
        """A code, an error, or the login page. Without a session after the login page: access_denied.

        Raises OAuth2Error when the redirect URI is not the client's: then nobody is told by redirect.
        """
        oauth_request = ProviderRequest("GET", self.server.config.issuer, request.headers, parameters)
        redirect_uri = self._redirect_uri(oauth_request)
        try:
            refuse_unsupported(parameters)
            grant: CodeGrant = self.server.get_consent_grant(oauth_request)
            if not just_signed_in and self._needs_login_page(parameters, session):
                next_step = NextStep(paths.AUTHORIZE, parameters)
                return self.login_page(request, next_step, parameters.get("login_hint", ""))
            answer: Answer = self.server.create_authorization_response(oauth_request, session, grant)
        except OAuth2Error as error:
            error.redirect_uri = redirect_uri
            error.state = parameters.get("state")
            answer = self.server.handle_error_response(oauth_request, error)
        return self.server.with_issuer(answer).as_response()

    def _redirect_uri(self, oauth_request: ProviderRequest) -> str:
        client = self.server.query_client(oauth_request.parameter("client_id") or "")
        if client is None:
            raise InvalidRequestError("The client_id is not one that is registered here.")
        return CodeGrant.validate_authorization_redirect_uri(oauth_request, client)

    def _needs_login_page(self, parameters: dict[str, str], session: BrowserSession | None) -> bool:
        auth_time = None if session is None else session.auth_time
        needs_login_page = must_sign_in(parameters, auth_time, int(self.clock.now().timestamp()))
        if needs_login_page and parameters.get("prompt") == "none":
            raise LoginRequiredError
        return needs_login_page
