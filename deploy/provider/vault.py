"""What the provider remembers of what it gave: authorizations, codes and refresh tokens, in memory."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from dataclasses import dataclass

from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin

from common.clock import Clock
from common.randomness import Randomness, token_urlsafe
from deploy.provider.config import Lifetimes
from deploy.provider.memory import ExpiringTable
from deploy.provider.sessions import BrowserSession
from deploy.provider.users import User


@dataclass(eq=False)
class Authorization:
    """One user's yes to one client: the family of a code, its refresh tokens and its access tokens.

    `session` is the browser session it came from; that of a device has none and outlives the browser's.
    """

    id: str
    client_id: str
    user: User
    scope: str
    resource: str | None
    auth_time: int
    nonce: str | None = None
    session: BrowserSession | None = None
    is_revoked: bool = False

    def is_usable(self) -> bool:
        """Whether tokens of this family are still good.

        OpenID Connect Back-Channel Logout 2.7: signing out ends what was given without offline_access.
        """
        signed_out = self.session is not None and self.session.is_signed_out
        return not self.is_revoked and (not signed_out or "offline_access" in self.scope.split())


@dataclass(eq=False)
class AuthorizationCode(AuthorizationCodeMixin):
    authorization: Authorization
    redirect_uri: str
    code_challenge: str
    code_challenge_method: str
    is_redeemed: bool = False

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.authorization.scope


@dataclass(eq=False)
class RefreshToken(TokenMixin):
    authorization: Authorization
    is_rotated: bool = False

    def check_client(self, client: ClientMixin) -> bool:
        return bool(self.authorization.client_id == client.get_client_id())

    def get_scope(self) -> str:
        return self.authorization.scope

    def is_expired(self) -> bool:
        return False  # the table forgets it when its time is over

    def is_revoked(self) -> bool:
        return self.is_rotated or not self.authorization.is_usable()


class Vault:
    def __init__(self, clock: Clock, randomness: Randomness, lifetimes: Lifetimes) -> None:
        self._randomness = randomness
        # A family must be known for as long as a token of it can be shown.
        family_s = lifetimes.refresh_token_s + lifetimes.access_token_s
        self._authorizations: ExpiringTable[Authorization] = ExpiringTable(clock, family_s)
        self._codes: ExpiringTable[AuthorizationCode] = ExpiringTable(clock, lifetimes.code_s)
        self._refresh_tokens: ExpiringTable[RefreshToken] = ExpiringTable(clock, lifetimes.refresh_token_s)

    def new_id(self) -> str:
        return token_urlsafe(self._randomness, 16)

    def new_secret(self) -> str:
        return token_urlsafe(self._randomness)

    def remember(self, authorization: Authorization) -> None:
        """Know this family until the last token that it has by now is over."""
        self._authorizations.put(authorization.id, authorization)

    def authorization(self, authorization_id: str) -> Authorization | None:
        return self._authorizations.get(authorization_id)

    def add_code(self, code: str, what_it_gives: AuthorizationCode) -> None:
        self._codes.put(code, what_it_gives)

    def code(self, code: str) -> AuthorizationCode | None:
        """What the code gives, also when it was redeemed: showing it again must be noticed."""
        return self._codes.get(code)

    def new_refresh_token(self, authorization: Authorization) -> str:
        token = self.new_secret()
        self._refresh_tokens.put(token, RefreshToken(authorization))
        return token

    def refresh_token(self, token: str) -> RefreshToken | None:
        """The refresh token, also one that was rotated: showing it again must end its family."""
        return self._refresh_tokens.get(token)
