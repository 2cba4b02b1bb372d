"""ES256 (RFC 7518 section 3.4): what every library that verifies JWTs takes, Envoy's filter included.

EdDSA signs faster, but libraries of some languages lack it, and signing is not what an exchange waits for.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from apiserver.signing.key import KeyId

ALGORITHM = "ES256"
_COORDINATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key that is open. `id` is made of the public half, so that no other key can take its name."""

    id: KeyId
    private: EllipticCurvePrivateKey = field(repr=False)
    public: EllipticCurvePublicKey

    def as_jwk(self) -> dict[str, str]:
        """The public half alone (RFC 7517)."""
        return {**_members(self.public), "kid": self.id, "use": "sig", "alg": ALGORITHM}

    def as_bytes(self) -> bytes:
        """The private half, to be sealed."""
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def new_pair() -> KeyPair:
    return _pair(generate_private_key(SECP256R1()))


def pair_of(private_key: bytes) -> KeyPair | None:
    """The pair of what `as_bytes` gave; None for a key of another kind."""
    private = load_der_private_key(private_key, password=None)
    if not isinstance(private, EllipticCurvePrivateKey) or not isinstance(private.curve, SECP256R1):
        return None
    return _pair(private)


def _pair(private: EllipticCurvePrivateKey) -> KeyPair:
    public = private.public_key()
    # RFC 7638 section 3: the members in this order, without blanks.
    canonical = json.dumps(_members(public), sort_keys=True, separators=(",", ":"))
    return KeyPair(KeyId(_base64url(hashlib.sha256(canonical.encode()).digest())), private, public)


def _members(public: EllipticCurvePublicKey) -> dict[str, str]:
    point = public.public_numbers()
    x, y = (_base64url(number.to_bytes(_COORDINATE_BYTES)) for number in (point.x, point.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
