"""The bodies that this package reads and answers. The OpenAPI document is made of these types."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from apiserver.answers import Resource
from apiserver.bodies import Body, Query
from apiserver.fields import (
    Description,
    Label,
    LabelsOfDevice,
    Limit,
    RegistrationTokenIdText,
    Taints,
    TenantIdText,
    Time,
    UserIdText,
    form,
    told,
)
from apiserver.pages import DEFAULT_LIMIT
from apiserver.tokens.lifecycle import Revocation, WithSecret
from apiserver.tokens.name_pattern import PATTERN_FORM
from apiserver.tokens.registration_token import DeviceChoice, RegistrationToken, TokenState

MOST_NETWORKS = 32

# Ten years, as for every duration here; shorter ones than two minutes would end what is merely slow.
_Duration = Annotated[int, msgspec.Meta(ge=120, le=315_360_000)]
_Rate = Annotated[int, msgspec.Meta(ge=1, le=60_000)]
_Uses = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_NamePattern = Annotated[str, form(PATTERN_FORM)]
_Networks = Annotated[list[str], told(maxItems=MOST_NETWORKS)]


class NewRegistrationToken(Body, frozen=True):
    """A token to be made. Without `max_uses` it is reusable, without `expires_at` it never expires.

    `idle_s`: unused for so long, it has expired. `ephemeral_s`: its devices leave after so long a silence.
    Only who may approve devices may pre-approve them, or force taints on them.
    """

    label: Label
    description: Description = ""
    tenant_id: TenantIdText | None = None
    max_uses: _Uses | None = None
    expires_at: Time | None = None
    not_before: Time | None = None
    idle_s: _Duration | None = None
    taints: Taints = msgspec.field(default_factory=list)
    labels: LabelsOfDevice = msgspec.field(default_factory=dict)
    name_pattern: _NamePattern | None = None
    source_networks: _Networks = msgspec.field(default_factory=list)
    pre_approved: bool = False
    ephemeral_s: _Duration | None = None
    rate_per_minute: _Rate | None = None


class ChangedRegistrationToken(Body, frozen=True):
    """What stays away stays as it is. What the token may do can only become less."""

    label: Label | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    expires_at: Time | UnsetType | None = UNSET
    max_uses: _Uses | UnsetType | None = UNSET
    pre_approved: bool | UnsetType = UNSET


class RevokeRegistrationToken(Body, frozen=True):
    """`devices`: what becomes of those that joined with it. `dry_run`: only tell what would be done."""

    devices: DeviceChoice
    dry_run: bool = False


class RegistrationTokenQuery(Query, frozen=True):
    """Which registration tokens are listed; without `tenant_id` those of the personal tenant."""

    tenant_id: TenantIdText | None = None
    owner_id: UserIdText | None = None
    sort: Literal["created_at", "-created_at"] = "-created_at"
    limit: Limit = DEFAULT_LIMIT
    cursor: str | None = None


class RegistrationTokenAnswer(Resource, frozen=True):
    """A registration token. Its secret is shown once, when it is made or rotated."""

    id: RegistrationTokenIdText
    tenant_id: TenantIdText
    owner_id: UserIdText
    label: Label
    description: Description
    state: TokenState
    uses: int
    max_uses: int | None
    expires_at: Time | None
    not_before: Time | None
    idle_s: int | None
    last_used_at: Time | None
    taints: Taints
    labels: LabelsOfDevice
    name_pattern: _NamePattern | None
    source_networks: _Networks
    pre_approved: bool
    ephemeral_s: int | None
    rate_per_minute: int | None
    suspended_at: Time | None
    revoked_at: Time | None
    created_at: Time


class RegistrationTokenWithSecret(RegistrationTokenAnswer, frozen=True):
    """`token` is the secret, for whoever registers devices. It is shown this once."""

    token: str


class RegistrationTokenList(msgspec.Struct, frozen=True):
    """`next_cursor` is null on the last page."""

    items: list[RegistrationTokenAnswer]
    next_cursor: str | None


class ChosenDevices(msgspec.Struct, frozen=True):
    """How many devices the choice is for: that are kept as they are, suspended or revoked by it."""

    choice: DeviceChoice
    count: int


class RevokedRegistrationToken(msgspec.Struct, frozen=True):
    """What was done, or after a dry run what would be. Devices that have ended already are not counted."""

    id: RegistrationTokenIdText
    state: TokenState
    dry_run: bool
    devices: ChosenDevices


def registration_token_answer(token: RegistrationToken, now: datetime) -> RegistrationTokenAnswer:
    return RegistrationTokenAnswer(
        id=token.id,
        tenant_id=token.tenant_id,
        owner_id=token.owner_id,
        label=token.label,
        description=token.description,
        state=token.state(now),
        uses=token.uses,
        max_uses=token.max_uses,
        expires_at=token.expires_at,
        not_before=token.not_before,
        idle_s=token.idle_s,
        last_used_at=token.last_used_at,
        taints=list(token.taints),
        labels=dict(token.labels),
        name_pattern=token.name_pattern,
        source_networks=[str(network) for network in token.source_networks],
        pre_approved=token.pre_approved,
        ephemeral_s=token.ephemeral_s,
        rate_per_minute=token.rate_per_minute,
        suspended_at=token.suspended_at,
        revoked_at=token.revoked_at,
        created_at=token.created_at,
    )


def registration_token_with_secret(made: WithSecret, now: datetime) -> RegistrationTokenWithSecret:
    shown = registration_token_answer(made.token, now)
    return RegistrationTokenWithSecret(**msgspec.structs.asdict(shown), token=made.secret.reveal())


def revoked_registration_token(revocation: Revocation, now: datetime) -> RevokedRegistrationToken:
    return RevokedRegistrationToken(
        id=revocation.token.id,
        state=revocation.token.state(now),
        dry_run=revocation.is_dry_run,
        devices=ChosenDevices(revocation.choice, revocation.devices),
    )
