"""JWTs of ours, verified: by our keys, which no other issuer's token meets.

What such a JWT was made of may have ended since: whoever lets somebody in by one looks that up.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import jwt
import msgspec

from apiserver.exchange.claims import PREFIXES, TOKEN_TYPE, OwnClaims, SubjectKind
from apiserver.signing.es256 import ALGORITHM
from apiserver.signing.key import KeyId
from apiserver.signing.rotation import SigningKeys
from common.jwt import LONGEST_TOKEN_BYTES, Claims, InvalidTokenError, decoded, times_of

_HEADERS = {"alg", "kid", "typ"}
_REQUIRED = ("iss", "aud", "iat", "exp", "jti", "kind", "sub", "owner", "tenant", "taints", "credential")


class _UnverifiedIssuer(msgspec.Struct):
    iss: str = ""


class _Told(msgspec.Struct):
    kind: SubjectKind
    sub: str
    credential: str
    aud: str
    scope: str | None = None


def unverified_issuer(presented_token: str) -> str:
    """Who the JWT says has made it: picks whose keys verify it, and vouches for nothing. Empty: none."""
    payload = presented_token.partition(".")[2].partition(".")[0]
    try:
        decoded = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(decoded, type=_UnverifiedIssuer).iss
    except (ValueError, RecursionError):
        return ""


@dataclass(frozen=True)
class OwnJwts:
    issuer: str
    keys: SigningKeys

    async def verify(self, presented_token: str, audience: str | None, now: datetime) -> OwnClaims:
        """Raises `InvalidTokenError`. Any audience will do when it is None: never to let somebody in."""
        pair = await self.keys.verifier(_key_id(presented_token))
        if pair is None:
            raise InvalidTokenError("unknown_key")
        claims = decoded(
            presented_token,
            pair.public,
            ALGORITHM,
            issuer=self.issuer,
            audience=audience,
            required=_REQUIRED,
        )
        times_of(claims).check(now)
        return _own_claims(claims)


def _key_id(presented_token: str) -> KeyId:
    """The key that the header names, where the header is one that we write. Raises `InvalidTokenError`."""
    if len(presented_token) > LONGEST_TOKEN_BYTES:
        raise InvalidTokenError("too_large")
    try:
        header: Mapping[str, object] = jwt.get_unverified_header(presented_token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidTokenError("malformed") from None
    # No more than these: jwk and jku would let the token bring its own key.
    if header.keys() != _HEADERS:
        raise InvalidTokenError("header")
    if header["typ"] != TOKEN_TYPE:
        raise InvalidTokenError("type")
    return KeyId(str(header["kid"]))


def _own_claims(claims: Claims) -> OwnClaims:
    try:
        told = msgspec.convert(claims, _Told)
    except msgspec.ValidationError:
        raise InvalidTokenError("claims") from None
    return OwnClaims(
        kind=told.kind,
        id=told.sub.removeprefix(PREFIXES[told.kind]),
        credential=told.credential,
        audience=told.aud,
        scopes=None if told.scope is None else frozenset(told.scope.split()),
        all=claims,
    )
