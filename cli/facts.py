"""Devices and tokens as lines and rows for people. What is printed is cleaned by `output`."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from cli.devices import Device
from cli.own_device import OwnDevice
from cli.registration_tokens import RegistrationToken
from cli.service_tokens import ServiceToken

Fact: TypeAlias = tuple[str, str]

DEVICE_HEADINGS: Final = ("Name", "State", "IPv4", "Last seen", "Device id")
TOKEN_HEADINGS: Final = ("Label", "State", "Uses", "Expires", "Registration token id")
SERVICE_TOKEN_HEADINGS: Final = ("Label", "State", "Scopes", "Expires", "Last used", "Service token id")


def facts_of_device(device: Device) -> Iterator[Fact]:
    yield "Name", device.name
    yield "State", device.state if device.state_reason is None else f"{device.state} ({device.state_reason})"
    yield "Addresses", _words([device.ipv4, device.ipv6])
    yield "Taints", _words(device.taints)
    yield "Labels", _pairs(device.labels)
    yield "Public key", device.public_key or "-"
    yield "Fingerprint", device.fingerprint or "-"
    if device.evidence:
        yield "Evidence", _pairs({key: str(value) for key, value in device.evidence.items()})
    yield "Registered", _moment(device.registered_at)
    yield "Approved", _moment(device.approved_at)
    yield "Last seen", _moment(device.last_seen_at)
    if device.expires_at is not None:
        yield "Expires", _moment(device.expires_at)
    if device.ended_at is not None:
        yield "Ended", _moment(device.ended_at)
    yield "Owner id", device.owner_id
    yield "Tenant id", device.tenant_id
    yield "Joined by", device.registration_token_id or "its owner"
    yield "Device id", device.id


def row_of_device(device: Device) -> tuple[str, ...]:
    return device.name, device.state, device.ipv4 or "-", _moment(device.last_seen_at), device.id


def facts_of_own_device(server: str, device: OwnDevice) -> Iterator[Fact]:
    yield "Server", server
    yield "Name", device.name
    yield "State", device.state
    yield "Addresses", _words([device.ipv4, device.ipv6])
    if device.taints:
        yield "Taints", _words(device.taints)
    if device.labels:
        yield "Labels", _pairs(device.labels)
    yield "Public key", device.public_key or "-"
    yield "Since", _moment(device.registered_at)
    yield "Device id", device.id


def facts_of_minted(token: RegistrationToken) -> Iterator[Fact]:
    yield "Label", token.label
    yield "Uses", "any number" if token.max_uses is None else str(token.max_uses)
    yield "Expires", _moment(token.expires_at, "never")
    if token.taints:
        yield "Taints", _words(token.taints)
    if token.ephemeral_s is not None:
        yield "Ephemeral", f"devices leave after {timedelta(seconds=token.ephemeral_s)} of silence"
    yield "Token id", token.id


def facts_of_token(token: RegistrationToken) -> Iterator[Fact]:
    yield "Label", token.label
    if token.description:
        yield "Description", token.description
    yield "State", token.state
    yield "Uses", _uses(token)
    yield "Expires", _moment(token.expires_at, "never")
    yield "Last used", _moment(token.last_used_at)
    if token.not_before is not None:
        yield "Not before", _moment(token.not_before)
    yield "Taints", _words(token.taints)
    yield "Labels", _pairs(token.labels)
    if token.name_pattern is not None:
        yield "Names", token.name_pattern
    if token.source_networks:
        yield "Networks", _words(token.source_networks)
    yield "Pre-approved", "yes" if token.pre_approved else "no"
    if token.ephemeral_s is not None:
        yield "Ephemeral", f"devices leave after {timedelta(seconds=token.ephemeral_s)} of silence"
    yield "Made", _moment(token.created_at)
    yield "Owner id", token.owner_id
    yield "Tenant id", token.tenant_id
    yield "Token id", token.id


def row_of_token(token: RegistrationToken) -> tuple[str, ...]:
    return token.label, token.state, _uses(token), _moment(token.expires_at, "never"), token.id


def facts_of_service_token(token: ServiceToken) -> Iterator[Fact]:
    yield "Label", token.label
    yield "State", token.state
    yield "Scopes", _words(token.scopes)
    yield "Made", _moment(token.created_at)
    yield "Expires", _moment(token.expires_at)
    yield "Last used", _moment(token.last_used_at)
    yield "Acts for", token.owner_id
    yield "Tenant id", token.tenant_id
    yield "Token id", token.id


def row_of_service_token(token: ServiceToken) -> tuple[str, ...]:
    expires, last_used = _moment(token.expires_at), _moment(token.last_used_at)
    return token.label, token.state, _words(token.scopes), expires, last_used, token.id


def _uses(token: RegistrationToken) -> str:
    return str(token.uses) if token.max_uses is None else f"{token.uses} of {token.max_uses}"


def _moment(moment: datetime | None, otherwise: str = "-") -> str:
    if moment is None:
        return otherwise
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _words(words: Iterable[str | None]) -> str:
    return ", ".join(word for word in words if word) or "-"


def _pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in pairs.items()) or "-"
