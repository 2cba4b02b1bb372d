"""Private keys at rest: sealed, so that a copy of the database signs nothing.

AES-256-GCM under a key derived from the server key. The id is bound in: the sealed private key of one row
does not open as that of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apiserver.derived_keys import DerivedKey, derive
from apiserver.signing.key import KeyId
from common.randomness import Randomness

_PURPOSE = "signing-keys/v1"
_NONCE_BYTES = 12
_ID_LENGTH = 16


@dataclass(frozen=True, repr=False)
class KeySealer:
    """The first key seals, all of them open."""

    keys: tuple[DerivedKey, ...]
    randomness: Randomness

    def seal(self, key_id: KeyId, private_key: bytes) -> bytes:
        first = self.keys[0]
        nonce = self.randomness.token_bytes(_NONCE_BYTES)
        return first.id.encode() + nonce + AESGCM(first.key).encrypt(nonce, private_key, key_id.encode())

    def open(self, key_id: KeyId, sealed: bytes) -> bytes | None:
        """The private key; None when no key that we have sealed it, under this id."""
        name, rest = sealed[:_ID_LENGTH], sealed[_ID_LENGTH:]
        key = next((key for key in self.keys if key.id.encode() == name), None)
        nonce, content = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        if key is None or len(nonce) != _NONCE_BYTES:
            return None
        try:
            return AESGCM(key.key).decrypt(nonce, content, key_id.encode())
        except InvalidTag:
            return None


def key_sealer(server_keys: Sequence[bytes], randomness: Randomness) -> KeySealer:
    return KeySealer(tuple(derive(server_key, _PURPOSE) for server_key in server_keys), randomness)
