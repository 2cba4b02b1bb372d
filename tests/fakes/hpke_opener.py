"""Opens HPKE messages (RFC 9180, base mode) from primitives: written apart from what seals them.

DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. Names are those of the RFC.
"""

import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_KEM_SUITE = b"KEM" + (0x0020).to_bytes(2)
_HPKE_SUITE = b"HPKE" + (0x0020).to_bytes(2) + (0x0001).to_bytes(2) + (0x0003).to_bytes(2)
_ENC_BYTES = 32
_BASE_MODE = b"\x00"


def open_base(sealed: bytes, private_key: bytes, info: bytes, aad: bytes = b"") -> bytes:
    """The plaintext of `enc || ciphertext`; raises `InvalidTag` or `ValueError` for what does not open."""
    enc, ciphertext = sealed[:_ENC_BYTES], sealed[_ENC_BYTES:]
    shared_secret = _decapsulated(enc, X25519PrivateKey.from_private_bytes(private_key))
    # Section 5.1: no pre-shared key, so that its secret and its id are empty.
    context = (
        _BASE_MODE
        + _labeled_extract(_HPKE_SUITE, b"", b"psk_id_hash", b"")
        + _labeled_extract(_HPKE_SUITE, b"", b"info_hash", info)
    )
    secret = _labeled_extract(_HPKE_SUITE, shared_secret, b"secret", b"")
    key = _labeled_expand(_HPKE_SUITE, secret, b"key", context, 32)
    nonce = _labeled_expand(_HPKE_SUITE, secret, b"base_nonce", context, 12)
    return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, aad)


def _decapsulated(enc: bytes, private_key: X25519PrivateKey) -> bytes:
    """Section 4.1."""
    dh = private_key.exchange(X25519PublicKey.from_public_bytes(enc))
    kem_context = enc + private_key.public_key().public_bytes_raw()
    eae_prk = _labeled_extract(_KEM_SUITE, b"", b"eae_prk", dh)
    return _labeled_expand(_KEM_SUITE, eae_prk, b"shared_secret", kem_context, 32)


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    """Section 4, over HKDF-Extract (RFC 5869 section 2.2)."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """Section 4, over HKDF-Expand (RFC 5869 section 2.3), whose first block is all that is needed here."""
    labeled = length.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled + b"\x01", "sha256")[:length]
