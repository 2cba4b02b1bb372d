"""What the agent asks of the provider: authorize, redeem, refresh, revoke, user info, end of session.

Authlib's primitives build the requests; our own bounded client sends them (docs/decisions/0002).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import structlog
from authlib.common.urls import add_params_to_qs, add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from bff.login.client_auth import ClientAuthentication
from bff.login.transaction import LoginTransaction
from bff.session.grants import GrantRules
from bff.settings import Settings
from common.http import ExchangeError, Json, exchange, json_object
from common.issuer import Issuer, IssuerUnavailableError
from common.metadata import ProviderMetadata

_UNKNOWN_LIFETIME_S = 300
_LONGEST_LIFETIME_S = 366 * 24 * 3600
_FIRST_SERVER_ERROR = 500
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
# Answers of the token endpoint that say "not now" and leave the grant as it was.
_PASSING_ERRORS = frozenset({"temporarily_unavailable", "server_error"})

log = structlog.get_logger(__name__)


class ProviderUnavailableError(Exception):
    """The provider cannot be asked or makes no sense now; what we hold is still good."""

    def __init__(self, cause: str, *, is_answer: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.is_answer = is_answer
        """Whether the provider itself refused, so that what was sent is known to be unused."""


class GrantRefusedError(Exception):
    """The provider says no (RFC 6749 5.2). Only `invalid_grant` means that the grant itself has ended."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error

    @property
    def is_final(self) -> bool:
        return self.error == "invalid_grant"


@dataclass(frozen=True, repr=False)
class TokenAnswer:
    """A token endpoint's answer, typed."""

    access_token: str
    expires_in_s: int
    refresh_token: str | None
    id_token: str | None
    scope: str | None

    def __repr__(self) -> str:
        return "TokenAnswer(***)"


class Provider:
    """The provider seen by one client registration."""

    def __init__(
        self, issuer: Issuer, client: httpx.AsyncClient, settings: Settings, auth: ClientAuthentication
    ) -> None:
        self.issuer = issuer
        self.client_id = settings.client_id
        self._client = client
        self._settings = settings
        self.scopes = settings.scopes
        self.bearer = settings.bearer
        self.grant_rules = GrantRules(settings.scopes, settings.routes.roles_claim)
        self._auth = auth

    async def metadata(self) -> ProviderMetadata:
        try:
            return await self.issuer.metadata()
        except IssuerUnavailableError as error:
            raise ProviderUnavailableError(error.cause) from error

    async def authorization_url(self, transaction: LoginTransaction, asked: Mapping[str, str]) -> str:
        """The request that the browser carries, or a reference to it where the provider takes it from us."""
        metadata = await self.metadata()
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self._settings.redirect_url,
            "scope": " ".join(self.scopes),
            "state": transaction.state,
            "nonce": transaction.nonce,
            "code_challenge": create_s256_code_challenge(transaction.verifier),
            "code_challenge_method": "S256",
            **self._audience(),
            **asked,
        }
        endpoint = metadata.pushed_authorization_request_endpoint
        if endpoint is not None:
            parameters = {"client_id": self.client_id, "request_uri": await self._push(endpoint, parameters)}
        url: str = add_params_to_uri(metadata.authorization_endpoint, list(parameters.items()))
        return url

    async def _push(self, endpoint: str, parameters: Mapping[str, str]) -> str:
        """RFC 9126: pushed, nobody on the way to the provider can read or change what is asked."""
        form = dict(parameters)
        if self._settings.client_auth != "client_secret_basic":
            # The client's proof names it in the form, and no parameter may come twice (RFC 6749 3.1).
            del form["client_id"]
        try:
            answer = _object(await self._post(endpoint, add_params_to_qs("", list(form.items()))))
        except GrantRefusedError as error:
            raise ProviderUnavailableError("push_refused", is_answer=True) from error
        request_uri = _text(answer.get("request_uri"))
        if request_uri is None:
            raise ProviderUnavailableError("no_request_uri")
        return request_uri

    async def redeem(self, code: str, verifier: str) -> TokenAnswer:
        """Raises `GrantRefusedError` and `ProviderUnavailableError`."""
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=self._settings.redirect_url,
            code=code,
            code_verifier=verifier,
            **self._audience(),
        )
        metadata = await self.metadata()
        return _token_answer(await self._post(metadata.token_endpoint, body))

    async def refresh(self, refresh_token: str) -> TokenAnswer:
        """Raises `GrantRefusedError` and `ProviderUnavailableError`."""
        body = prepare_token_request("refresh_token", refresh_token=refresh_token, **self._audience())
        metadata = await self.metadata()
        return _token_answer(await self._post(metadata.token_endpoint, body))

    async def revoke(self, refresh_token: str) -> None:
        """Best effort (RFC 7009): the session has ended here whatever the provider says."""
        try:
            endpoint = (await self.metadata()).revocation_endpoint
            if endpoint is not None:
                body = add_params_to_qs("", [("token", refresh_token), ("token_type_hint", "refresh_token")])
                await self._post(endpoint, body)
        except (ProviderUnavailableError, GrantRefusedError) as error:
            log.warning("refresh_token_not_revoked", cause=type(error).__name__)

    async def userinfo(self, access_token: str) -> Mapping[str, Json] | None:
        """OIDC Core 5.3; None where there is no such endpoint or it does not take this token."""
        endpoint = (await self.metadata()).userinfo_endpoint
        if endpoint is None:
            return None
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        response = await self._send(
            self._client.build_request("GET", self._inside(endpoint), headers=headers)
        )
        return _object(response) if response.status_code == httpx.codes.OK else None

    async def introspect(self, access_token: str) -> Mapping[str, Json] | None:
        """RFC 7662; None where the provider does not offer it or does not know the token."""
        endpoint = (await self.metadata()).introspection_endpoint
        if endpoint is None:
            return None
        try:
            answer = _object(await self._post(endpoint, add_params_to_qs("", [("token", access_token)])))
        except GrantRefusedError:
            return None
        return answer if answer.get("active") is True else None

    def _audience(self) -> dict[str, str]:
        parameter, audience = self._settings.audience_param, self._settings.audience
        return {} if parameter == "none" or audience is None else {parameter: audience}

    def _inside(self, endpoint: str) -> str:
        return self.issuer.inside(endpoint)

    async def _post(self, endpoint: str, body: str) -> httpx.Response:
        """A form post with client authentication; an OAuth error raises `GrantRefusedError`."""
        url, headers, content = self._auth.prepare("POST", self._inside(endpoint), dict(_FORM), body)
        request = self._client.build_request("POST", url, headers=headers, content=content)
        response = await self._send(request)
        if response.status_code not in {httpx.codes.OK, httpx.codes.CREATED}:
            raise _refusal(response)
        return response

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await exchange(self._client, request)
        except ExchangeError as error:
            raise ProviderUnavailableError(error.cause) from error
        if response.status_code >= _FIRST_SERVER_ERROR:
            raise ProviderUnavailableError(f"status_{response.status_code}")
        return response


