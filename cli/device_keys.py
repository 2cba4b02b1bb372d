"""The device's own key pair, and the device token that is sealed to it."""

import base64
import binascii
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from common.randomness import Randomness

# HPKE (RFC 9180) base mode, without associated data.
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_KEY_BYTES: Final = 32

PrivateKey = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9+/]{43}=\Z")]
"""Standard base64 of 32 bytes, as WireGuard writes it."""


class NotSealedToUsError(Exception):
    """It cannot be opened: it was sealed to another key, for another device, or changed on its way."""


def new_private_key(randomness: Randomness) -> PrivateKey:
    return _base64(randomness.token_bytes(_KEY_BYTES))


def public_key_of(private_key: PrivateKey) -> str:
    return _base64(_key(private_key).public_key().public_bytes_raw())


def unsealed(sealed: str, private_key: PrivateKey, device_id: str, device_token_id: str) -> str:
    """The device token in base64url of `enc || ciphertext`; raises `NotSealedToUsError`.

    The ids are part of what is sealed: a token for one device does not open as that of another.
    """
    info = f"doorward/device-token/v1|{device_id}|{device_token_id}".encode()
    try:
        ciphertext = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        return _SUITE.decrypt(ciphertext, _key(private_key), info).decode("ascii")
    except (InvalidTag, ValueError, binascii.Error):
        raise NotSealedToUsError from None


def _key(private_key: PrivateKey) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(base64.b64decode(private_key))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
