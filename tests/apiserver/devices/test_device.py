"""The states of a device: every deed in every state."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from apiserver.devices.device import (
    Device,
    DeviceDeed,
    DeviceState,
    WrongStateError,
    approve,
    expire,
    first_state_by_member,
    first_state_by_token,
    rejoin,
    resume,
    revoke,
    suspend,
    suspend_by_user,
)
from apiserver.tenants.tenants import DeviceApproval, Role
from apiserver.tenants.users import UserId
from tests.apiserver.builders import NOW, a_device

LATER = NOW + timedelta(hours=1)
EVIDENCE = {"same_fingerprint_as": "dev_0"}
PENDING, ACTIVE, SUSPENDED, QUARANTINED, REVOKED, EXPIRED = DeviceState

DEEDS: dict[DeviceDeed, Callable[[Device], Device]] = {
    DeviceDeed.APPROVE: lambda device: approve(device, LATER),
    DeviceDeed.SUSPEND: suspend,
    DeviceDeed.RESUME: resume,
    DeviceDeed.REVOKE: lambda device: revoke(device, LATER),
    DeviceDeed.EXPIRE: lambda device: expire(device, LATER),
    DeviceDeed.REJOIN: lambda device: rejoin(device, LATER),
}

# What follows where the device was approved; what is not here is refused.
FOLLOWS = {
    (PENDING, DeviceDeed.APPROVE): ACTIVE,
    (QUARANTINED, DeviceDeed.APPROVE): ACTIVE,
    (PENDING, DeviceDeed.SUSPEND): SUSPENDED,
    (ACTIVE, DeviceDeed.SUSPEND): SUSPENDED,
    (QUARANTINED, DeviceDeed.SUSPEND): SUSPENDED,
    (SUSPENDED, DeviceDeed.RESUME): ACTIVE,
    (PENDING, DeviceDeed.REVOKE): REVOKED,
    (ACTIVE, DeviceDeed.REVOKE): REVOKED,
    (SUSPENDED, DeviceDeed.REVOKE): REVOKED,
    (QUARANTINED, DeviceDeed.REVOKE): REVOKED,
    (EXPIRED, DeviceDeed.REVOKE): REVOKED,
    (PENDING, DeviceDeed.EXPIRE): EXPIRED,
    (ACTIVE, DeviceDeed.EXPIRE): EXPIRED,
    (QUARANTINED, DeviceDeed.EXPIRE): EXPIRED,
    (EXPIRED, DeviceDeed.REJOIN): ACTIVE,
}


def test_every_deed_is_tried() -> None:
    assert set(DEEDS) == set(DeviceDeed)


@pytest.mark.parametrize(("state", "deed"), FOLLOWS)
def test_a_deed_leads_from_state_to_state(state: DeviceState, deed: DeviceDeed) -> None:
    assert DEEDS[deed](a_device(state=state)).state is FOLLOWS[state, deed]


@pytest.mark.parametrize(
    ("state", "deed"), [pair for pair in product(DeviceState, DeviceDeed) if pair not in FOLLOWS]
)
def test_every_other_deed_is_refused(state: DeviceState, deed: DeviceDeed) -> None:
    with pytest.raises(WrongStateError) as refused:
        DEEDS[deed](a_device(state=state))

    assert (refused.value.state, refused.value.deed) == (state, deed)
    assert refused.value.detail == f"A device that is {state.value} cannot do this: {deed.value}."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"approved_at": NOW}, ACTIVE),
        ({"approved_at": NOW, "evidence": EVIDENCE}, ACTIVE),
        ({"approved_at": None}, PENDING),
        ({"approved_at": None, "evidence": EVIDENCE}, QUARANTINED),
    ],
    ids=["approved", "approved out of quarantine", "never approved", "in quarantine"],
)
@pytest.mark.parametrize(
    ("state", "deed"),
    [(SUSPENDED, DeviceDeed.RESUME), (EXPIRED, DeviceDeed.REJOIN)],
    ids=["resume", "rejoin"],
)
def test_no_way_leads_round_an_approval(
    state: DeviceState, deed: DeviceDeed, fields: dict[str, Any], expected: DeviceState
) -> None:
    assert DEEDS[deed](a_device(state=state, **fields)).state is expected


@pytest.mark.parametrize(("state", "deed"), FOLLOWS)
def test_every_deed_makes_the_next_version(state: DeviceState, deed: DeviceDeed) -> None:
    assert DEEDS[deed](a_device(state=state, version=7)).version == 8


@pytest.mark.parametrize(("state", "deed"), FOLLOWS)
def test_no_deed_changes_whose_device_it_is_or_what_marks_it(state: DeviceState, deed: DeviceDeed) -> None:
    device = a_device(state=state, taints=("lab",), labels={"site": "b1"}, evidence=EVIDENCE)
    after = DEEDS[deed](device)
    changed = {name for name in Device.__dataclass_fields__ if getattr(after, name) != getattr(device, name)}

    assert changed <= {"state", "version", "approved_at", "ended_at", "last_seen_at"}


def test_an_approval_keeps_its_moment() -> None:
    device = approve(a_device(state=PENDING, approved_at=None), LATER)

    assert device.approved_at == LATER


def test_a_suspension_keeps_its_reason_until_it_ends() -> None:
    suspended = suspend(a_device(), "the member left")

    assert suspended.state_reason == "the member left"
    assert resume(suspended).state_reason is None


@pytest.mark.parametrize(("user_id", "reason"), [("usr_1", None), ("usr_2", "by_administrator")])
def test_a_suspension_by_another_than_the_owner_says_so(user_id: str, reason: str | None) -> None:
    device = a_device(owner_id=UserId("usr_1"))

    assert suspend_by_user(device, UserId(user_id)).state_reason == reason


def test_an_end_keeps_its_moment_and_reason() -> None:
    revoked, expired = revoke(a_device(), LATER, "stolen"), expire(a_device(), LATER, "silent")

    assert (revoked.ended_at, revoked.state_reason) == (LATER, "stolen")
    assert (expired.ended_at, expired.state_reason) == (LATER, "silent")


def test_who_rejoins_has_been_heard_and_has_no_address_yet() -> None:
    expired = expire(a_device(ipv4="100.64.0.1", ipv6="fd00::1", ephemeral_s=60), LATER)
    back = rejoin(expired, LATER)

    assert (expired.ipv4, expired.ipv6) == ("100.64.0.1", "fd00::1")
    assert (back.ipv4, back.ipv6, back.ended_at, back.last_seen_at) == (None, None, None, LATER)
    assert not back.has_run_out(LATER)


def test_a_device_whose_time_has_come_cannot_rejoin() -> None:
    device = a_device(state=EXPIRED, expires_at=LATER)

    assert rejoin(device, LATER - timedelta(seconds=1)).ended_at is None
    with pytest.raises(WrongStateError):
        rejoin(device, LATER)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, False, id="lasting"),
        pytest.param({"expires_at": LATER}, False, id="not yet"),
        pytest.param({"expires_at": NOW}, True, id="its time has come"),
        pytest.param({"ephemeral_s": 60}, False, id="registered just now"),
        pytest.param({"ephemeral_s": 10**15}, False, id="may be silent for ever"),
        pytest.param({"ephemeral_s": 60, "registered_at": NOW - timedelta(60)}, True, id="never heard of"),
        pytest.param(
            {"ephemeral_s": 60, "registered_at": NOW - timedelta(60), "last_seen_at": NOW},
            False,
            id="heard of",
        ),
        pytest.param(
            {"ephemeral_s": 60, "last_seen_at": NOW - timedelta(seconds=60)}, True, id="silent for a minute"
        ),
        pytest.param(
            {"ephemeral_s": 60, "last_seen_at": NOW - timedelta(seconds=59)}, False, id="for less than that"
        ),
        pytest.param({"ephemeral_s": 60, "last_seen_at": LATER}, False, id="the clock stepped back"),
    ],
)
def test_a_device_runs_out_by_time_or_by_silence(fields: dict[str, Any], expected: bool) -> None:
    assert a_device(**fields).has_run_out(NOW) is expected


@pytest.mark.parametrize(
    ("approval", "pre_approved", "expected"),
    [
        (DeviceApproval.AUTOMATIC, False, ACTIVE),
        (DeviceApproval.AUTOMATIC, True, ACTIVE),
        (DeviceApproval.REQUIRED, False, PENDING),
        (DeviceApproval.REQUIRED, True, ACTIVE),
    ],
)
def test_a_device_that_joins_by_token_waits_unless_it_is_vouched_for(
    approval: DeviceApproval, pre_approved: bool, expected: DeviceState
) -> None:
    assert first_state_by_token(approval, pre_approved=pre_approved) is expected


@pytest.mark.parametrize("role", Role)
def test_where_approval_is_required_only_those_who_may_approve_need_not_wait(role: Role) -> None:
    expected = ACTIVE if role in {Role.ADMIN, Role.OWNER} else PENDING

    assert first_state_by_member(DeviceApproval.REQUIRED, role) is expected
    assert first_state_by_member(DeviceApproval.AUTOMATIC, role) is ACTIVE


def test_a_device_is_never_changed_in_place() -> None:
    device = a_device()
    before = replace(device)
    suspend(device)

    assert device == before
