"""Ids: prefix and 128 random bits, all of one length."""

import re

import pytest

from apiserver.ids import new_id
from common.randomness import SystemRandomness


class Fixed:
    def __init__(self, byte: bytes) -> None:
        self._byte = byte

    def token_bytes(self, length: int) -> bytes:
        return self._byte * length


@pytest.mark.parametrize(
    ("byte", "expected"),
    [(b"\x00", "usr_0000000000000000000000"), (b"\xff", "usr_7n42DGM5Tflk9n8mt7Fhc7")],
    ids=["lowest", "highest"],
)
def test_every_number_of_128_bits_fits(byte: bytes, expected: str) -> None:
    assert new_id("usr", Fixed(byte)) == expected


def test_ids_are_opaque_and_differ() -> None:
    ids = {new_id("ten", SystemRandomness()) for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch(r"ten_[0-9A-Za-z]{22}", made) for made in ids)
