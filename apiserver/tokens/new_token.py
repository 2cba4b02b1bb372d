"""A registration token that is made: what people choose of it, and its secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from apiserver.ids import new_id
from apiserver.storage.records import StoredSecret
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationToken, RegistrationTokenId
from apiserver.tokens.secret import Secret, SecretKind, hash_of, mint
from common.env import Network
from common.randomness import Randomness

_PREFIX = "rts"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedToken:
    """A registration token to be made, checked value by value: what people choose of one."""

    label: str
    description: str
    max_uses: int | None
    expires_at: datetime | None
    not_before: datetime | None
    idle_s: int | None
    taints: tuple[str, ...]
    labels: Mapping[str, str]
    name_pattern: str | None
    source_networks: tuple[Network, ...]
    pre_approved: bool
    ephemeral_s: int | None
    rate_per_minute: int | None


def new_token(
    asked: AskedToken, tenant_id: TenantId, owner_id: UserId, now: datetime, randomness: Randomness
) -> RegistrationToken:
    """The token that was asked for, not used yet."""
    return RegistrationToken(
        id=RegistrationTokenId(new_id("rgt", now, randomness)),
        tenant_id=tenant_id,
        owner_id=owner_id,
        label=asked.label,
        description=asked.description,
        max_uses=asked.max_uses,
        uses=0,
        expires_at=asked.expires_at,
        not_before=asked.not_before,
        idle_s=asked.idle_s,
        last_used_at=None,
        taints=asked.taints,
        labels=asked.labels,
        name_pattern=asked.name_pattern,
        source_networks=asked.source_networks,
        pre_approved=asked.pre_approved,
        ephemeral_s=asked.ephemeral_s,
        rate_per_minute=asked.rate_per_minute,
        next_allowed_at=None,
        suspended_at=None,
        revoked_at=None,
        created_at=now,
        version=1,
    )


def minted_secret(now: datetime, randomness: Randomness) -> tuple[Secret, StoredSecret]:
    """A new secret for a registration token, and what is kept of it."""
    secret_id = new_id(_PREFIX, now, randomness)
    secret = mint(SecretKind.REGISTRATION, secret_id.removeprefix(f"{_PREFIX}_"), randomness)
    return secret, StoredSecret(secret_id, hash_of(secret), now)
