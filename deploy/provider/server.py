"""Authlib's authorization server over aiohttp: the request and the answer in its words, and whom it knows."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web
from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidClientError, InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from deploy.provider.clients import Client
from deploy.provider.config import Config
from deploy.provider.device_credentials import DeviceCredentials
from deploy.provider.tokens import TokenMaker
from deploy.provider.vault import Vault

MOST_PARAMETERS = 50


class InvalidTargetError(OAuth2Error):
    """RFC 8707 section 2: the wanted resource is not one that tokens are made for."""

    error = "invalid_target"
    description = "The resource is not one that this provider makes tokens for."


class ProviderRequest(OAuth2Request):
    """A request as Authlib reads it.

    Its parameters come from the body of a POST or from the query, never from both: RFC 6749 section 2.3.1
    forbids credentials in the URL.
    """

    def __init__(
        self, method: str, uri: str, headers: Mapping[str, str], parameters: Mapping[str, str]
    ) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(dict(parameters))

    @property
    def form(self) -> Mapping[str, str]:
        parameters: Mapping[str, str] = self.payload.data
        return parameters

    def parameter(self, name: str) -> str | None:
        return self.form.get(name)


@dataclass
class Answer:
    """What Authlib decided, before it becomes an aiohttp response."""

    status: int
    body: Mapping[str, object] | str
    headers: Iterable[tuple[str, str]]

    def as_response(self) -> web.Response:
        body = self.body if isinstance(self.body, str) else json.dumps(self.body)
        # 303 in place of 302 (RFC 9700 section 4.12): a password just posted is not posted on to the client.
        status = web.HTTPSeeOther.status_code if self.status == web.HTTPFound.status_code else self.status
        response = web.Response(status=status, body=body.encode())
        for name, value in self.headers:
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def single_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The parameters, empty ones left out (RFC 6749 section 3.1).

    Raises InvalidRequestError when one is repeated: two parties that read a repeated parameter differently
    can be played off against each other.
    """
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise InvalidRequestError("A parameter is there more than once.")
        parameters[name] = value
    if len(parameters) > MOST_PARAMETERS:
        raise InvalidRequestError("There are too many parameters.")
    return {name: value for name, value in parameters.items() if value}


class ProviderServer(AuthorizationServer):
    """Whom Authlib's classes ask: for clients, for what was given, for new tokens."""

    def __init__(self, config: Config, vault: Vault, devices: DeviceCredentials, tokens: TokenMaker) -> None:
        super().__init__()
        self.config = config
        self.vault = vault
        self.devices = devices
        self.tokens = tokens
        self._clients = {client.client_id: client for client in config.clients}

    def query_client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def authenticate_client(
        self, request: ProviderRequest, methods: list[str], endpoint: str = "token"
    ) -> Client:
        if "Authorization" in request.headers and request.parameter("client_secret"):
            # RFC 6749 section 2.3: one way of authentication per request.
            raise InvalidRequestError("The client authenticates in two ways at once.")
        try:
            client: Client = super().authenticate_client(request, methods, endpoint)
        except ValueError as error:  # Basic credentials that are not base64 of UTF-8 text
            raise InvalidClientError("The Authorization header is malformed.", status_code=401) from error
        return client

    def audience(self, wanted: str | None, granted: str | None = None) -> str:
        """Whom an access token is for: the granted resource, else the wanted one, else the default audience.

        Raises InvalidTargetError for a resource that was not granted or is not on the list.
        """
        if wanted is not None and granted is not None and wanted != granted:
            raise InvalidTargetError
        audience = granted or wanted or self.config.audience
        if audience not in {self.config.audience, *self.config.resources}:
            raise InvalidTargetError
        return audience

    def with_issuer(self, answer: Answer) -> Answer:
        """RFC 9207: every redirect back to a client names who sends it, errors included."""
        answer.headers = [
            (name, add_params_to_uri(value, {"iss": self.config.issuer}) if name == "Location" else value)
            for name, value in answer.headers
        ]
        return answer

    def save_token(self, token: Mapping[str, object], request: ProviderRequest) -> None:
        """Nothing: tokens are remembered where they are made."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nothing: nobody listens."""

    def create_oauth2_request(self, request: ProviderRequest) -> ProviderRequest:
        return request

    def handle_response(
        self, status: int, body: Mapping[str, object] | str, headers: Iterable[tuple[str, str]]
    ) -> Answer:
        return Answer(status, body, headers)
