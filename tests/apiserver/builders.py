"""Things of the model with defaults: a test names only what it is about."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from apiserver.devices.device import Device, DeviceId, DeviceState
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationToken, RegistrationTokenId

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

_TOKEN = RegistrationToken(
    id=RegistrationTokenId("rgt_1"),
    tenant_id=TenantId("ten_1"),
    owner_id=UserId("usr_1"),
    label="lab",
    description="",
    max_uses=None,
    uses=0,
    expires_at=None,
    not_before=None,
    idle_s=None,
    last_used_at=None,
    taints=(),
    labels={},
    name_pattern=None,
    source_networks=(),
    pre_approved=False,
    ephemeral_s=None,
    rate_per_minute=None,
    next_allowed_at=None,
    suspended_at=None,
    revoked_at=None,
    created_at=NOW,
    version=1,
)

_DEVICE = Device(
    id=DeviceId("dev_1"),
    tenant_id=TenantId("ten_1"),
    owner_id=UserId("usr_1"),
    registration_token_id=RegistrationTokenId("rgt_1"),
    name="web",
    state=DeviceState.ACTIVE,
    state_reason=None,
    public_key=None,
    fingerprint=None,
    ipv4=None,
    ipv6=None,
    taints=(),
    labels={},
    ephemeral_s=None,
    evidence=None,
    registered_at=NOW,
    approved_at=NOW,
    expires_at=None,
    last_seen_at=None,
    ended_at=None,
    version=1,
)


def a_token(**fields: Any) -> RegistrationToken:
    """A reusable token without limits."""
    return replace(_TOKEN, **fields)


def a_device(**fields: Any) -> Device:
    """An active device without a key."""
    return replace(_DEVICE, **fields)
