"""The rate of a token: a minute's worth at once, then evenly spread."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.tokens.rate import Allowed, TooFast, decide
from tests.apiserver.builders import NOW


def after(uses: int, rate: int, now: datetime = NOW) -> datetime | None:
    """The state after so many registrations at once, all of them allowed."""
    state = None
    for _ in range(uses):
        decision = decide(state, now, rate)
        assert isinstance(decision, Allowed)
        state = decision.next_allowed_at
    return state


def test_the_first_one_is_allowed() -> None:
    assert isinstance(decide(None, NOW, 1), Allowed)


@pytest.mark.parametrize("rate", [1, 2, 3, 7, 11, 59, 60, 61, 600, 999])
def test_exactly_a_minutes_worth_is_allowed_at_once(rate: int) -> None:
    assert isinstance(decide(after(rate, rate), NOW, rate), TooFast)


@given(st.integers(1, 1000))
def test_who_waits_as_long_as_told_is_allowed(rate: int) -> None:
    state = after(rate, rate)
    refused = decide(state, NOW, rate)

    assert isinstance(refused, TooFast)
    assert isinstance(decide(state, NOW + timedelta(seconds=refused.retry_after_s), rate), Allowed)


def test_the_wait_is_told_in_whole_seconds_and_never_none() -> None:
    assert decide(after(1, 1), NOW, 1) == TooFast(60)
    assert decide(after(1, 1), NOW + timedelta(seconds=59.5), 1) == TooFast(1)
    assert decide(after(600, 600), NOW, 600) == TooFast(1)


def test_one_a_minute_means_a_minute_between_them() -> None:
    state = after(1, 1)

    assert isinstance(decide(state, NOW + timedelta(seconds=59), 1), TooFast)
    assert isinstance(decide(state, NOW + timedelta(seconds=60), 1), Allowed)


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=60))
def test_no_pauses_give_more_than_the_rate_and_one_minutes_worth(rate: int, pauses: list[float]) -> None:
    state, now, allowed = None, NOW, 0
    for pause in pauses:
        now += timedelta(seconds=pause)
        decision = decide(state, now, rate)
        if isinstance(decision, Allowed):
            state, allowed = decision.next_allowed_at, allowed + 1

    assert allowed <= rate + (now - NOW).total_seconds() / 60 * rate + 1e-3


def test_a_long_pause_saves_up_no_more_than_one_minutes_worth() -> None:
    later = NOW + timedelta(days=1)
    state = after(5, 5, NOW)
    for _ in range(5):
        decision = decide(state, later, 5)
        assert isinstance(decision, Allowed)
        state = decision.next_allowed_at

    assert isinstance(decide(state, later, 5), TooFast)


def test_a_clock_that_steps_back_an_hour_does_not_shut_the_token_for_an_hour() -> None:
    assert isinstance(decide(after(5, 5), NOW - timedelta(hours=1), 5), Allowed)


def test_a_server_whose_clock_is_a_minute_behind_gives_nothing_extra() -> None:
    assert isinstance(decide(after(5, 5), NOW - timedelta(minutes=1), 5), TooFast)


def test_a_lower_rate_counts_at_once() -> None:
    assert isinstance(decide(after(10, 10), NOW + timedelta(seconds=6), 1), TooFast)
