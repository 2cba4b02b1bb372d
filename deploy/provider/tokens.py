"""The JWTs of the provider: access tokens (RFC 9068), ID tokens and logout tokens, made and read back."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from dataclasses import dataclass
from typing import cast

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oidc.core.util import create_half_hash

from common.clock import Clock
from common.randomness import Randomness, token_urlsafe
from deploy.provider.config import Config
from deploy.provider.keys import ALGORITHM, SigningKey
from deploy.provider.sessions import BrowserSession
from deploy.provider.vault import Authorization, Vault

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
ID_TOKEN_TYPE = "JWT"  # noqa: S105 - a media type
LOGOUT_TOKEN_TYPE = "logout+jwt"  # noqa: S105 - a media type
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_S = 120


@dataclass(frozen=True)
class AccessToken(TokenMixin):
    """A JWT access token of ours whose signature is good."""

    claims: dict[str, object]
    authorization: Authorization | None
    is_late: bool
    is_withdrawn: bool

    def check_client(self, client: ClientMixin) -> bool:
        return bool(self.claims["client_id"] == client.get_client_id())

    def get_scope(self) -> str:
        return str(self.claims["scope"])

    def is_expired(self) -> bool:
        return self.is_late

    def is_revoked(self) -> bool:
        return self.is_withdrawn


class TokenMaker:
    def __init__(
        self, config: Config, key: SigningKey, vault: Vault, clock: Clock, randomness: Randomness
    ) -> None:
        self._config = config
        self._key = key
        self._vault = vault
        self._clock = clock
        self._randomness = randomness
        self._started_at = self._now()

    def access_token(self, authorization: Authorization, scope: str, audience: str) -> str:
        now = self._now()
        claims = {
            "iss": self._config.issuer,
            "aud": audience,
            "sub": authorization.user.sub,
            "client_id": authorization.client_id,
            "iat": now,
            "exp": now + self._config.lifetimes.access_token_s,
            # The family's id is in front, so that what was revoked is known without a list of all tokens.
            "jti": f"{authorization.id}.{token_urlsafe(self._randomness, 16)}",
            "scope": scope,
            "auth_time": authorization.auth_time,
            # RFC 9068 2.2.2: so that an API can greet by name without asking userinfo.
            **authorization.user.claims(scope),
        }
        return self._key.sign(ACCESS_TOKEN_TYPE, claims)

    def id_token(self, authorization: Authorization, scope: str, access_token: str, nonce: str | None) -> str:
        now = self._now()
        claims = {
            "iss": self._config.issuer,
            "aud": authorization.client_id,
            "sub": authorization.user.sub,
            "iat": now,
            "exp": now + self._config.lifetimes.id_token_s,
            "auth_time": authorization.auth_time,
            "at_hash": create_half_hash(access_token, ALGORITHM).decode(),
            **authorization.user.claims(scope),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if authorization.session is not None:
            claims["sid"] = authorization.session.sid
        return self._key.sign(ID_TOKEN_TYPE, claims)

    def logout_token(self, client_id: str, session: BrowserSession) -> str:
        """OpenID Connect Back-Channel Logout 2.4; a nonce would be forbidden."""
        now = self._now()
        claims = {
            "iss": self._config.issuer,
            "aud": client_id,
            "sub": session.user.sub,
            "sid": session.sid,
            "iat": now,
            "exp": now + LOGOUT_TOKEN_S,
            "jti": token_urlsafe(self._randomness, 16),
            "events": {LOGOUT_EVENT: {}},
        }
        return self._key.sign(LOGOUT_TOKEN_TYPE, claims)

    def id_token_claims(self, id_token: str) -> dict[str, object] | None:
        """The claims of an ID token of ours, also an expired one, else None."""
        return self._ours(id_token, ID_TOKEN_TYPE)

    def read_access_token(self, token: str) -> AccessToken | None:
        """An access token of ours, also one that is late or revoked: the token says so. Else None."""
        claims = self._ours(token, ACCESS_TOKEN_TYPE)
        if claims is None:
            return None
        issued_at, expires_at = cast("int", claims["iat"]), cast("int", claims["exp"])
        authorization = self._vault.authorization(str(claims["jti"]).partition(".")[0])
        if authorization is None:
            # Families are lost in a restart, tokens are not: an older one is judged by its signature alone.
            is_withdrawn = issued_at >= self._started_at
        else:
            is_withdrawn = not authorization.is_usable()
        return AccessToken(
            claims, authorization, is_late=expires_at <= self._now(), is_withdrawn=is_withdrawn
        )

    def _ours(self, token: str, typ: str) -> dict[str, object] | None:
        claims = self._key.verified_claims(token, typ)
        return claims if claims is not None and claims.get("iss") == self._config.issuer else None

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
