"""Ids of everything that is kept: a prefix that names the kind, and 128 random bits in base62.

An id is public and never a secret; it is random so that nobody can count or guess what others have.
"""

from common.randomness import Randomness

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_BYTES = 16
_LENGTH = 22  # 62 ** 22 > 2 ** 128: every id of a kind has the same length


def new_id(prefix: str, randomness: Randomness) -> str:
    """A new id such as `usr_4x0T...`."""
    number = int.from_bytes(randomness.token_bytes(_RANDOM_BYTES))
    digits: list[str] = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(reversed(digits))}"
