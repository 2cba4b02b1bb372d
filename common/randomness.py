"""Randomness as a part: whatever makes a secret or an id is given one."""

import base64
import secrets  # noqa: TID251 - the one place
from typing import Protocol


class Randomness(Protocol):
    """A source of unpredictable bytes."""

    def token_bytes(self, length: int) -> bytes:
        """`length` bytes fit for keys and secrets."""
        ...


class SystemRandomness:
    """The operating system's generator: the one place where it is read."""

    def token_bytes(self, length: int) -> bytes:
        return secrets.token_bytes(length)


def token_urlsafe(randomness: Randomness, length: int = 32) -> str:
    """`length` random bytes as base64url without padding; 32 bytes give 43 characters."""
    return base64.urlsafe_b64encode(randomness.token_bytes(length)).rstrip(b"=").decode()
