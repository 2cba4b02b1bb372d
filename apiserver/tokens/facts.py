"""What the audit tells of a registration token: its public fields."""

from apiserver.audit.trail import Facts
from apiserver.tokens.registration_token import RegistrationToken


def facts_of(token: RegistrationToken) -> Facts:
    return {
        "owner_id": token.owner_id,
        "label": token.label,
        "description": token.description,
        "uses": token.uses,
        "max_uses": token.max_uses,
        "expires_at": token.expires_at,
        "not_before": token.not_before,
        "idle_s": token.idle_s,
        "taints": token.taints,
        "labels": token.labels,
        "name_pattern": token.name_pattern,
        "source_networks": [str(network) for network in token.source_networks],
        "pre_approved": token.pre_approved,
        "ephemeral_s": token.ephemeral_s,
        "rate_per_minute": token.rate_per_minute,
        "suspended_at": token.suspended_at,
        "revoked_at": token.revoked_at,
    }
