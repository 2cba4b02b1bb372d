"""Secrets that we hand out: minted, told apart from junk without a look at the storage, compared.

PREFIX + public id (22) + 256 random bits (43) + CRC-32 of all before it (6), the rest base62: 75 characters.
The public id finds the row; the row holds the SHA-256 of the whole text, which is enough for 256 random bits.
"""

import hashlib
import hmac
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

from apiserver.base62 import base62
from common.randomness import Randomness

_PREFIX_LENGTH = 4
_PUBLIC_ID_LENGTH = 22
_SECRET_BYTES = 32
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
_CHECKED_LENGTH = _PREFIX_LENGTH + _PUBLIC_ID_LENGTH + _SECRET_LENGTH
_LENGTH = _CHECKED_LENGTH + _CHECKSUM_LENGTH


class SecretKind(StrEnum):
    """The kinds, by their prefix: a scanner and a person see from it what leaked."""

    REGISTRATION = "dwr_"
    DEVICE = "dwd_"
    INVITATION = "dwi_"
    SERVICE = "dws_"


_KINDS = {kind.value: kind for kind in SecretKind}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret just minted, to be shown once. It prints itself masked: only `reveal` gives the text."""

    kind: SecretKind
    public_id: str
    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class PresentedSecret:
    """A secret that somebody sent and that is well formed. Nobody has said yet that it is known."""

    kind: SecretKind
    public_id: str
    hash: bytes = field(repr=False)


def mint(kind: SecretKind, public_id: str, randomness: Randomness) -> Secret:
    """A new secret for the row whose id is `public_id` behind its prefix."""
    if len(public_id) != _PUBLIC_ID_LENGTH or not _is_base62(public_id):
        raise ValueError("a public id has 22 letters and digits")
    number = int.from_bytes(randomness.token_bytes(_SECRET_BYTES))
    checked = f"{kind.value}{public_id}{base62(number, _SECRET_LENGTH)}"
    return Secret(kind, public_id, checked + _checksum(checked))


def parse(unverified: str) -> PresentedSecret | None:
    """What the text claims to be; None where it cannot be a secret of ours. Anything may be sent here.

    The length comes first, so that a megabyte costs what one character does.
    """
    if len(unverified) != _LENGTH:
        return None
    kind = _KINDS.get(unverified[:_PREFIX_LENGTH])
    if kind is None or not _is_base62(unverified[_PREFIX_LENGTH:]):
        return None
    # Not a security check, whoever reads this can compute it: it spares the storage typos and cut tails.
    if _checksum(unverified[:_CHECKED_LENGTH]) != unverified[_CHECKED_LENGTH:]:
        return None
    public_id = unverified[_PREFIX_LENGTH : _PREFIX_LENGTH + _PUBLIC_ID_LENGTH]
    return PresentedSecret(kind, public_id, _hash(unverified))


def hash_of(secret: Secret) -> bytes:
    """What is stored in place of the secret: 32 bytes."""
    return _hash(secret.reveal())


def matches(stored_hash: bytes, presented: PresentedSecret) -> bool:
    """Whether it is the secret of this row, in a time that says nothing about the stored hash."""
    return hmac.compare_digest(stored_hash, presented.hash)


def _is_base62(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _checksum(text: str) -> str:
    return base62(zlib.crc32(text.encode("ascii")), _CHECKSUM_LENGTH)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()
