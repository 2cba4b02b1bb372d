"""Keys for one purpose each, derived from the server key: what leaks of one says nothing of the others."""

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class DerivedKey:
    """`id` is public: it says which key made something, so that the server key can be changed."""

    id: str
    key: bytes = field(repr=False)


def derive(server_key: bytes, purpose: str) -> DerivedKey:
    """The key of the server key for `purpose`, such as `audit/v1`."""
    info = f"doorward/{purpose}".encode()
    key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(server_key)
    return DerivedKey(hashlib.sha256(b"doorward/key-id/v1" + key).hexdigest()[:_ID_LENGTH], key)
