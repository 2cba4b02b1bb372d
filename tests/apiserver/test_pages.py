"""Cursors: a client can only hand back what it got, to the list it got it from."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.pages import (
    BadCursorError,
    Listing,
    Value,
    cursors,
)

CURSORS = cursors(b"k" * 32)
LISTING = Listing("devices", "-registered_at", {"tenant_id": "ten_1", "state": "active", "name": None})
LAST = (datetime(2026, 3, 1, 12, 0, 0, 123456, UTC), "dev_1")
CURSOR = CURSORS.write(LISTING, LAST)


@pytest.mark.parametrize(
    "last",
    [LAST, ("web", "dev_1"), (7,), (None, "x"), (), ('{"at":"x"}', 'a"b'), ("研究室", -1)],
    ids=["time", "texts", "number", "none", "empty", "looks like a time", "any text"],
)
def test_a_cursor_gives_back_the_last_row(last: tuple[Value, ...]) -> None:
    assert CURSORS.read(CURSORS.write(LISTING, last), LISTING) == last


@given(st.lists(st.text(max_size=20) | st.integers(-(2**63), 2**63) | st.none(), max_size=3))
def test_every_value_comes_back(last: list[str | int | None]) -> None:
    assert CURSORS.read(CURSORS.write(LISTING, tuple(last)), LISTING) == tuple(last)


def test_a_cursor_stands_in_an_address_as_it_is() -> None:
    assert set(CURSOR).isdisjoint("+/=&?# ")


@pytest.mark.parametrize(
    "listing",
    [
        pytest.param(replace(LISTING, name="registration_tokens"), id="another list"),
        pytest.param(replace(LISTING, sort="registered_at"), id="another sort"),
        pytest.param(
            replace(LISTING, filters={**LISTING.filters, "tenant_id": "ten_2"}), id="another tenant"
        ),
        pytest.param(replace(LISTING, filters={**LISTING.filters, "state": "revoked"}), id="another filter"),
        pytest.param(replace(LISTING, filters={"tenant_id": "ten_1"}), id="a filter less"),
        pytest.param(replace(LISTING, filters={**LISTING.filters, "name": ""}), id="a filter more"),
        pytest.param(
            replace(LISTING, filters={"tenant_id": "active", "state": "ten_1"}), id="filters changed about"
        ),
    ],
)
def test_the_cursor_of_another_list_is_refused(listing: Listing) -> None:
    with pytest.raises(BadCursorError):
        CURSORS.read(CURSOR, listing)


def test_the_order_of_the_filters_and_those_that_are_not_set_do_not_matter() -> None:
    same = replace(LISTING, filters={"state": "active", "tenant_id": "ten_1"})

    assert CURSORS.read(CURSOR, same) == LAST


def test_the_cursor_of_another_server_key_is_refused() -> None:
    with pytest.raises(BadCursorError):
        cursors(b"other" * 8).read(CURSOR, LISTING)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="no base64"),
        pytest.param("AAAA", id="short"),
        pytest.param(CURSOR[:-4], id="cut"),
        pytest.param(CURSOR + "AAAA", id="longer"),
        pytest.param(CURSOR + "\n", id="trailing newline"),
        pytest.param(CURSOR[:8] + "!!!!" + CURSOR[8:], id="characters that are not base64"),
        pytest.param(CURSOR.replace(CURSOR[30], "é"), id="not ASCII"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("A" * 1_000_000, id="1 MB"),
        pytest.param(base64.urlsafe_b64encode(bytes(16) + b'["x","y",[]]').decode(), id="signed by nobody"),
        pytest.param("'; DROP TABLE devices; --", id="SQL"),
    ],
)
def test_a_forged_cursor_is_refused(forged: str) -> None:
    with pytest.raises(BadCursorError):
        CURSORS.read(forged, LISTING)


RAW = base64.urlsafe_b64decode(CURSOR + "=" * (-len(CURSOR) % 4))


@given(st.integers(0, len(RAW) * 8 - 1))
def test_with_one_bit_flipped_a_cursor_is_refused(bit: int) -> None:
    flipped = bytearray(RAW)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadCursorError):
        CURSORS.read(base64.urlsafe_b64encode(bytes(flipped)).decode(), LISTING)
