"""JWTs verified with every option spelled out (RFC 7519, 8725, 9068, OIDC Core 3.1.3.7).

A token is `presented` until a function here has returned `Claims`; nothing else makes `Claims`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NewType, cast

import jwt
from jwt.algorithms import AllowedPublicKeys as PublicKey

from common.http import Json
from common.issuer import Issuer, UnknownKeyError

Claims = NewType("Claims", Mapping[str, Json])
BearerKind = Literal["access_token", "id_token"]
"""What goes to the API: where a provider's access tokens are opaque, the ID token stands in."""

BEARER_KINDS: tuple[BearerKind, ...] = ("access_token", "id_token")

LONGEST_TOKEN_BYTES = 8 * 1024
LEEWAY = timedelta(seconds=30)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")

_LATEST_TIME_S = 253_402_300_799  # the last second of the year 9999
_REFUSED_HEADERS = frozenset({"jwk", "jku", "x5u", "crit", "b64"})
_ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt", "jwt", ""})
_ID_TOKEN_TYPES = frozenset({"jwt", ""})
_LOGOUT_TOKEN_TYPES = frozenset({"logout+jwt", "application/logout+jwt", "jwt", ""})
_CLAIMS_OF_OTHER_TOKENS = frozenset({"at_hash", "c_hash", "s_hash", "events"})


class InvalidTokenError(Exception):
    """The token is not accepted. `cause` is a word for the log and a counter, not for the caller."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class TokenRules:
    """What a token must say: who made it and for whom, and in which types of token we believe."""

    audience: str | None
    types: frozenset[str]
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """When a token may be used (RFC 7519 sections 4.1.4 to 4.1.6), in seconds since 1970."""

    expires_at: float
    issued_at: float
    not_before: float

    def check(self, now: datetime) -> None:
        """Raises `InvalidTokenError` outside of these times; clocks may differ by `LEEWAY`."""
        now_s, leeway_s = now.timestamp(), LEEWAY.total_seconds()
        if self.expires_at + leeway_s <= now_s:
            raise InvalidTokenError("expired")
        if self.issued_at - leeway_s > now_s:
            raise InvalidTokenError("issued_in_the_future")
        if self.not_before - leeway_s > now_s:
            raise InvalidTokenError("not_yet_valid")


def access_token_rules(audience: str | None) -> TokenRules:
    return TokenRules(audience, _ACCESS_TOKEN_TYPES, ("iss", "sub", "aud", "exp", "iat"))


def id_token_rules(client_id: str) -> TokenRules:
    return TokenRules(client_id, _ID_TOKEN_TYPES, ("iss", "sub", "aud", "exp", "iat"))


def logout_token_rules(client_id: str) -> TokenRules:
    """OpenID Connect Back-Channel Logout 1.0 section 2.4."""
    return TokenRules(client_id, _LOGOUT_TOKEN_TYPES, ("iss", "aud", "exp", "iat", "jti", "events"))


async def verify_access_token(
    presented_token: str, issuer: Issuer, audience: str | None, now: datetime
) -> Claims:
    """Claims of a JWT access token. Any audience will do when `audience` is None: never to let somebody in.

    Raises `InvalidTokenError`, and `IssuerUnavailableError` when the keys were never fetched. Scopes are
    not looked at.
    """
    claims = await verify(presented_token, issuer, access_token_rules(audience), now)
    # Where access tokens carry no type of their own, an ID token or a logout token for the same audience
    # would pass for one. These claims stand only in those.
    if _CLAIMS_OF_OTHER_TOKENS & claims.keys():
        raise InvalidTokenError("type")
    # Keycloak leaves the nonce in access tokens as well, and tells the kinds apart by a claim.
    if "nonce" in claims and claims.get("typ") != "Bearer":
        raise InvalidTokenError("type")
    return claims


async def verify(presented_token: str, issuer: Issuer, rules: TokenRules, now: datetime) -> Claims:
    """Signature, issuer, audience, times and type; raises as `verify_access_token` does."""
    header = _checked_header(presented_token, rules)
    algorithm, key_id = cast("str", header["alg"]), cast("str | None", header.get("kid"))
    try:
        key = await issuer.signing_key(key_id, algorithm)
    except UnknownKeyError:
        raise InvalidTokenError("unknown_key") from None
    claims = decoded(
        presented_token,
        key.key,
        algorithm,
        issuer=issuer.url,
        audience=rules.audience,
        required=rules.required,
    )
    times_of(claims).check(now)
    if claims.get("sub") == "":
        raise InvalidTokenError("claims")
    return claims


def _checked_header(presented_token: str, rules: TokenRules) -> Mapping[str, Json]:
    if len(presented_token) > LONGEST_TOKEN_BYTES:
        raise InvalidTokenError("too_large")
    try:
        header: Mapping[str, Json] = jwt.get_unverified_header(presented_token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidTokenError("malformed") from None
    # jwk, jku and x5u would let the token bring its own key; crit and b64 ask for what we do not know.
    if _REFUSED_HEADERS & header.keys():
        raise InvalidTokenError("header")
    if header.get("alg") not in ALGORITHMS:
        raise InvalidTokenError("algorithm")
    if not isinstance(header.get("kid", ""), str):
        raise InvalidTokenError("header")
    if str(header.get("typ", "")).lower() not in rules.types:
        raise InvalidTokenError("type")
    return header


def decoded(
    presented_token: str,
    key: PublicKey,
    algorithm: str,
    *,
    issuer: str,
    audience: str | None,
    required: Sequence[str],
) -> Claims:
    """The claims behind a good signature, of this issuer, for this audience; None: for any.

    Raises `InvalidTokenError`. Neither the header nor the times are looked at.
    """
    try:
        claims = jwt.decode(
            presented_token,
            key=key,
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer,
            options={
                "verify_signature": True,
                "require": list(required),
                "verify_aud": audience is not None,
                "verify_iss": True,
                "verify_sub": True,
                "verify_jti": True,
                # Times are checked by `TokenTimes`, against a clock that is passed in.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.InvalidSignatureError:
        raise InvalidTokenError("signature") from None
    except jwt.InvalidIssuerError:
        raise InvalidTokenError("issuer") from None
    except jwt.InvalidAudienceError:
        raise InvalidTokenError("audience") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise InvalidTokenError("claims") from None
    return Claims(claims)


def times_of(claims: Claims) -> TokenTimes:
    """Raises `InvalidTokenError` for claims that are no times."""
    return TokenTimes(
        expires_at=time_claim(claims, "exp"),
        issued_at=time_claim(claims, "iat"),
        not_before=time_claim(claims, "nbf") if "nbf" in claims else 0.0,
    )


def time_claim(claims: Claims, name: str) -> float:
    """A NumericDate (RFC 7519 section 2): a finite number of this calendar, or `InvalidTokenError`."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidTokenError("claims")
    # NaN compares false. Compared before it is converted: an integer of 400 digits is no float.
    if not 0 <= value <= _LATEST_TIME_S:
        raise InvalidTokenError("claims")
    return float(value)
