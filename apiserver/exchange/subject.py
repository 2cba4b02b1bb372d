"""What a JWT of ours says of its caller, and who gets none. Pure.

Third parties believe such a JWT without asking back. So only what they may rely on gets one: a device that is
approved, a registration token that lets a device join now, a service token whose maker could make it now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apiserver.auth.look_up import Holder
from apiserver.auth.permissions import Deed as Permission
from apiserver.auth.permissions import Reach, reach
from apiserver.auth.principal import DeviceCaller, RegistrationTokenCaller, ServiceCaller
from apiserver.auth.scopes import ALL_DEVICE_SCOPES, RegistrationScope
from apiserver.devices import refusals
from apiserver.devices.device import Device, DeviceState
from apiserver.exchange.claims import PREFIXES, SubjectKind
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import TokenState
from common.problems import ProblemCode, ProblemError

_NOT_RELIABLE = {
    DeviceState.PENDING: "This device waits for its approval: until then nobody else is told that it is one.",
    DeviceState.QUARANTINED: "This device is in quarantine: until somebody approves it, nobody else is told "
    "that it is one.",
}


class ScopeError(Exception):
    """A scope was asked for that the caller does not have."""


@dataclass(frozen=True, slots=True)
class Subject:
    """`sub` and the other claims. `credential` is the id of the secret that was presented: public.

    `owner` is the person behind it by our id, `user` by the name that their own JWTs have (`sub`).
    `grantable` are the scopes that the caller has, `scopes` those that it is narrowed to; None: not narrowed.
    `ends_at` is when what it was made of ends by itself.
    """

    kind: SubjectKind
    sub: str
    credential: str
    owner: UserId
    user: str
    tenant: TenantId
    taints: tuple[str, ...]
    grantable: frozenset[str]
    scopes: tuple[str, ...] | None
    ends_at: datetime | None

    def narrowed(self, asked: Sequence[str]) -> "Subject":
        """Raises `ScopeError`."""
        if not set(asked) <= self.grantable:
            raise ScopeError
        return replace(self, scopes=tuple(sorted(set(asked))))


def owner_of(caller: Holder) -> UserId:
    match caller:
        case DeviceCaller():
            return caller.device.owner_id
        case RegistrationTokenCaller() | ServiceCaller():
            return caller.token.owner_id


def subject_of(caller: Holder, user: str, now: datetime, address: str | None = None) -> Subject:
    """Who it is to third parties. Raises `ProblemError` where they must not rely on it.

    `user`: its owner's name. `address`: where it comes from, where that is known.
    """
    match caller:
        case DeviceCaller():
            return _of_device(caller, user, now)
        case RegistrationTokenCaller():
            return _of_registration_token(caller, user, now, address)
        case ServiceCaller():
            return _of_service_token(caller, user)


def _of_device(caller: DeviceCaller, user: str, now: datetime) -> Subject:
    device = caller.device
    check_reliable(device, now)
    return Subject(
        kind="device",
        sub=PREFIXES["device"] + device.id,
        credential=caller.token.id,
        owner=device.owner_id,
        user=user,
        tenant=device.tenant_id,
        taints=device.taints,
        grantable=frozenset(caller.scopes),
        scopes=None if caller.scopes == ALL_DEVICE_SCOPES else tuple(sorted(caller.scopes)),
        ends_at=_earliest(device.expires_at, _silent_until(device, now)),
    )


def check_reliable(device: Device, now: datetime) -> None:
    """Raises `ProblemError` for a device that may come in here, but is nobody's to rely on."""
    if (reason := _NOT_RELIABLE.get(device.state)) is not None:
        raise ProblemError(ProblemCode.DEVICE_NOT_APPROVED, reason)
    if device.expires_at is not None and device.expires_at <= now:
        # The janitor has not come by yet.
        raise ProblemError(ProblemCode.DEVICE_EXPIRED, "This device has expired. Register it again.")


def _of_registration_token(
    caller: RegistrationTokenCaller, user: str, now: datetime, address: str | None
) -> Subject:
    token = caller.token
    state = token.state(now)
    if state is not TokenState.ACTIVE:
        raise refusals.refusal_of_token(state)
    if address is not None and not token.allows_source(address):
        raise refusals.source_not_allowed()
    return Subject(
        kind="registration",
        sub=PREFIXES["registration"] + token.id,
        credential=caller.secret.id,
        owner=token.owner_id,
        user=user,
        tenant=token.tenant_id,
        taints=token.taints,
        grantable=frozenset(RegistrationScope),
        scopes=None,
        ends_at=token.ends_at,
    )


def _of_service_token(caller: ServiceCaller, user: str) -> Subject:
    check_vouched_for(caller)
    token = caller.token
    return Subject(
        kind="service",
        sub=PREFIXES["service"] + token.id,
        credential=token.id,
        owner=token.owner_id,
        user=user,
        tenant=token.tenant_id,
        taints=(),
        grantable=frozenset(token.scopes),
        # It has scopes from the beginning, and its JWT always tells them.
        scopes=tuple(sorted(token.scopes)),
        ends_at=token.expires_at,
    )


def check_vouched_for(caller: ServiceCaller) -> None:
    """Raises `ProblemError` for a service whose maker could not make it any more.

    Here it may do what its maker may. Others have its scopes alone to go by, and the role is not among them.
    """
    if caller.role is None or reach(caller.role, Permission.MANAGE_SERVICE_TOKENS) is not Reach.ALL:
        raise ProblemError(
            ProblemCode.FORBIDDEN,
            "Who made this service token is no administrator of its tenant any more.",
            cause="maker_demoted",
        )


def _silent_until(device: Device, now: datetime) -> datetime | None:
    """When it would leave, were it not heard of again: it was heard of now."""
    return None if device.ephemeral_s is None else now + timedelta(seconds=device.ephemeral_s)


def _earliest(*ends: datetime | None) -> datetime | None:
    return min((end for end in ends if end is not None), default=None)
