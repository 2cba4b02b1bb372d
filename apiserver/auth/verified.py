"""Verified JWTs: what signature and claims of a token said is computed once and looked up from then on.

Only what the text of a token proves is kept. Who its user is here, what they may do, and any state of a
device or of a token of ours is none of that, and is looked up with each request.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from apiserver.auth.login import Login, login_of
from apiserver.bounded import Bounded
from common.issuer import Issuer, SigningKeys
from common.jwt import BearerKind, Claims, InvalidTokenError, id_token_rules, verify, verify_access_token

MOST_TOKENS = 20_000
"""Some fifteen megabytes. Whose token had to make room is verified again, and notices nothing."""

_CLAIMS_OF_OTHER_TOKENS = frozenset({"scope", "scp", "client_id", "events"})


@dataclass(frozen=True)
class LoginVerifier:
    """Verifies the JWTs of one provider, made for this API. Remembers nothing."""

    issuer: Issuer
    audience: str
    bearer: BearerKind

    async def login_of(self, presented_token: str, now: datetime) -> Login:
        """Raises `InvalidTokenError`, and `IssuerUnavailableError` when the keys were never fetched."""
        return login_of(self.issuer.url, await self._claims_of(presented_token, now))

    async def _claims_of(self, presented_token: str, now: datetime) -> Claims:
        if self.bearer == "access_token":
            return await verify_access_token(presented_token, self.issuer, self.audience, now)
        claims = await verify(presented_token, self.issuer, id_token_rules(self.audience), now)
        _check_is_id_token(claims, client_id=self.audience)
        return claims


@dataclass(frozen=True, slots=True)
class _Verified:
    """`keys` are those that were known before the look: with others, it counts no more."""

    login: Login
    keys: SigningKeys | None


class VerifiedLogins:
    """The table in front of the verifier. Tokens that are refused are not kept, so junk pushes nobody out."""

    def __init__(self, verifier: LoginVerifier, most: int = MOST_TOKENS) -> None:
        self._verifier = verifier
        # By hash: a copy of the memory has no token to use.
        self._verified: Bounded[bytes, _Verified] = Bounded(most)

    async def login_of(self, presented_token: str, now: datetime) -> Login:
        """As `LoginVerifier.login_of`."""
        digest = hashlib.sha256(presented_token.encode()).digest()
        keys = self._verifier.issuer.known_keys()
        verified = self._verified.get(digest)
        # A key that was withdrawn, because it leaked perhaps, vouches for nothing any more.
        if verified is not None and verified.keys is keys:
            verified.login.times.check(now)
            return verified.login
        login = await self._verifier.login_of(presented_token, now)
        self._verified.put(digest, _Verified(login, keys))
        return login


def _check_is_id_token(claims: Claims, *, client_id: str) -> None:
    """Access tokens and logout tokens without a type of their own look like it: these claims tell them apart.

    Raises `InvalidTokenError`.
    """
    if _CLAIMS_OF_OTHER_TOKENS & claims.keys():
        raise InvalidTokenError("type")
    # OIDC Core 3.1.3.7: one that several clients may read could have been obtained by another one of them.
    audiences, party = claims["aud"], claims.get("azp")
    is_shared = isinstance(audiences, list) and len(audiences) > 1
    if (is_shared or party is not None) and party != client_id:
        raise InvalidTokenError("azp")
