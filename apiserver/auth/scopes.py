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


ALL_SCOPES = frozenset(Scope)


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


def _ours(names: list[object] | list[str]) -> frozenset[Scope]:
    return frozenset(scope for scope in Scope if scope.value in names)
