"""The endpoints that programs call: forms and bearers in, JSON out."""
# mypy: disable-error-code="import-untyped"

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from authlib.oauth2 import OAuth2Error

from deploy.provider.browser import read_parameters
from deploy.provider.discovery import discovery_document
from deploy.provider.keys import SigningKey
from deploy.provider.server import Answer, ProviderRequest, ProviderServer
from deploy.provider.token_endpoints import UserInfo

STYLE_FILE = Path(__file__).with_name("style.css")


@dataclass(frozen=True)
class Endpoints:
    server: ProviderServer
    user_info: UserInfo
    key: SigningKey

    async def discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(discovery_document(self.server.config.issuer))

    async def jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(self.key.public_jwks())

    async def style(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STYLE_FILE)

    async def token(self, request: web.Request) -> web.Response:
        return await self._answer(request, self.server.create_token_response)

    async def revoke(self, request: web.Request) -> web.Response:
        return await self._answer(request, lambda r: self.server.create_endpoint_response("revocation", r))

    async def introspect(self, request: web.Request) -> web.Response:
        return await self._answer(request, lambda r: self.server.create_endpoint_response("introspection", r))

    async def device_authorization(self, request: web.Request) -> web.Response:
        return await self._answer(
            request, lambda r: self.server.create_endpoint_response("device_authorization", r)
        )

    async def userinfo(self, request: web.Request) -> web.Response:
        # Only the header counts: a token in a query or a form ends in histories and logs.
        oauth_request = ProviderRequest(request.method, self.server.config.issuer, request.headers, {})
        try:
            return web.json_response(
                self.user_info.claims(oauth_request), headers={"Cache-Control": "no-store"}
            )
        except OAuth2Error as error:
            answer: Answer = self.server.handle_error_response(oauth_request, error)
            return answer.as_response()

    async def _answer(
        self, request: web.Request, respond: Callable[[ProviderRequest], Answer]
    ) -> web.Response:
        try:
            parameters = await read_parameters(request)
            oauth_request = ProviderRequest(
                request.method, self.server.config.issuer, request.headers, parameters
            )
            answer = respond(oauth_request)
        except OAuth2Error as error:
            answer = self.server.handle_error_response(None, error)
        return answer.as_response()
