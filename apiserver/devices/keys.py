"""Public keys of devices: which ones are taken. Pure.

One key has exactly one text here. Were a second spelling of it taken, one machine could be two devices, and
"this key is in use" would not hold.
"""

import base64
from typing import NewType

PublicKey = NewType("PublicKey", str)
"""A checked X25519 public key: standard base64 of 32 bytes, as WireGuard writes it."""

_KEY_BYTES = 32
KEY_LENGTH = len(base64.b64encode(bytes(_KEY_BYTES)))
_PRIME = 2**255 - 19
# The points of order 1, 2, 4 and 8, on the curve and on its twist (RFC 7748 section 6.1). With one of them
# the shared secret does not depend on the private key: what is sealed to it, anybody opens.
_LOW_ORDER = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)


class InvalidPublicKeyError(Exception):
    """A public key that is not taken. `detail` never quotes it: it may be a private key, sent by mistake."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def checked_public_key(text: str) -> PublicKey:
    """The key, if it is one that a device can hold the private part of; raises `InvalidPublicKeyError`."""
    coordinate = int.from_bytes(_decoded(text), "little")
    # X25519 ignores the highest bit and reduces the rest (RFC 7748 section 5), so that a low-order point,
    # and any other key, has several spellings.
    if coordinate % 2**255 % _PRIME in _LOW_ORDER:
        raise InvalidPublicKeyError("The public key is a low-order point, which protects nothing.")
    if coordinate >= _PRIME:
        raise InvalidPublicKeyError("The public key is not written in its canonical form.")
    return PublicKey(text)


def raw_bytes(key: PublicKey) -> bytes:
    return base64.b64decode(key)


def _decoded(text: str) -> bytes:
    wrong = InvalidPublicKeyError(
        f"A public key is the standard base64 of {_KEY_BYTES} bytes: {KEY_LENGTH} characters."
    )
    try:
        key = base64.b64decode(text)
    except ValueError:
        raise wrong from None
    # Python passes over characters that are not base64, and the last one carries bits that mean nothing: of
    # all the spellings of a key only the one that comes out again is taken.
    if len(key) != _KEY_BYTES or base64.b64encode(key).decode() != text:
        raise wrong
    return key
