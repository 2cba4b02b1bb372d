"""`/login/start` in device mode: where a command line logs in, so that none hard-codes OIDC endpoints."""

from dataclasses import dataclass

from aiohttp import web

from bff.login.provider import ProviderUnavailableError
from bff.login.start import provider_problem
from bff.settings import Settings
from common.clock import Clock
from common.issuer import Issuer, IssuerUnavailableError


@dataclass(frozen=True)
class DeviceStart:
    settings: Settings
    issuer: Issuer
    clock: Clock

    async def handle(self, _request: web.Request) -> web.Response:
        """Public facts only: the command line runs the device flow (RFC 8628) and keeps its own tokens."""
        try:
            metadata = await self.issuer.metadata()
        except IssuerUnavailableError as error:
            raise provider_problem(ProviderUnavailableError(error.cause)) from error
        return web.json_response(
            {
                "device_authorization_endpoint": metadata.device_authorization_endpoint,
                "token_endpoint": metadata.token_endpoint,
                "revocation_endpoint": metadata.revocation_endpoint,
                "client_id": self.settings.device_client_id,
                "issuer": metadata.issuer,
                "scopes": list(self.settings.scopes),
                "audience_param": self.settings.audience_param,
                "audience": self.settings.audience,
                "server_time": self.clock.now().isoformat(),
            }
        )
