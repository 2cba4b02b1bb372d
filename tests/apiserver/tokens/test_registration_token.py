"""A registration token: whether it may be used now, and what it forces."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from apiserver.tokens.registration_token import Forced, TokenState
from tests.apiserver.builders import NOW, a_token

SECOND = timedelta(seconds=1)
PAST, FUTURE = NOW - SECOND, NOW + SECOND
OFFICE = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, TokenState.ACTIVE, id="no limits"),
        pytest.param({"expires_at": FUTURE}, TokenState.ACTIVE, id="a second to go"),
        pytest.param({"expires_at": NOW}, TokenState.EXPIRED, id="at the moment"),
        pytest.param({"expires_at": PAST}, TokenState.EXPIRED, id="a second late"),
        pytest.param({"not_before": FUTURE}, TokenState.NOT_YET_VALID, id="a second early"),
        pytest.param({"not_before": NOW}, TokenState.ACTIVE, id="just valid"),
        pytest.param({"max_uses": 1, "uses": 0}, TokenState.ACTIVE, id="unused"),
        pytest.param({"max_uses": 1, "uses": 1}, TokenState.USED_UP, id="used once"),
        pytest.param({"max_uses": 3, "uses": 2}, TokenState.ACTIVE, id="one use left"),
        pytest.param({"max_uses": 3, "uses": 5}, TokenState.USED_UP, id="narrowed below its uses"),
        pytest.param({"max_uses": None, "uses": 10**9}, TokenState.ACTIVE, id="reusable"),
        pytest.param({"suspended_at": PAST}, TokenState.SUSPENDED, id="suspended"),
        pytest.param({"revoked_at": PAST}, TokenState.REVOKED, id="revoked"),
        pytest.param({"revoked_at": FUTURE}, TokenState.REVOKED, id="revoked, then the clock stepped back"),
        pytest.param({"idle_s": 60}, TokenState.ACTIVE, id="new"),
        pytest.param({"idle_s": 10**15}, TokenState.ACTIVE, id="may idle for ever"),
        pytest.param({"idle_s": 60, "created_at": NOW - 59 * SECOND}, TokenState.ACTIVE, id="idle, not yet"),
        pytest.param({"idle_s": 60, "created_at": NOW - 60 * SECOND}, TokenState.EXPIRED, id="idle"),
        pytest.param(
            {"idle_s": 60, "created_at": NOW - 99 * SECOND, "last_used_at": NOW - 59 * SECOND},
            TokenState.ACTIVE,
            id="used since",
        ),
        pytest.param(
            {"idle_s": 60, "created_at": NOW - 99 * SECOND, "last_used_at": NOW - 60 * SECOND},
            TokenState.EXPIRED,
            id="idle since its last use",
        ),
        pytest.param(
            {"idle_s": 60, "created_at": NOW - 99 * SECOND, "not_before": NOW - 59 * SECOND},
            TokenState.ACTIVE,
            id="idle only once it could be used",
        ),
        pytest.param(
            {"idle_s": 60, "created_at": NOW - 59 * SECOND, "not_before": NOW - 99 * SECOND},
            TokenState.ACTIVE,
            id="valid from before it was made",
        ),
    ],
)
def test_a_tokens_state_follows_from_its_limits(fields: dict[str, Any], expected: TokenState) -> None:
    assert a_token(**fields).state(NOW) is expected


def test_where_several_states_hold_the_hardest_to_leave_is_told() -> None:
    holds: list[tuple[TokenState, dict[str, Any]]] = [
        (TokenState.USED_UP, {"max_uses": 1, "uses": 1}),
        (TokenState.NOT_YET_VALID, {"not_before": FUTURE}),
        (TokenState.SUSPENDED, {"suspended_at": PAST}),
        (TokenState.EXPIRED, {"expires_at": PAST}),
        (TokenState.REVOKED, {"revoked_at": PAST}),
    ]
    fields: dict[str, Any] = {}
    told = []
    for _, more in holds:
        fields |= more
        told.append(a_token(**fields).state(NOW))

    assert told == [state for state, _ in holds]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"max_uses": 1, "uses": 1}, True),
        ({"max_uses": 1, "uses": 1, "suspended_at": PAST}, False),
        ({"max_uses": 1, "uses": 1, "revoked_at": PAST}, False),
        ({"max_uses": 1, "uses": 1, "expires_at": PAST}, False),
        ({"not_before": FUTURE}, False),
    ],
    ids=["active", "used up", "suspended", "revoked", "expired", "not yet valid"],
)
def test_a_device_comes_again_with_a_used_up_token_only(fields: dict[str, Any], expected: bool) -> None:
    assert a_token(**fields).lets_come_again(NOW) is expected


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [(None, "anything", True), ("web-*", "web-1", True), ("web-*", "db-1", False)],
)
def test_a_name_must_fit_the_pattern_where_there_is_one(
    pattern: str | None, name: str, expected: bool
) -> None:
    assert a_token(name_pattern=pattern).allows_name(name) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::7", True),
        ("198.51.100.7", False),
        ("2001:db9::7", False),
        ("", False),
        ("unix", False),
        ("192.0.2.7, 198.51.100.7", False),
    ],
)
def test_a_source_must_lie_in_the_networks(address: str, expected: bool) -> None:
    assert a_token(source_networks=OFFICE).allows_source(address) is expected


def test_without_networks_every_source_is_allowed() -> None:
    assert a_token().allows_source("198.51.100.7")


def test_what_is_forced_is_the_tokens_own() -> None:
    token = a_token(taints=("lab",), labels={"site": "b1"}, ephemeral_s=60)

    assert token.what_it_forces() == Forced(token.tenant_id, token.owner_id, ("lab",), {"site": "b1"}, 60)


def test_a_device_cannot_change_a_label_that_is_forced() -> None:
    forced = a_token(labels={"site": "b1"}).what_it_forces()

    assert forced.over({"site": "hq", "rack": "7"}) == {"site": "b1", "rack": "7"}
