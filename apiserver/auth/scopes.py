"""Scopes: what a token may be used for, below what its holder may do. Pure.

A scope narrows and never gives: the role still has to allow the deed (`apiserver.auth.permissions`). None
implies another; who writes and wants to read asks for both.
"""

from enum import StrEnum


class Scope(StrEnum):
    DEVICES_READ = "devices:read"
    DEVICES_WRITE = "devices:write"
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    TENANTS_ADMIN = "tenants:admin"
    AUDIT_READ = "audit:read"
    TOKENS_INTROSPECT = "tokens:introspect"


class DeviceScope(StrEnum):
    """What a JWT of a device may be used for here. Its device token may be used for all of it."""

    SELF_READ = "self:read"
    SELF_WRITE = "self:write"


class RegistrationScope(StrEnum):
    """What a JWT of a registration token may be used for here."""

    DEVICES_REGISTER = "devices:register"


ALL_SCOPES = frozenset(Scope)
ALL_DEVICE_SCOPES = frozenset(DeviceScope)


def scopes_of_login(claim: object) -> frozenset[Scope]:
    """What a JWT of the provider may be used for, by its `scope` (a text, RFC 8693 4.2) or `scp` (a list).

    One that names none of ours comes from a provider that knows nothing of them, and is not narrowed. A
    claim of another type is not understood, and gives nothing.
    """
    match claim:
        case None:
            return ALL_SCOPES
        case str():
            return _ours(claim.split()) or ALL_SCOPES
        case list():
            return _ours(claim) or ALL_SCOPES
        case _:
            return frozenset()


def scope_words(claim: object) -> tuple[str, ...]:
    """All scopes of such a claim; those that are no texts are passed over."""
    match claim:
        case str():
            return tuple(claim.split())
        case list():
            return tuple(word for word in claim if isinstance(word, str))
        case _:
            return ()


def _ours(names: list[object] | list[str]) -> frozenset[Scope]:
    return frozenset(scope for scope in Scope if scope.value in names)
