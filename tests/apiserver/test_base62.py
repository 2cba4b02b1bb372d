"""Numbers as base62 text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.base62 import ALPHABET, base62


@pytest.mark.parametrize(
    ("number", "text"), [(0, "000"), (1, "001"), (61, "00z"), (62, "010"), (62**3 - 1, "zzz")]
)
def test_a_number_has_one_text(number: int, text: str) -> None:
    assert base62(number, 3) == text


@given(st.integers(0, 62**6 - 1), st.integers(0, 62**6 - 1))
def test_texts_sort_as_their_numbers_do(one: int, other: int) -> None:
    assert (base62(one, 6) < base62(other, 6)) == (one < other)


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        base62(62**3, 3)


def test_the_alphabet_is_in_the_order_of_ascii() -> None:
    assert list(ALPHABET) == sorted(set(ALPHABET))
