"""A device: what is kept of it, its states, and what may follow on which. Pure.

    pending, quarantined --approve--> active
    pending, active, quarantined --suspend--> suspended --resume--> what it was before
    pending, active, quarantined, suspended, expired --revoke--> revoked, for ever
    pending, active, quarantined --expire--> expired --rejoin--> what it was before

"What it was before" is read from the device: it was approved, or lies in quarantine, or waits. So neither a
suspension nor an absence is a way round an approval. A suspended device does not expire: it could come back
by joining again.

Each function gives the device as it is after, with the next `version`; the storage writes it only over the
former one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType

from apiserver.auth.permissions import Deed, Reach, reach
from apiserver.devices.keys import PublicKey
from apiserver.tenants.tenants import DeviceApproval, Role, TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationTokenId

DeviceId = NewType("DeviceId", str)
DeviceTokenId = NewType("DeviceTokenId", str)


class DeviceState(StrEnum):
    """`quarantined`: came with the fingerprint of another device. `expired`: gone, may join again."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    QUARANTINED = "quarantined"
    REVOKED = "revoked"
    EXPIRED = "expired"


class DeviceDeed(StrEnum):
    """What is done to a device and changes its state."""

    APPROVE = "approve"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    EXPIRE = "expire"
    REJOIN = "rejoin"


OWNER_LEFT = "owner_left"
"""Why a device is suspended whose owner is no member of the tenant any more."""
BY_ADMINISTRATOR = "by_administrator"
"""Why a device is suspended that somebody else than its owner shut out: only administrators resume it."""

LIVE_STATES = frozenset(
    {DeviceState.PENDING, DeviceState.ACTIVE, DeviceState.SUSPENDED, DeviceState.QUARANTINED}
)
_AWAKE_STATES = LIVE_STATES - {DeviceState.SUSPENDED}
_POSSIBLE_IN = {
    DeviceDeed.APPROVE: frozenset({DeviceState.PENDING, DeviceState.QUARANTINED}),
    DeviceDeed.SUSPEND: _AWAKE_STATES,
    DeviceDeed.RESUME: frozenset({DeviceState.SUSPENDED}),
    DeviceDeed.REVOKE: LIVE_STATES | {DeviceState.EXPIRED},
    DeviceDeed.EXPIRE: _AWAKE_STATES,
    DeviceDeed.REJOIN: frozenset({DeviceState.EXPIRED}),
}


class WrongStateError(Exception):
    """The device's state does not allow the deed. `detail` is a sentence for the caller."""

    def __init__(self, deed: DeviceDeed, state: DeviceState) -> None:
        self.deed = deed
        self.state = state
        self.detail = f"A device that is {state.value} cannot do this: {deed.value}."
        super().__init__(self.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Name and addresses of a device that has ended are history: others may have them by now.

    `fingerprint` and `name` are the client's word. `evidence` says why a device came into quarantine.
    """

    id: DeviceId
    tenant_id: TenantId
    owner_id: UserId
    registration_token_id: RegistrationTokenId | None
    name: str
    state: DeviceState
    state_reason: str | None
    public_key: PublicKey | None
    fingerprint: str | None
    ipv4: str | None
    ipv6: str | None
    taints: tuple[str, ...]
    labels: Mapping[str, str]
    ephemeral_s: int | None
    evidence: Mapping[str, str] | None
    registered_at: datetime
    approved_at: datetime | None
    expires_at: datetime | None
    last_seen_at: datetime | None
    ended_at: datetime | None
    version: int

    @property
    def may_expire(self) -> bool:
        """Whether its state allows it; whether it has run out is another question."""
        return self.state in _POSSIBLE_IN[DeviceDeed.EXPIRE]

    def has_run_out(self, now: datetime) -> bool:
        """Whether it is due to expire: its time has come, or it is ephemeral and has been silent too long."""
        if self.expires_at is not None and now >= self.expires_at:
            return True
        if self.ephemeral_s is None:
            return False
        heard_at = self.last_seen_at or self.registered_at
        return (now - heard_at).total_seconds() >= self.ephemeral_s


def first_state_by_token(approval: DeviceApproval, *, pre_approved: bool) -> DeviceState:
    """Where a device begins that joined with a registration token; whoever made it vouched for it or not."""
    return _first_state(approval, vouched_for=pre_approved)


def first_state_by_member(approval: DeviceApproval, role: Role) -> DeviceState:
    """Where a device begins that a member registered, signed in: who may approve need not ask."""
    return _first_state(approval, vouched_for=reach(role, Deed.APPROVE_DEVICES) is Reach.ALL)


def approve(device: Device, now: datetime) -> Device:
    _check(device, DeviceDeed.APPROVE)
    return _moved(replace(device, approved_at=now), DeviceState.ACTIVE)


def suspend(device: Device, reason: str | None = None) -> Device:
    """Its tokens, name and addresses stay its own, and let it do nothing."""
    _check(device, DeviceDeed.SUSPEND)
    return _moved(device, DeviceState.SUSPENDED, reason)


def suspend_by_user(device: Device, user_id: UserId) -> Device:
    """As `suspend`, by its owner or an administrator."""
    return suspend(device, None if device.owner_id == user_id else BY_ADMINISTRATOR)


def resume(device: Device) -> Device:
    _check(device, DeviceDeed.RESUME)
    return _moved(device, _state_before(device))


def take_over(device: Device, owner_id: UserId) -> Device:
    """It has another owner, and acts again where it was suspended only for want of one."""
    taken = replace(device, owner_id=owner_id)
    if device.state is DeviceState.SUSPENDED and device.state_reason == OWNER_LEFT:
        return resume(taken)
    return replace(taken, version=device.version + 1)


def revoke(device: Device, now: datetime, reason: str | None = None) -> Device:
    """The end, for ever. All its device tokens end with it."""
    _check(device, DeviceDeed.REVOKE)
    return _moved(replace(device, ended_at=now), DeviceState.REVOKED, reason)


def expire(device: Device, now: datetime, reason: str | None = None) -> Device:
    """The end, until it joins again. All its device tokens end with it."""
    _check(device, DeviceDeed.EXPIRE)
    return _moved(replace(device, ended_at=now), DeviceState.EXPIRED, reason)


def rejoin(device: Device, now: datetime) -> Device:
    """It is back, without the addresses it had: they may be another's by now, as its name may.

    Its own `expires_at` holds: a device whose time has come cannot give itself more of it.
    """
    _check(device, DeviceDeed.REJOIN)
    if device.expires_at is not None and now >= device.expires_at:
        raise WrongStateError(DeviceDeed.REJOIN, device.state)
    back = replace(device, ended_at=None, last_seen_at=now, ipv4=None, ipv6=None)
    return _moved(back, _state_before(device))


def _first_state(approval: DeviceApproval, *, vouched_for: bool) -> DeviceState:
    if approval is DeviceApproval.AUTOMATIC or vouched_for:
        return DeviceState.ACTIVE
    return DeviceState.PENDING


def _check(device: Device, deed: DeviceDeed) -> None:
    if device.state not in _POSSIBLE_IN[deed]:
        raise WrongStateError(deed, device.state)


def _state_before(device: Device) -> DeviceState:
    if device.approved_at is not None:
        return DeviceState.ACTIVE
    return DeviceState.PENDING if device.evidence is None else DeviceState.QUARANTINED


def _moved(device: Device, state: DeviceState, reason: str | None = None) -> Device:
    return replace(device, state=state, state_reason=reason, version=device.version + 1)
