"""Revocation (RFC 7009), introspection (RFC 7662) and userinfo: what a token is still good for."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from typing import ClassVar

from authlib.oauth2.rfc6749 import InvalidRequestError, ResourceProtector
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from deploy.provider.clients import SECRET_AUTH_METHODS, Client
from deploy.provider.grants import ALL_AUTH_METHODS
from deploy.provider.server import ProviderRequest, ProviderServer
from deploy.provider.tokens import AccessToken, TokenMaker
from deploy.provider.users import User
from deploy.provider.vault import RefreshToken


class _FindsTokens:
    server: ProviderServer

    def check_params(self, request: ProviderRequest, _client: Client) -> None:
        if request.parameter("token") is None:
            raise InvalidRequestError("The token is missing.")

    def query_token(self, token: str, _hint: str | None) -> AccessToken | RefreshToken | None:
        # The hint would only save time; RFC 7009 section 2.1 lets the server do without it.
        return self.server.vault.refresh_token(token) or self.server.tokens.read_access_token(token)


class Revocation(_FindsTokens, RevocationEndpoint):
    """Either token takes back the whole authorization: that is what a client that signs out wants."""

    CLIENT_AUTH_METHODS: ClassVar[list[str]] = ALL_AUTH_METHODS

    def revoke_token(self, token: AccessToken | RefreshToken, _request: ProviderRequest) -> None:
        if token.authorization is not None:
            token.authorization.is_revoked = True


class Introspection(_FindsTokens, IntrospectionEndpoint):
    """For confidential clients, which stand for the services behind them.

    Any of them may ask about an access token; about a refresh token only the client that it was given to.
    """

    CLIENT_AUTH_METHODS: ClassVar[list[str]] = SECRET_AUTH_METHODS

    def check_permission(
        self, token: AccessToken | RefreshToken, client: Client, _request: ProviderRequest
    ) -> bool:
        return isinstance(token, AccessToken) or token.check_client(client)

    def introspect_token(self, token: AccessToken | RefreshToken) -> dict[str, object]:
        if isinstance(token, AccessToken):
            return {**token.claims, "token_type": "Bearer"}
        authorization = token.authorization
        return {
            "iss": self.server.config.issuer,
            "sub": authorization.user.sub,
            "client_id": authorization.client_id,
            "scope": authorization.scope,
        }


class _AccessTokenValidator(BearerTokenValidator):
    def __init__(self, tokens: TokenMaker) -> None:
        super().__init__()
        self._tokens = tokens

    def authenticate_token(self, token: str) -> AccessToken | None:
        return self._tokens.read_access_token(token)


class UserInfo:
    """The claims of the user of an access token with the scope openid, whatever audience it has."""

    def __init__(self, server: ProviderServer) -> None:
        self._users = {user.sub: user for user in server.config.users}
        self._protector = ResourceProtector()
        self._protector.register_token_validator(_AccessTokenValidator(server.tokens))

    def claims(self, request: ProviderRequest) -> dict[str, object]:
        """Raises an OAuth2Error when the token is missing, bad, or without the scope."""
        token: AccessToken = self._protector.validate_request(["openid"], request)
        user: User | None = self._users.get(str(token.claims["sub"]))
        if user is None:  # a token from before a restart with other users
            raise InvalidTokenError
        return {"sub": user.sub, **user.claims(token.get_scope())}
