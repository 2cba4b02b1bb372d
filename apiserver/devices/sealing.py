"""The device token on its way to the device: sealed to its public key, so that opening is possession.

HPKE (RFC 9180), base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, no associated data.
"""

import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from apiserver.devices.device import DeviceId, DeviceTokenId
from apiserver.devices.keys import PublicKey, raw_bytes
from apiserver.tokens.secret import Secret

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal(
    device_token: Secret, public_key: PublicKey, device_id: DeviceId, device_token_id: DeviceTokenId
) -> str:
    """base64url without padding of `enc || ciphertext`; only the private key of `public_key` opens it.

    The two ids are bound in by `info`: sealed for one device, it does not open as that of another.
    """
    info = f"doorward/device-token/v1|{device_id}|{device_token_id}".encode()
    recipient = X25519PublicKey.from_public_bytes(raw_bytes(public_key))
    sealed = _SUITE.encrypt(device_token.reveal().encode(), recipient, info)
    return base64.urlsafe_b64encode(sealed).decode()  # 32 + 75 + 16 bytes, which need no padding
