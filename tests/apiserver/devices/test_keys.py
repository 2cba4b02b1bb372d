"""Public keys: canonical base64 of 32 bytes, and a key that protects something."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from apiserver.devices.keys import InvalidPublicKeyError, checked_public_key, raw_bytes

PRIME = 2**255 - 19
HIGHEST_BIT = 2**255
# Every 32 bytes that X25519 takes for a point of small order, as they stand in the literature on Curve25519.
LOW_ORDER = {
    "zero": "00" * 32,
    "one": "01" + "00" * 31,
    "order 8": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "order 8, the other": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "p - 1": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "p": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "p + 1": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "zero, highest bit": "00" * 31 + "80",
    "one, highest bit": "01" + "00" * 30 + "80",
    "order 8, highest bit": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
    "order 8, the other, highest bit": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
    "p - 1, highest bit": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "p, highest bit": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "p + 1, highest bit": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}
KEY = X25519PrivateKey.from_private_bytes(b"\x07" * 32).public_key().public_bytes_raw()
TEXT = base64.b64encode(KEY).decode()


def text_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@given(st.binary(min_size=32, max_size=32))
def test_the_key_of_every_device_is_taken(private: bytes) -> None:
    key = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    assert raw_bytes(checked_public_key(text_of(key))) == key


@pytest.mark.parametrize("encoded", LOW_ORDER.values(), ids=LOW_ORDER)
def test_a_low_order_point_is_refused(encoded: str) -> None:
    with pytest.raises(InvalidPublicKeyError, match="low-order"):
        checked_public_key(text_of(bytes.fromhex(encoded)))


@pytest.mark.parametrize("encoded", LOW_ORDER.values(), ids=LOW_ORDER)
def test_the_list_is_right_that_no_private_key_matters_with_them(encoded: str) -> None:
    private = X25519PrivateKey.from_private_bytes(b"\x07" * 32)

    # `cryptography` refuses a shared secret of zeros, which is what all of these give.
    with pytest.raises(ValueError, match="shared key"):
        private.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(encoded)))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(KEY[:31] + bytes([KEY[31] | 0x80]), id="highest bit set"),
        pytest.param((PRIME + 2).to_bytes(32, "little"), id="2 as p + 2"),
        pytest.param((PRIME + 18).to_bytes(32, "little"), id="18 as p + 18"),
        pytest.param((HIGHEST_BIT + PRIME + 9).to_bytes(32, "little"), id="both"),
    ],
)
def test_a_second_spelling_of_a_key_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidPublicKeyError, match="canonical"):
        checked_public_key(text_of(raw))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("not base64", id="no base64"),
        pytest.param(text_of(KEY[:31]), id="31 bytes"),
        pytest.param(text_of(KEY + b"\x01"), id="33 bytes"),
        pytest.param(TEXT[:-1], id="without padding"),
        pytest.param(TEXT + "\n", id="trailing newline"),
        pytest.param(" " + TEXT[:-1], id="space in place of the padding"),
        pytest.param(TEXT[:20] + "\n" + TEXT[21:], id="newline inside"),
        pytest.param(TEXT[:20] + "é" + TEXT[21:], id="not ASCII"),
        pytest.param(TEXT[:20] + "-" + TEXT[21:], id="base64url, minus"),
        pytest.param(TEXT[:20] + "_" + TEXT[21:], id="base64url, underscore"),
        pytest.param(TEXT[:20] + "\ud800" + TEXT[21:], id="lone surrogate"),
        pytest.param(KEY.hex(), id="hex"),
        pytest.param("A" * 1_000_000, id="1 MB"),
        pytest.param("=" * 44, id="padding only"),
        pytest.param("A" * 42 + "==", id="31 bytes in 44 characters"),
        pytest.param("A" * 44, id="33 bytes in 44 characters"),
    ],
)
def test_what_is_not_the_base64_of_32_bytes_is_refused(text: str) -> None:
    with pytest.raises(InvalidPublicKeyError, match="standard base64 of 32 bytes"):
        checked_public_key(text)


def test_of_the_texts_that_decode_to_a_key_one_is_taken() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    spellings = [TEXT[:42] + character + "=" for character in alphabet]
    same = [text for text in spellings if base64.b64decode(text) == KEY]
    taken = []
    for text in same:
        try:
            taken.append(checked_public_key(text))
        except InvalidPublicKeyError:
            continue

    assert len(same) == 4
    assert taken == [TEXT]


def test_no_refusal_quotes_the_key_which_may_be_a_private_one() -> None:
    with pytest.raises(InvalidPublicKeyError) as refused:
        checked_public_key(TEXT + "x")

    assert TEXT not in refused.value.detail
