"""Services as clients of the API: what somebody made for them, and the secret that they hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apiserver.auth.scopes import Scope
from apiserver.tenants.tenants import TenantId
from tests.apiserver.callers import Caller, holder
from tests.apiserver.tenants.people import DEVICES, TENANTS, Person

SERVICE_TOKENS = "/service-tokens"
REGISTRATION_TOKENS = "/registration-tokens"
AUDIT = "/audit-events"
ALL_SCOPES = sorted(Scope)
NEVER_WAS = ("ten_0000000000000000000000", "dev_0000000000000000000000", "rgt_0000000000000000000000")


@dataclass(frozen=True)
class Service(Caller):
    id: str


async def service_of(maker: Person, tenant_id: TenantId | None = None, *scopes: str) -> Service:
    """A service that acts for `maker`; without scopes named it has all of them."""
    body = {"label": "ci", "scopes": scopes or ALL_SCOPES, "tenant_id": tenant_id}
    made: dict[str, Any] = await maker.done("POST", SERVICE_TOKENS, body)
    return Service(**vars(holder(maker.server, made["token"])), id=made["id"])


def everything_in(
    tenant_id: str, device_id: str, token_id: str
) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """One request of each kind that a service may make, about this tenant and these things of it."""
    device, token = f"{DEVICES}/{device_id}", f"{REGISTRATION_TOKENS}/{token_id}"
    yield "GET", f"{TENANTS}/{tenant_id}", None
    yield "GET", f"{TENANTS}/{tenant_id}/members", None
    yield "GET", f"{DEVICES}?tenant_id={tenant_id}", None
    yield "POST", DEVICES, {"name": "web", "tenant_id": tenant_id}
    yield "GET", device, None
    yield "PATCH", device, {"name": "other"}
    yield "PATCH", device, {"taints": ["prod"]}
    for deed in ("approve", "suspend", "resume", "rotate-token", "revoke"):
        yield "POST", f"{device}/{deed}", None
    yield "GET", f"{REGISTRATION_TOKENS}?tenant_id={tenant_id}", None
    yield "POST", REGISTRATION_TOKENS, {"label": "lab", "tenant_id": tenant_id}
    yield "GET", token, None
    yield "PATCH", token, {"label": "other"}
    yield "POST", f"{token}/rotate", None
    yield "POST", f"{token}/revoke", {"devices": "revoke", "dry_run": True}
    yield "POST", f"{token}/revoke", {"devices": "revoke"}
    yield "GET", f"{AUDIT}?tenant_id={tenant_id}", None
    yield "GET", f"{AUDIT}/export?tenant_id={tenant_id}", None
    yield "POST", f"{AUDIT}/verify", {"tenant_id": tenant_id}


async def give(giver: Person, member: Person, tenant_id: TenantId, role: str) -> None:
    await giver.done("PATCH", f"{TENANTS}/{tenant_id}/members/{await member.id()}", {"role": role})
