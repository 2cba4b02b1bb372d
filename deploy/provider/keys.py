"""The signing key: made at start, or kept in a file so that tokens outlive a restart."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from deploy.provider.config import ConfigurationError

ALGORITHM = "ES256"
CURVE = "P-256"


class SigningKey:
    """One EC key that signs all JWTs of this provider and knows its own signatures again."""

    def __init__(self, key: ECKey) -> None:
        self._key = key
        self._kid = key.thumbprint()

    def public_jwks(self) -> dict[str, object]:
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self._kid, "use": "sig", "alg": ALGORITHM}]}

    def sign(self, typ: str, claims: Mapping[str, object]) -> str:
        return jwt.encode({"alg": ALGORITHM, "kid": self._kid, "typ": typ}, dict(claims), self._key)

    def verified_claims(self, token: str, typ: str) -> dict[str, object] | None:
        """The claims of a token of ours of this `typ`, else None. Its times and audience are not looked at.

        The type keeps the kinds apart: without it an access token would pass as an ID token at logout.
        """
        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            return None
        return dict(decoded.claims) if decoded.header.get("typ") == typ else None


def new_key() -> SigningKey:
    return SigningKey(ECKey.generate_key(CURVE))


def key_of_file(path: Path) -> SigningKey:
    """The key kept in `path`, which is made (mode 0600) when absent. Raises ConfigurationError."""
    try:
        if not path.exists():
            _write_new_key(path)
        key = ECKey.import_key(json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigurationError([f"`data_file` {path} cannot be used: {error.strerror}."]) from error
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _no_key(path) from error
    if not key.is_private or key.curve_name != CURVE:
        raise _no_key(path)
    return SigningKey(key)


def _no_key(path: Path) -> ConfigurationError:
    sentence = f"`data_file` {path} holds no private {CURVE} key; delete it to have a new one made."
    return ConfigurationError([sentence])


def _write_new_key(path: Path) -> None:
    # Written aside and renamed: a start that is killed half-way leaves no half key behind.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(ECKey.generate_key(CURVE).as_dict(private=True), file)
    unfinished.replace(path)
