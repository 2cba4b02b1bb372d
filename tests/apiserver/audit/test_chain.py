"""The audit chain: what was written verifies; what was changed afterwards is found, and where."""

import hmac
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.audit.chain import (
    FIRST_PREVIOUS_MAC,
    MOST_FAULTS,
    AuditEvent,
    AuditEventId,
    Checkpoint,
    Fault,
    FaultKind,
    audit_key,
    canonical_bytes,
    linked,
    mac_of,
    verify,
)
from apiserver.derived_keys import DerivedKey
from apiserver.tenants.tenants import TenantId
from tests.apiserver.builders import NOW

KEY = audit_key(b"k" * 32)
FORMER_KEY = audit_key(b"f" * 32)
KEYS = {KEY.id: KEY.key, FORMER_KEY.id: FORMER_KEY.key}
LENGTH = 12

# For each field a value that no event of the chain has.
EDITS: dict[str, Any] = {
    "tenant_id": "ten_2",
    "id": "aud_x",
    "at": NOW + timedelta(microseconds=1),
    "actor_kind": "device",
    "actor_id": "usr_2",
    "action": "device.approve",
    "target_kind": "tenant",
    "target_id": "dev_x",
    "address": "198.51.100.7",
    "request_id": "",
    "before": "{}",
    "after": None,
    "key_id": FORMER_KEY.id,
    "mac": bytes(32),
}


def an_event(seq: int = 1, **values: Any) -> AuditEvent:
    event = AuditEvent(
        tenant_id=TenantId("ten_1"),
        seq=seq,
        id=AuditEventId(f"aud_{seq}"),
        at=NOW,
        actor_kind="user",
        actor_id="usr_1",
        action="device.revoke",
        target_kind="device",
        target_id=f"dev_{seq}",
        address="192.0.2.1",
        after='{"state":"revoked"}',
    )
    return replace(event, **values)


def a_chain(length: int = LENGTH, key: DerivedKey = KEY) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    mac = FIRST_PREVIOUS_MAC
    for seq in range(1, length + 1):
        events.append(linked(key, mac, an_event(seq)))
        mac = events[-1].mac
    return events


CHAIN = a_chain()


def checkpoint(event: AuditEvent) -> Checkpoint:
    return Checkpoint(event.seq, event.mac)


HEAD = checkpoint(CHAIN[-1])


async def stream(events: Iterable[AuditEvent]) -> AsyncIterator[AuditEvent]:
    for event in events:
        yield event


async def faults(
    events: Iterable[AuditEvent],
    head: Checkpoint | None = HEAD,
    checkpoints: Sequence[Checkpoint] = (),
) -> list[Fault]:
    return await verify(KEYS, stream(events), head, checkpoints)


def with_event(place: int, event: AuditEvent) -> list[AuditEvent]:
    return [*CHAIN[:place], event, *CHAIN[place + 1 :]]


places = st.integers(0, LENGTH - 1)


async def test_what_was_written_verifies() -> None:
    assert await faults(CHAIN, HEAD, [checkpoint(event) for event in CHAIN]) == []


async def test_a_tenant_without_events_verifies() -> None:
    assert await faults([], head=None) == []


def test_there_is_an_edit_for_every_field() -> None:
    assert {"seq", *EDITS} == {covered.name for covered in fields(AuditEvent)}


@given(places, st.sampled_from(sorted(EDITS)))
async def test_an_edit_is_found_where_it_is(place: int, name: str) -> None:
    edited = replace(CHAIN[place], **{name: EDITS[name]})
    found = await faults(with_event(place, edited))

    assert found[0] == Fault(place + 1, FaultKind.EDITED)
    assert all(fault.seq - found[0].seq <= 1 for fault in found)


@pytest.mark.parametrize("name", sorted(EDITS.keys() - {"mac"}))
async def test_an_edit_breaks_nothing_but_its_own_event(name: str) -> None:
    edited = replace(CHAIN[5], **{name: EDITS[name]})

    assert await faults(with_event(5, edited)) == [Fault(6, FaultKind.EDITED)]


