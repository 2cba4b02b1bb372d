"""How the agent proves to the provider which client it is."""

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import quote_plus

import jwt
from authlib.common.urls import add_params_to_qs
from authlib.oauth2.auth import ClientAuth
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bff.settings import EC_ALGORITHMS, PrivateKey, Secrets, Settings
from common.clock import Clock
from common.randomness import Randomness, token_urlsafe

ASSERTION_LIFETIME = timedelta(seconds=60)
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientAuthentication(Protocol):
    def prepare(
        self, method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, dict[str, str], str]:
        """The request with the client's proof added (the form of Authlib's `ClientAuth`)."""
        ...


@dataclass(frozen=True, repr=False)
class AssertionAuthentication:
    """`private_key_jwt` (RFC 7523 2.2, OIDC Core 9): the key never leaves this process."""

    client_id: str
    audience: str
    key: PrivateKey
    clock: Clock
    randomness: Randomness

    def prepare(
        self, _method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, dict[str, str], str]:
        proof = [
            ("client_id", self.client_id),
            ("client_assertion_type", _ASSERTION_TYPE),
            ("client_assertion", self._assertion()),
        ]
        return uri, headers, add_params_to_qs(body, proof)

    def _assertion(self) -> str:
        now = self.clock.now()
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            # The issuer and not the endpoint: an assertion for one provider must be of no use at another.
            "aud": self.audience,
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
            "jti": token_urlsafe(self.randomness, 16),
        }
        return jwt.encode(claims, self.key, algorithm=_algorithm(self.key), headers={"kid": key_id(self.key)})


def client_authentication(
    settings: Settings, secrets: Secrets, clock: Clock, randomness: Randomness
) -> ClientAuthentication:
    """As `OIDC_CLIENT_AUTH` says; the settings have made sure that what it needs is there."""
    if settings.client_auth == "private_key_jwt" and secrets.client_key is not None:
        return AssertionAuthentication(
            settings.client_id, settings.provider, secrets.client_key, clock, randomness
        )
    client_id, secret = settings.client_id, secrets.client_secret
    if settings.client_auth == "client_secret_basic" and secret is not None:
        # RFC 6749 2.3.1: both halves are form-encoded before they are joined; authlib leaves that to us.
        client_id, secret = quote_plus(client_id), quote_plus(secret)
    prepared: ClientAuthentication = ClientAuth(client_id, secret, settings.client_auth)
    return prepared


def key_id(key: PrivateKey) -> str:
    """A name for the key that anybody can work out from its public half, as Keycloak does on import."""
    digest = Hash(SHA256())
    digest.update(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return base64.urlsafe_b64encode(digest.finalize()).rstrip(b"=").decode()


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, RSAPrivateKey):
        return "RS256"  # RFC 7523 section 5: the one that every provider has to know
    if isinstance(key, EllipticCurvePrivateKey):
        return EC_ALGORITHMS[key.curve.name]
    return "EdDSA"
