"""How a strict provider judges `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE_S = 300


@dataclass
class ClientAssertions:
    """`algorithm` is the one that the client was registered with; `accepted` and `refused` are records."""

    key: PublicKey
    algorithm: str
    accepted: list[Mapping[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def accept(self, form: Mapping[str, str], *, client_id: str, audience: str, now: int) -> bool:
        if form.get("client_assertion_type") != ASSERTION_TYPE or "client_secret" in form:
            return self._refuse("not an assertion alone")
        try:
            signed = jwt.PyJWS().decode(form["client_assertion"], self.key, algorithms=[self.algorithm])
        except (jwt.PyJWTError, KeyError) as error:
            return self._refuse(type(error).__name__)
        claims = json.loads(signed)
        is_of_client = claims["iss"] == claims["sub"] == client_id == form.get("client_id", client_id)
        is_in_time = claims["iat"] <= now < claims["exp"] <= now + LONGEST_LIFE_S
        faults = {
            "not of this client": not is_of_client,
            "for somebody else": claims["aud"] != audience,
            "times": not is_in_time,
            "replayed": claims["jti"] in {seen["jti"] for seen in self.accepted},
        }
        for reason, is_wrong in faults.items():
            if is_wrong:
                return self._refuse(reason)
        self.accepted.append(claims)
        return True

    def _refuse(self, reason: str) -> bool:
        self.refused.append(reason)
        return False
