"""Authorization code with PKCE, and refresh with rotation: the rules that Authlib leaves to its user."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from typing import ClassVar

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDToken

from deploy.provider.clients import PUBLIC_AUTH_METHODS, SECRET_AUTH_METHODS, Client
from deploy.provider.server import ProviderRequest, ProviderServer
from deploy.provider.sessions import BrowserSession
from deploy.provider.tokens import TokenMaker
from deploy.provider.vault import Authorization, AuthorizationCode, RefreshToken

ALL_AUTH_METHODS = [*SECRET_AUTH_METHODS, *PUBLIC_AUTH_METHODS]


class GivesTokens:
    """The token answer of every grant. What Authlib calls the user is here the user's authorization."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar[list[str]] = ALL_AUTH_METHODS

    server: ProviderServer
    request: ProviderRequest

    def generate_token(
        self, *, user: Authorization, scope: str, include_refresh_token: bool
    ) -> dict[str, object]:
        audience = self.server.audience(self.request.parameter("resource"), user.resource)
        self.server.vault.remember(user)
        token: dict[str, object] = {
            "token_type": "Bearer",
            "access_token": self.server.tokens.access_token(user, scope, audience),
            "expires_in": self.server.config.lifetimes.access_token_s,
            "scope": scope,
        }
        if include_refresh_token:
            token["refresh_token"] = self.server.vault.new_refresh_token(user)
        return token


class CodeGrant(GivesTokens, AuthorizationCodeGrant):
    @staticmethod
    def validate_authorization_redirect_uri(request: ProviderRequest, client: Client) -> str:
        """The redirect URI, which must be there and be one of the client's to the letter."""
        redirect_uri = request.parameter("redirect_uri")
        if redirect_uri is None or not client.check_redirect_uri(redirect_uri):
            raise InvalidRequestError("The redirect_uri is not one that is registered for this client.")
        return redirect_uri

    def generate_authorization_code(self) -> str:
        return self.server.vault.new_secret()

    def save_authorization_code(self, code: str, request: ProviderRequest) -> None:
        session: BrowserSession = request.user
        authorization = Authorization(
            id=self.server.vault.new_id(),
            client_id=request.client.client_id,
            user=session.user,
            scope=request.scope,
            resource=request.parameter("resource"),
            auth_time=session.auth_time,
            nonce=request.parameter("nonce"),
            session=session,
        )
        self.server.vault.add_code(
            code,
            AuthorizationCode(
                authorization=authorization,
                redirect_uri=request.form["redirect_uri"],
                code_challenge=request.form["code_challenge"],
                code_challenge_method=request.form["code_challenge_method"],
            ),
        )

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        found = self.server.vault.code(code)
        if found is None or found.authorization.client_id != client.client_id:
            return None
        if found.is_redeemed:
            # RFC 6749 section 4.1.2: it was stolen before or is now; take back what it gave.
            found.authorization.is_revoked = True
        return found if found.authorization.is_usable() else None

    def delete_authorization_code(self, code: AuthorizationCode) -> None:
        code.is_redeemed = True
        if code.authorization.session is not None:
            code.authorization.session.client_ids.add(code.authorization.client_id)

    def authenticate_user(self, code: AuthorizationCode) -> Authorization:
        return code.authorization


class RequiredPkce(CodeChallenge):
    """PKCE with S256 for every client: without it a code that leaks is a login."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar[list[str]] = ["S256"]

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        if grant.request.parameter("code_challenge") is None:
            raise InvalidRequestError("PKCE is required: the code_challenge is missing.")
        if grant.request.parameter("code_challenge_method") != "S256":
            # A missing method would mean plain (RFC 7636 section 4.3).
            raise InvalidRequestError("PKCE is required with code_challenge_method=S256.")
        super().validate_code_challenge(grant, redirect_uri)


class ListedResource:
    """RFC 8707: an authorization request may name one resource of the list."""

    def __call__(self, grant: CodeGrant) -> None:
        grant.register_hook("after_validate_authorization_request_payload", self.check)

    def check(self, grant: CodeGrant, _result: None) -> None:
        grant.server.audience(grant.request.parameter("resource"))


class RotatingRefreshGrant(GivesTokens, RefreshTokenGrant):
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, token: str) -> RefreshToken | None:
        found = self.server.vault.refresh_token(token)
        if found is None or not found.check_client(self.request.client):
            return None
        if found.is_rotated:
            # RFC 9700 section 4.14.2: the second is the thief or the owner; nobody knows which, so both lose.
            found.authorization.is_revoked = True
        return None if found.is_revoked() else found

    def authenticate_user(self, token: RefreshToken) -> Authorization:
        return token.authorization

    def revoke_old_credential(self, token: RefreshToken) -> None:
        token.is_rotated = True


class IdTokens(OpenIDToken):
    """An ID token beside every access token whose scopes name openid."""

    def __init__(self, tokens: TokenMaker) -> None:
        self._tokens = tokens

    def encode_id_token(self, token: dict[str, str], request: ProviderRequest) -> str:
        authorization: Authorization = request.user
        # The nonce belongs to the login that asked for it, not to later refreshes (OpenID Connect Core 12.2).
        nonce = authorization.nonce if request.authorization_code else None
        return self._tokens.id_token(authorization, token["scope"], token["access_token"], nonce)
