"""What a login may do, by the provider's word: scopes, roles and `acr`, which routes may ask for. Pure.

Nothing here verifies a token. The ID token was verified before; the access token came in the same answer of
the token endpoint, over the connection that the client's secret went over. So these are words of the
provider for this login, and never of a token that somebody else brought.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import jwt
import msgspec

from common.http import Json
from common.jwt import LONGEST_TOKEN_BYTES

_SURROGATES = re.compile("[\ud800-\udfff]")


class Grants(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of it, sealed beside the bearer."""

    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    acr: str | None = None


@dataclass(frozen=True)
class GrantRules:
    """`asked_scopes`: what we ask the provider for. `roles_claim`: a claim's name, or a dotted path to it."""

    asked_scopes: tuple[str, ...]
    roles_claim: str

    def grants_of(
        self, *, scope: str | None, access_token: str, id_token: str, before: Grants | None
    ) -> Grants:
        """`scope` is what the token answer says; `before` what was held until a refresh, None at a login.

        `access_token` may be opaque. `id_token` was verified, at this answer or at an earlier one.
        """
        access_claims, id_claims = _claims_in(access_token), _claims_in(id_token)
        acr = id_claims.get("acr")
        former_acr = None if before is None else before.acr
        return Grants(
            scopes=self._scopes(scope, access_claims, before),
            roles=self._roles(access_claims, id_claims),
            # OpenID Connect Core 12.2: an ID token of a refresh need not say again how the user logged in.
            acr=acr if isinstance(acr, str) and _is_text(acr) else former_acr,
        )

    def _scopes(
        self, scope: str | None, access_claims: Mapping[str, Json], before: Grants | None
    ) -> frozenset[str]:
        if scope is not None:
            # What is too large to keep is dropped whole: cut, one scope could become another.
            return _words(scope if len(scope) <= LONGEST_TOKEN_BYTES else "", splits=True)
        for name in ("scope", "scp"):
            if name in access_claims:
                return _words(access_claims[name], splits=True)
        # RFC 6749 5.1 and 6: left out, it is what was asked for, or what it was before.
        return frozenset(self.asked_scopes) if before is None else before.scopes

    def _roles(self, access_claims: Mapping[str, Json], id_claims: Mapping[str, Json]) -> frozenset[str]:
        """Those of the access token, which the service behind reads as well; else those of the ID token."""
        for claims in (access_claims, id_claims):
            found = _claim_at(claims, self.roles_claim)
            if found is not None:
                return _words(found, splits=False)
        return frozenset()


def _claim_at(claims: Mapping[str, Json], path: str) -> Json:
    # Names that are addresses have dots of their own (`https://example.com/roles`), so the whole name first.
    if path in claims:
        return claims[path]
    value: Json = dict(claims)
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def _words(value: Json, *, splits: bool) -> frozenset[str]:
    """A list of texts; a text is parted at blanks where it `splits` (scopes), and one word otherwise."""
    if isinstance(value, str):
        value = [*value.split()] if splits else [value]
    if not isinstance(value, list):
        return frozenset()
    return frozenset(word for word in value if isinstance(word, str) and _is_text(word))


def _is_text(word: str) -> bool:
    """JSON can hold half a surrogate pair, which cannot be stored: a login must not fail for that."""
    return not _SURROGATES.search(word)


def _claims_in(token: str) -> Mapping[str, Json]:
    """What it says when it is a JWT, unverified (see above); empty when it is opaque or too large."""
    if len(token) > LONGEST_TOKEN_BYTES:
        return {}
    try:
        return cast("Mapping[str, Json]", jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, RecursionError):
        return {}
