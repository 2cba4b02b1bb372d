"""Ids: a prefix, the millisecond, 83 random bits, all of one length."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.ids import new_id
from common.randomness import SystemRandomness
from tests.fakes.randomness import FixedRandomness

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("byte", "expected"),
    [(0x00, "usr_0VCcGn8i00000000000000"), (0xFF, "usr_0VCcGn8imLhuaitFE4at27")],
    ids=["lowest", "highest"],
)
def test_every_random_number_fits(byte: int, expected: str) -> None:
    assert new_id("usr", NOW, FixedRandomness(byte)) == expected


def test_ids_are_opaque_and_differ_while_the_clock_stands() -> None:
    ids = {new_id("ten", NOW, SystemRandomness()) for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch(r"ten_[0-9A-Za-z]{22}", made) for made in ids)


def test_ids_sort_by_the_millisecond_of_their_making() -> None:
    moments = [NOW + timedelta(milliseconds=step) for step in (0, 1, 2, 999, 10**6, 10**9, 10**12)]
    ids = [new_id("ten", moment, SystemRandomness()) for moment in moments]

    assert ids == sorted(ids)


def test_a_clock_that_steps_back_makes_no_id_twice() -> None:
    moments = [NOW, NOW + timedelta(seconds=1), NOW, NOW + timedelta(seconds=1)] * 25
    ids = {new_id("ten", moment, SystemRandomness()) for moment in moments}

    assert len(ids) == 100


def test_a_clock_that_is_set_before_1970_still_makes_ids() -> None:
    made = new_id("ten", datetime(1969, 1, 1, tzinfo=UTC), SystemRandomness())

    assert made.startswith("ten_00000000")
    assert len(made) == 26