@given(places)
async def test_a_gap_is_found_where_it_is(place: int) -> None:
    last = place == LENGTH - 1
    found = await faults(CHAIN[:place] + CHAIN[place + 1 :])

    assert found == [Fault(place + 1, FaultKind.CUT if last else FaultKind.MISSING)]


@given(places, places)
async def test_two_events_whose_places_were_changed_about_are_found(one: int, other: int) -> None:
    one, other = sorted((one, other))
    events = list(CHAIN)
    events[one], events[other] = (
        replace(events[other], seq=events[one].seq),
        replace(events[one], seq=events[other].seq),
    )
    found = await faults(events)

    assert [fault.seq for fault in found][:1] == ([] if one == other else [one + 1])
    assert one == other or Fault(other + 1, FaultKind.EDITED) in found


@given(places, places)
async def test_events_that_come_in_another_order_are_found(one: int, other: int) -> None:
    one, other = sorted((one, other))
    events = list(CHAIN)
    events[one], events[other] = events[other], events[one]
    found = await faults(events)

    assert found[:1] == ([] if one == other else [Fault(one + 1, FaultKind.MISSING)])
    assert one == other or Fault(one + 1, FaultKind.OUT_OF_ORDER) in found


@given(places)
async def test_an_event_that_stands_there_twice_is_found(place: int) -> None:
    events = [*CHAIN[: place + 1], CHAIN[place], *CHAIN[place + 1 :]]

    assert await faults(events) == [Fault(place + 1, FaultKind.OUT_OF_ORDER)]


@given(st.integers(1, LENGTH))
async def test_a_cut_tail_is_found_by_the_head(cut: int) -> None:
    assert await faults(CHAIN[:-cut]) == [Fault(LENGTH - cut + 1, FaultKind.CUT)]


@given(st.integers(1, LENGTH))
async def test_a_cut_tail_with_the_head_set_back_is_found_by_a_checkpoint(cut: int) -> None:
    left = CHAIN[:-cut]
    head = checkpoint(left[-1]) if left else None

    assert await faults(left, head) == []
    assert await faults(left, head, [HEAD]) == [Fault(LENGTH - cut + 1, FaultKind.CUT)]


async def test_a_tail_cut_and_written_anew_is_found_by_a_checkpoint() -> None:
    """What an operator with the server key could do, or a restore from a backup."""
    events = CHAIN[:6]
    for seq in range(7, LENGTH + 1):
        events.append(linked(KEY, events[-1].mac, an_event(seq, action="device.approve")))
    head = checkpoint(events[-1])

    assert await faults(events, head) == []
    assert await faults(events, head, [checkpoint(CHAIN[6])]) == [Fault(7, FaultKind.WRONG_CHECKPOINT)]


async def test_a_checkpoint_of_before_the_change_says_nothing_of_it() -> None:
    events = [*CHAIN[:6], linked(KEY, CHAIN[5].mac, an_event(7, action="device.approve"))]

    assert await faults(events, checkpoint(events[-1]), [checkpoint(CHAIN[5])]) == []


async def test_two_checkpoints_that_contradict_each_other_cannot_both_be_right() -> None:
    found = await faults(CHAIN, HEAD, [Checkpoint(3, bytes(32)), checkpoint(CHAIN[2])])

    assert found == [Fault(3, FaultKind.WRONG_CHECKPOINT)]


@pytest.mark.parametrize(
    "head",
    [None, Checkpoint(LENGTH, bytes(32)), checkpoint(CHAIN[-2]), Checkpoint(0, FIRST_PREVIOUS_MAC)],
    ids=["none", "another MAC", "an event before", "before the first"],
)
async def test_a_head_that_is_not_the_last_event_is_found(head: Checkpoint | None) -> None:
    assert await faults(CHAIN, head) == [Fault(LENGTH, FaultKind.WRONG_HEAD)]


async def test_events_that_were_all_removed_are_found() -> None:
    assert await faults([], HEAD) == [Fault(1, FaultKind.CUT)]


