"""The ID token: OpenID Connect Core 3.1.3.7 and 12.2, and the step-up that the login asked for."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import cast

import jwt
from authlib.oidc.core.util import create_half_hash

from common.http import Json
from common.issuer import Issuer
from common.jwt import LEEWAY, Claims, InvalidTokenError, id_token_rules, time_claim, verify

# What the protocol needs and nobody signed in wants to read.
_PROTOCOL_CLAIMS = frozenset(
    {"aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "sid"}
)


async def verify_id_token(
    presented_token: str, issuer: Issuer, client_id: str, now: datetime, *, access_token: str
) -> Claims:
    """Everything but the nonce, which a refreshed token need not have.

    Raises `InvalidTokenError` and `IssuerUnavailableError`.
    """
    claims = await verify(presented_token, issuer, id_token_rules(client_id), now)
    _check_authorized_party(claims, client_id)
    algorithm = cast("str", jwt.get_unverified_header(presented_token)["alg"])
    _check_access_token_hash(claims, access_token, algorithm)
    return claims


def check_nonce(claims: Claims, nonce: str) -> None:
    """Without this, an ID token that was issued for another login could be replayed into this one."""
    found = claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(_bytes(found), nonce.encode()):
        raise InvalidTokenError("nonce")


def check_step_up(claims: Claims, now: datetime, *, max_age_s: int | None, acr_values: str | None) -> None:
    """The browser carried these wishes to the provider and could have dropped them on the way."""
    if max_age_s is not None:
        since = now.timestamp() - time_claim(claims, "auth_time")
        if since > max_age_s + LEEWAY.total_seconds():
            raise InvalidTokenError("auth_time")
    if acr_values is not None and claims.get("acr") not in acr_values.split():
        raise InvalidTokenError("acr")


def user_of(claims: Mapping[str, Json]) -> dict[str, Json]:
    """The claims about the person, without those of the protocol."""
    return {name: value for name, value in claims.items() if name not in _PROTOCOL_CLAIMS}


def _check_authorized_party(claims: Claims, client_id: str) -> None:
    audiences = claims["aud"]
    party = claims.get("azp")
    # A token made for several clients could have been obtained by another one of them.
    if isinstance(audiences, list) and len(audiences) > 1 and party is None:
        raise InvalidTokenError("azp")
    if party is not None and party != client_id:
        raise InvalidTokenError("azp")


def _check_access_token_hash(claims: Claims, access_token: str, algorithm: str) -> None:
    """Without this, the access token of another user could be put beside this ID token."""
    expected = claims.get("at_hash")
    if expected is None:
        return
    found = create_half_hash(access_token, algorithm)
    if not isinstance(expected, str) or found is None or not hmac.compare_digest(found, _bytes(expected)):
        raise InvalidTokenError("at_hash")


def _bytes(claim: str) -> bytes:
    # JSON can hold half a surrogate pair, which is no UTF-8: unequal, and not an error of ours.
    return claim.encode(errors="surrogatepass")
