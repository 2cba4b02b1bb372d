"""Something long is done a few times at once for one asker, whoever else asks."""

import pytest

from apiserver.audit.turns import Turns
from common.problems import ProblemCode, ProblemError


def test_there_are_so_many_turns_for_each_and_no_more() -> None:
    turns = Turns(2, "Later.")

    with turns.taken("alice"), turns.taken("alice"), turns.taken("bob"):
        with pytest.raises(ProblemError) as refused, turns.taken("alice"):
            pass
        with turns.taken("bob"):
            pass

    assert (refused.value.code, refused.value.detail) == (ProblemCode.TOO_MANY_REQUESTS, "Later.")
    assert refused.value.headers["Retry-After"] == "10"


def test_a_turn_that_failed_is_over() -> None:
    turns = Turns(1, "Later.")

    with pytest.raises(ZeroDivisionError), turns.taken("alice"):
        raise ZeroDivisionError

    with turns.taken("alice"):
        pass