async def test_an_event_added_without_the_key_is_found() -> None:
    forged = linked(replace(KEY, key=b"x" * 32), CHAIN[-1].mac, an_event(LENGTH + 1))

    assert await faults([*CHAIN, forged], checkpoint(forged)) == [Fault(LENGTH + 1, FaultKind.EDITED)]


async def test_an_event_under_a_key_that_nobody_has_is_found() -> None:
    unknown = replace(CHAIN[4], key_id="0" * 16)

    assert await faults(with_event(4, unknown)) == [Fault(5, FaultKind.UNKNOWN_KEY)]


async def test_a_chain_goes_on_when_the_server_key_changes() -> None:
    events = a_chain(3, FORMER_KEY)
    events.append(linked(KEY, events[-1].mac, an_event(4)))

    assert await faults(events, checkpoint(events[-1])) == []


async def test_an_event_of_another_tenant_in_its_place_is_found() -> None:
    other = linked(KEY, CHAIN[4].mac, an_event(6, tenant_id="ten_2"))
    moved = replace(other, tenant_id=TenantId("ten_1"))

    assert (await faults(with_event(5, moved)))[0] == Fault(6, FaultKind.EDITED)


async def test_all_faults_are_told_not_the_first_alone() -> None:
    events = with_event(2, replace(CHAIN[2], action="x"))
    del events[6]

    assert await faults(events) == [Fault(3, FaultKind.EDITED), Fault(7, FaultKind.MISSING)]


async def test_a_chain_that_is_wrong_throughout_does_not_fill_the_memory() -> None:
    events = a_chain(MOST_FAULTS + 50)
    found = await verify({KEY.id: b"x" * 32}, stream(events), checkpoint(events[-1]))

    assert found == [Fault(seq, FaultKind.EDITED) for seq in range(1, MOST_FAULTS + 1)]


def test_the_format_never_changes() -> None:
    """What was written by a former version must still verify."""
    covered = [
        "doorward/audit/v1",
        "00" * 32,
        "ten_1",
        1,
        "aud_1",
        "2026-03-01T12:00:00.000000+00:00",
        "user",
        "usr_1",
        "device.revoke",
        "device",
        "dev_1",
        "192.0.2.1",
        None,
        None,
        '{"state":"revoked"}',
        KEY.id,
    ]
    expected = json.dumps(covered).encode()

    assert canonical_bytes(FIRST_PREVIOUS_MAC, replace(an_event(), key_id=KEY.id)) == expected
    assert CHAIN[0].mac == hmac.digest(KEY.key, expected, "sha256")


def test_a_text_cannot_pose_as_the_field_beside_it() -> None:
    one = an_event(target_kind='a","b', target_id="c")
    other = an_event(target_kind="a", target_id='b","c')

    assert canonical_bytes(FIRST_PREVIOUS_MAC, one) != canonical_bytes(FIRST_PREVIOUS_MAC, other)


@pytest.mark.parametrize(
    ("one", "other"), [(None, ""), (None, "null"), ("1", 1)], ids=["none", "null", "number"]
)
def test_what_is_absent_is_not_what_is_empty(one: Any, other: Any) -> None:
    macs = {mac_of(KEY.key, FIRST_PREVIOUS_MAC, an_event(address=value)) for value in (one, other)}

    assert len(macs) == 2


def test_a_moment_is_the_same_in_every_zone() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert mac_of(KEY.key, FIRST_PREVIOUS_MAC, an_event(at=elsewhere)) == mac_of(
        KEY.key, FIRST_PREVIOUS_MAC, an_event(at=NOW)
    )


def test_an_event_holds_nothing_that_has_no_one_text() -> None:
    with pytest.raises(TypeError, match="cannot hold a bytes"):
        canonical_bytes(FIRST_PREVIOUS_MAC, an_event(after=b"{}"))


def test_times_are_kept_to_the_microsecond() -> None:
    late = datetime(2026, 3, 1, 12, 0, 0, 1, UTC)

    assert b'"2026-03-01T12:00:00.000001+00:00"' in canonical_bytes(FIRST_PREVIOUS_MAC, an_event(at=late))
