"""What somebody asks of a registration token, checked value by value. Pure.

Each function raises `InvalidValueError`. Whether the caller may ask for it is not known here.
"""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv6Network, ip_network

from msgspec import UNSET

from apiserver.devices.names import checked_labels, checked_taints
from apiserver.texts import InvalidValueError, checked_description, checked_label, in_utc
from apiserver.tokens.answers import MOST_NETWORKS, ChangedRegistrationToken, NewRegistrationToken
from apiserver.tokens.changes import KEEP, TokenChange
from apiserver.tokens.name_pattern import checked_pattern
from apiserver.tokens.new_token import AskedToken
from common.env import Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def checked_token(body: NewRegistrationToken, now: datetime) -> AskedToken:
    asked = AskedToken(
        label=checked_label(body.label),
        description=checked_description(body.description),
        max_uses=body.max_uses,
        expires_at=_checked_expiry(body.expires_at, now),
        not_before=in_utc(body.not_before),
        idle_s=body.idle_s,
        taints=checked_taints(body.taints),
        labels=checked_labels(body.labels),
        name_pattern=None if body.name_pattern is None else checked_pattern(body.name_pattern),
        source_networks=_checked_networks(body.source_networks),
        pre_approved=body.pre_approved,
        ephemeral_s=body.ephemeral_s,
        rate_per_minute=body.rate_per_minute,
    )
    if asked.expires_at and asked.not_before and asked.expires_at <= asked.not_before:
        raise InvalidValueError("The token would never be valid: it expires before it begins.")
    return asked


def checked_change(body: ChangedRegistrationToken, now: datetime) -> TokenChange:
    return TokenChange(
        label=KEEP if body.label is UNSET else checked_label(body.label),
        description=KEEP if body.description is UNSET else checked_description(body.description),
        expires_at=KEEP if body.expires_at is UNSET else _checked_expiry(body.expires_at, now),
        max_uses=KEEP if body.max_uses is UNSET else body.max_uses,
        pre_approved=KEEP if body.pre_approved is UNSET else body.pre_approved,
    )


def _checked_expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    expires_at = in_utc(expires_at)
    if expires_at is not None and expires_at <= now:
        raise InvalidValueError("expires_at lies in the past. To end a token at once, revoke it.")
    return expires_at


def _checked_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    if len(texts) > MOST_NETWORKS:
        raise InvalidValueError(f"There are more than {MOST_NETWORKS} source networks.")
    return tuple(_checked_network(text) for text in texts)


def _checked_network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise InvalidValueError(
            "A source network is an address, or a network such as 10.0.0.0/8 or 2001:db8::/32 "
            "without bits behind its prefix."
        ) from None
    # An address of a zone, and an IPv4 address in the clothes of IPv6, are never what a client is seen
    # with: the token would be of no use anywhere, and nobody told why.
    if "%" in text or (isinstance(network, IPv6Network) and network.subnet_of(_MAPPED)):
        raise InvalidValueError("A source network is written without a zone, and an IPv4 one as IPv4.")
    return network
