"""Sealing: what is stored can be read only with the server's key and the secret that the browser holds."""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.randomness import Randomness

_NONCE_BYTES = 12
_KEY_ID_BYTES = 4
MOST_KEYS_KEPT = 20_000


@dataclass(frozen=True, repr=False)
class Sealer:
    """AES-256-GCM under a key derived from a server key, a purpose and a secret (RFC 5869).

    The first server key seals; every key opens, so that keys can be rotated.
    """

    server_keys: tuple[bytes, ...]
    randomness: Randomness

    def seal(self, purpose: str, secret: str, content: bytes) -> bytes:
        """`secret` is held by the browser; `purpose` keeps one kind of value from passing for another."""
        server_key = self.server_keys[0]
        nonce = self.randomness.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(_derive(server_key, purpose, secret)).encrypt(nonce, content, None)
        return _key_id(server_key) + nonce + sealed

    def open(self, purpose: str, secret: str, sealed: bytes) -> bytes | None:
        """The content; None when it was not sealed here, for this purpose and with this secret."""
        key_id, nonce = sealed[:_KEY_ID_BYTES], sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        for server_key in self.server_keys:
            if _key_id(server_key) == key_id and len(nonce) == _NONCE_BYTES:
                try:
                    rest = sealed[_KEY_ID_BYTES + _NONCE_BYTES :]
                    return AESGCM(_derive(server_key, purpose, secret)).decrypt(nonce, rest, None)
                except InvalidTag:
                    return None
        return None


class Opener:
    """Opens what is opened again and again: the derived keys of those in use are kept, never what they open.

    Deriving costs more than all else that a proxied request does here.
    """

    def __init__(self, sealer: Sealer, purpose: str, most: int = MOST_KEYS_KEPT) -> None:
        self._keys = {_key_id(key): key for key in reversed(sealer.server_keys)}
        self._purpose = purpose
        self._most = most
        self._ciphers: dict[tuple[bytes, str], AESGCM] = {}

    def open(self, secret: str, sealed: bytes) -> bytes | None:
        """As `Sealer.open`."""
        name = (sealed[:_KEY_ID_BYTES], secret)
        cipher = self._ciphers.get(name)
        if cipher is None:
            cipher = self._made(*name)
        nonce = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        if cipher is None or len(nonce) != _NONCE_BYTES:
            return None
        try:
            content = cipher.decrypt(nonce, sealed[_KEY_ID_BYTES + _NONCE_BYTES :], None)
        except InvalidTag:
            return None
        if name not in self._ciphers:
            self._keep(name, cipher)
        return content

    def _keep(self, name: tuple[bytes, str], cipher: AESGCM) -> None:
        """Only what has opened something: made-up secrets would push out those in use."""
        if len(self._ciphers) >= self._most:
            del self._ciphers[next(iter(self._ciphers))]
        self._ciphers[name] = cipher

    def _made(self, key_id: bytes, secret: str) -> AESGCM | None:
        server_key = self._keys.get(key_id)
        if server_key is None:
            return None
        return AESGCM(_derive(server_key, self._purpose, secret))


def _derive(server_key: bytes, purpose: str, secret: str) -> bytes:
    info = f"doorward/{purpose}/v1".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=server_key, info=info).derive(secret.encode())


def _key_id(server_key: bytes) -> bytes:
    return hashlib.sha256(b"doorward/key-id/v1" + server_key).digest()[:_KEY_ID_BYTES]
