"""The device flow (RFC 8628) as the client sees it; the pages that the user sees are in `device_pages`."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from authlib.oauth2.rfc6749 import InvalidGrantError, UnauthorizedClientError
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE, DeviceAuthorizationEndpoint, DeviceCodeGrant

from common.clock import Clock
from common.randomness import Randomness
from deploy.provider.clients import Client
from deploy.provider.device_credentials import Decision, DeviceCredential, new_user_code
from deploy.provider.grants import GivesTokens
from deploy.provider.server import ProviderRequest, ProviderServer
from deploy.provider.vault import Authorization

JsonAnswer = tuple[int, dict[str, object], list[tuple[str, str]]]


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    """Starts a device login."""

    server: ProviderServer

    def __init__(self, server: ProviderServer, clock: Clock, randomness: Randomness) -> None:
        super().__init__(server)
        self._clock = clock
        self._randomness = randomness
        self.EXPIRES_IN = server.config.lifetimes.device_code_s
        self.INTERVAL = server.config.device_interval_s

    def authenticate_client(self, request: ProviderRequest) -> Client:
        client: Client = super().authenticate_client(request)
        if not client.check_grant_type(DEVICE_CODE_GRANT_TYPE):
            raise UnauthorizedClientError("The client is not registered for the device flow.")
        self.server.audience(request.parameter("resource"))
        return client

    def create_endpoint_response(self, request: ProviderRequest) -> JsonAnswer:
        status, data, headers = super().create_endpoint_response(request)
        credential = DeviceCredential(
            device_code=data["device_code"],
            user_code=data["user_code"],
            client_id=request.client.client_id,
            scope=request.client.get_allowed_scope(request.parameter("scope")),
            resource=request.parameter("resource"),
            interval_s=self.INTERVAL,
            expires_at=self._clock.monotonic() + self.EXPIRES_IN,
            clock=self._clock,
        )
        self.server.devices.add(credential)
        return status, data, headers

    def generate_device_code(self) -> str:
        return self.server.vault.new_secret()

    def generate_user_code(self) -> str:
        return new_user_code(self._randomness)

    def get_verification_uri(self) -> str:
        return f"{self.server.config.issuer}/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, object]) -> None:
        """Nothing: `create_endpoint_response` does, with the resource, which this call is not told."""


class DeviceGrant(GivesTokens, DeviceCodeGrant):
    """Asks for the tokens of a device login, again and again until the user has decided."""

    def query_device_credential(self, device_code: str) -> DeviceCredential:
        credential = self.server.devices.of_device(device_code)
        if credential is None:
            raise InvalidGrantError("The device_code is unknown or was used.")
        return credential

    def validate_device_credential(self, credential: DeviceCredential) -> Authorization:
        self._credential = credential
        authorization: Authorization = super().validate_device_credential(credential)
        return authorization

    def query_user_grant(self, _user_code: str) -> tuple[Authorization | None, bool] | None:
        credential = self._credential
        if credential.decision is Decision.PENDING:
            return None
        return credential.authorization, credential.decision is Decision.APPROVED

    def should_slow_down(self, credential: DeviceCredential) -> bool:
        return credential.is_asked_too_soon()

    def create_token_response(self) -> JsonAnswer:
        answer: JsonAnswer = super().create_token_response()
        self.server.devices.remove(self.request.credential)
        return answer
