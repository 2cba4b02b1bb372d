"""Signed tokens, good and bad, made without a library between the test and what must be refused."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header: Mapping[str, Any], claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """A JWS of any header and any claims, signed by `sign` whatever the header says."""
    signed = f"{b64url(json.dumps(header).encode())}.{b64url(json.dumps(claims).encode())}"
    return f"{signed}.{b64url(sign(signed.encode()))}"


class SigningKey:
    """An EC key with its name."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self._algorithm = ECAlgorithm(ECAlgorithm.SHA256)
        self._private_key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._private_key.public_key()

    def sign(self, message: bytes) -> bytes:
        return self._algorithm.sign(message, self._private_key)

    def as_jwk(self) -> dict[str, Any]:
        return {
            **ECAlgorithm.to_jwk(self.public_key, as_dict=True),
            "kid": self.kid,
            "use": "sig",
            "alg": "ES256",
        }
