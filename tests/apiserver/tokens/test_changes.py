"""Changing a registration token: downwards only."""

from datetime import timedelta
from typing import Any

import pytest

from apiserver.tokens.changes import TokenChange, WouldWidenError, changed, would_widen
from apiserver.tokens.registration_token import TokenState
from tests.apiserver.builders import NOW, a_token

EARLY, LATE = NOW + timedelta(hours=1), NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("before", "change", "widened"),
    [
        pytest.param({}, {}, (), id="nothing"),
        pytest.param({}, {"label": "x", "description": "y"}, (), id="words"),
        pytest.param({"expires_at": LATE}, {"expires_at": EARLY}, (), id="earlier"),
        pytest.param({"expires_at": LATE}, {"expires_at": LATE}, (), id="same time"),
        pytest.param({"expires_at": EARLY}, {"expires_at": LATE}, ("expires_at",), id="later"),
        pytest.param({"expires_at": EARLY}, {"expires_at": None}, ("expires_at",), id="never"),
        pytest.param({"expires_at": None}, {"expires_at": EARLY}, (), id="at last"),
        pytest.param({"expires_at": None}, {"expires_at": None}, (), id="still never"),
        pytest.param({"max_uses": 5}, {"max_uses": 4}, (), id="fewer"),
        pytest.param({"max_uses": 5}, {"max_uses": 5}, (), id="as many"),
        pytest.param({"max_uses": 5}, {"max_uses": 6}, ("max_uses",), id="more"),
        pytest.param({"max_uses": 5}, {"max_uses": None}, ("max_uses",), id="any number"),
        pytest.param({"max_uses": None}, {"max_uses": 10**9}, (), id="counted from now on"),
        pytest.param({"max_uses": None}, {"max_uses": None}, (), id="still any number"),
        pytest.param({"pre_approved": True}, {"pre_approved": False}, (), id="no longer approved"),
        pytest.param({"pre_approved": True}, {"pre_approved": True}, (), id="still approved"),
        pytest.param({"pre_approved": False}, {"pre_approved": False}, (), id="still not approved"),
        pytest.param({"pre_approved": False}, {"pre_approved": True}, ("pre_approved",), id="approved"),
        pytest.param(
            {"expires_at": EARLY, "max_uses": 1},
            {"expires_at": LATE, "max_uses": 2, "pre_approved": True, "label": "x"},
            ("expires_at", "max_uses", "pre_approved"),
            id="all at once",
        ),
    ],
)
def test_only_what_raises_a_limit_widens(
    before: dict[str, Any], change: dict[str, Any], widened: tuple[str, ...]
) -> None:
    assert would_widen(a_token(**before), TokenChange(**change)) == widened


def test_a_change_that_narrows_is_made() -> None:
    token = a_token(max_uses=5, pre_approved=True)
    change = TokenChange(label="b", description="c", expires_at=EARLY, max_uses=4, pre_approved=False)

    assert changed(token, change) == a_token(
        label="b", description="c", expires_at=EARLY, max_uses=4, pre_approved=False, version=2
    )


def test_what_is_not_named_stays() -> None:
    token = a_token(label="a", max_uses=5, expires_at=EARLY)

    assert changed(token, TokenChange(description="new")) == a_token(
        label="a", max_uses=5, expires_at=EARLY, description="new", version=2
    )


def test_a_change_that_widens_is_refused_with_the_fields() -> None:
    with pytest.raises(WouldWidenError, match="max_uses"):
        changed(a_token(max_uses=1), TokenChange(max_uses=2, label="x"))


def test_fewer_uses_than_were_spent_close_the_token() -> None:
    token = changed(a_token(uses=5), TokenChange(max_uses=3))

    assert token.state(NOW) is TokenState.USED_UP
    assert token.max_uses == token.uses
