"""The bodies that this package reads and answers. The OpenAPI document is made of these types."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from apiserver.answers import Resource
from apiserver.bodies import Body, Query
from apiserver.devices.device import Device, DeviceState, DeviceTokenId
from apiserver.devices.keys import KEY_LENGTH
from apiserver.devices.names import NAME_FORM
from apiserver.devices.register import Registered
from apiserver.devices.sealing import seal
from apiserver.fields import (
    DeviceIdText,
    DeviceName,
    DeviceTokenIdText,
    Fingerprint,
    LabelsOfDevice,
    Limit,
    RegistrationTokenIdText,
    Taints,
    TenantIdText,
    Time,
    UserIdText,
    told,
)
from apiserver.pages import DEFAULT_LIMIT
from apiserver.tokens.secret import Secret

_PublicKey = Annotated[str, told(minLength=KEY_LENGTH, maxLength=KEY_LENGTH)]
_NameSought = Annotated[str, msgspec.Meta(pattern=rf"^(?:{NAME_FORM})\Z")]


class NewDevice(Body, frozen=True):
    """A machine that registers. Its device token comes back sealed to `public_key` (WireGuard's, base64)."""

    name: DeviceName
    public_key: _PublicKey | None = None
    fingerprint: Fingerprint | None = None
    labels: LabelsOfDevice = msgspec.field(default_factory=dict)
    tenant_id: TenantIdText | None = None


class ChangedDevice(Body, frozen=True):
    """What stays away stays as it is. Taints are for administrators."""

    name: DeviceName | UnsetType = UNSET
    labels: LabelsOfDevice | UnsetType = UNSET
    taints: Taints | UnsetType = UNSET


class DeviceQuery(Query, frozen=True):
    """Without `state`: all devices that have not ended. Only those are sorted by name."""

    tenant_id: TenantIdText | None = None
    state: DeviceState | None = None
    owner_id: UserIdText | None = None
    registration_token_id: RegistrationTokenIdText | None = None
    name: _NameSought | None = None
    sort: Literal["name", "-name", "registered_at", "-registered_at"] = "-registered_at"
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


class DeviceAnswer(Resource, frozen=True):
    """A device. `evidence` says why it is quarantined; `ended_at` since when it is revoked or expired."""

    id: DeviceIdText
    tenant_id: TenantIdText
    name: DeviceName
    state: DeviceState
    state_reason: str | None
    owner_id: UserIdText
    registration_token_id: RegistrationTokenIdText | None
    public_key: _PublicKey | None
    fingerprint: Fingerprint | None
    ipv4: str | None
    ipv6: str | None
    taints: Taints
    labels: LabelsOfDevice
    ephemeral_s: int | None
    evidence: dict[str, str] | None
    registered_at: Time
    approved_at: Time | None
    expires_at: Time | None
    last_seen_at: Time | None
    ended_at: Time | None


class DeviceList(msgspec.Struct, frozen=True):
    """`next_cursor` is null on the last page."""

    items: list[DeviceAnswer]
    next_cursor: str | None


class MyDevice(Resource, frozen=True):
    """What a device is told of itself."""

    id: DeviceIdText
    tenant_id: TenantIdText
    name: DeviceName
    state: DeviceState
    public_key: _PublicKey | None
    ipv4: str | None
    ipv6: str | None
    taints: Taints
    labels: LabelsOfDevice
    registered_at: Time


class DeviceTokenAnswer(msgspec.Struct, frozen=True):
    """A new device token, shown once: sealed to the device's public key where it has one."""

    id: DeviceIdText
    device_token_id: DeviceTokenIdText
    device_token: str | UnsetType = UNSET
    sealed_device_token: str | UnsetType = UNSET


class RegisteredDevice(msgspec.Struct, frozen=True):
    """The device, with its token: sealed where a public key was sent, else in clear, once."""

    id: DeviceIdText
    tenant_id: TenantIdText
    name: DeviceName
    state: DeviceState
    ipv4: str | None
    ipv6: str | None
    taints: Taints
    labels: LabelsOfDevice
    device_token_id: DeviceTokenIdText
    device_token: str | UnsetType = UNSET
    sealed_device_token: str | UnsetType = UNSET


def device_answer(device: Device) -> DeviceAnswer:
    return DeviceAnswer(
        id=device.id,
        tenant_id=device.tenant_id,
        name=device.name,
        state=device.state,
        state_reason=device.state_reason,
        owner_id=device.owner_id,
        registration_token_id=device.registration_token_id,
        public_key=device.public_key,
        fingerprint=device.fingerprint,
        ipv4=device.ipv4,
        ipv6=device.ipv6,
        taints=list(device.taints),
        labels=dict(device.labels),
        ephemeral_s=device.ephemeral_s,
        evidence=None if device.evidence is None else dict(device.evidence),
        registered_at=device.registered_at,
        approved_at=device.approved_at,
        expires_at=device.expires_at,
        last_seen_at=device.last_seen_at,
        ended_at=device.ended_at,
    )


def my_device(device: Device) -> MyDevice:
    return MyDevice(
        id=device.id,
        tenant_id=device.tenant_id,
        name=device.name,
        state=device.state,
        public_key=device.public_key,
        ipv4=device.ipv4,
        ipv6=device.ipv6,
        taints=list(device.taints),
        labels=dict(device.labels),
        registered_at=device.registered_at,
    )


def registered_device(registered: Registered) -> RegisteredDevice:
    device = registered.device
    clear, sealed = _shown(device, registered.device_token_id, registered.device_token)
    return RegisteredDevice(
        id=device.id,
        tenant_id=device.tenant_id,
        name=device.name,
        state=device.state,
        ipv4=device.ipv4,
        ipv6=device.ipv6,
        taints=list(device.taints),
        labels=dict(device.labels),
        device_token_id=registered.device_token_id,
        device_token=clear,
        sealed_device_token=sealed,
    )


def device_token_answer(registered: Registered) -> DeviceTokenAnswer:
    device = registered.device
    clear, sealed = _shown(device, registered.device_token_id, registered.device_token)
    return DeviceTokenAnswer(device.id, registered.device_token_id, clear, sealed)


def _shown(device: Device, token_id: DeviceTokenId, token: Secret) -> tuple[str | UnsetType, str | UnsetType]:
    """In clear or sealed, never both: whoever reads the answer on its way must not have it."""
    if device.public_key is None:
        return token.reveal(), UNSET
    return UNSET, seal(token, device.public_key, device.id, token_id)