def end_session_url(
    metadata: ProviderMetadata, settings: Settings, *, id_token: str, return_to: str, state: str
) -> str | None:
    """The request of RP-initiated logout; None where the provider has no such endpoint."""
    if metadata.end_session_endpoint is None:
        return None
    parameters = [
        ("id_token_hint", id_token),
        ("client_id", settings.client_id),
        ("post_logout_redirect_uri", return_to),
        ("state", state),
    ]
    url: str = add_params_to_uri(metadata.end_session_endpoint, parameters)
    return url


def _refusal(response: httpx.Response) -> Exception:
    try:
        error = json_object(response).get("error")
    except ExchangeError:
        error = None
    if not isinstance(error, str) or error in _PASSING_ERRORS:
        # A proxy's error page or a rate limit says nothing about the grant.
        return ProviderUnavailableError(f"status_{response.status_code}")
    return GrantRefusedError(error)


def _object(response: httpx.Response) -> Mapping[str, Json]:
    try:
        return json_object(response)
    except ExchangeError as error:
        raise ProviderUnavailableError(error.cause) from error


def _token_answer(response: httpx.Response) -> TokenAnswer:
    answer = _object(response)
    access_token, token_type = answer.get("access_token"), answer.get("token_type")
    if not isinstance(access_token, str) or not _is_header_safe(access_token):
        raise ProviderUnavailableError("no_access_token")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise ProviderUnavailableError("token_type")
    return TokenAnswer(
        access_token=access_token,
        expires_in_s=_lifetime_s(answer.get("expires_in")),
        refresh_token=_text(answer.get("refresh_token")),
        id_token=_text(answer.get("id_token")),
        scope=_scope(answer.get("scope")),
    )


def _is_header_safe(token: str) -> bool:
    """RFC 6750 2.1. Anything else could start a second header line on its way upstream."""
    return token.isascii() and token.isprintable() and bool(token) and " " not in token


def _lifetime_s(value: Json) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:10])
    # Compared and not converted, since an integer of 400 digits is no float; NaN compares false.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        return _UNKNOWN_LIFETIME_S
    return int(min(value, _LONGEST_LIFETIME_S))


def _scope(value: Json) -> str | None:
    """None when it was left out, which means something (RFC 6749 5.1). Some providers send a list."""
    if isinstance(value, list):
        return " ".join(word for word in value if isinstance(word, str))
    return value if isinstance(value, str) or value is None else ""


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
