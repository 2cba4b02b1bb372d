"""People who make tenants, invite each other and register devices, through HTTP."""

from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from typing import Any

from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationToken
from tests.apiserver.callers import Caller, Reply, holder
from tests.apiserver.made import MadeToken, make_token, token_of
from tests.apiserver.server import ApiServer
from tests.fakes.issuer import FakeIssuer

TENANTS = "/tenants"
ACCEPT = "/invitations/accept"
DEVICES = "/devices"

_numbers = count(1)


@dataclass(frozen=True)
class Person(Caller):
    issuer: FakeIssuer
    subject: str

    def with_claims(self, **claims: Any) -> "Person":
        """The same one with other access tokens."""
        return _person(self.server, self.issuer, self.subject, **claims)

    async def id(self) -> UserId:
        me = await self.done("GET", "/users/me")
        return UserId(me["id"])

    async def personal_tenant(self) -> TenantId:
        me = await self.done("GET", "/users/me")
        return TenantId(me["personal_tenant_id"])

    async def makes_tenant(self, **fields: Any) -> TenantId:
        tenant = await self.done("POST", TENANTS, {"name": "Works", **fields})
        return TenantId(tenant["id"])

    async def invites(self, tenant_id: TenantId, role: str = "member", **fields: Any) -> dict[str, Any]:
        body = {"role": role, **fields}
        return dict(await self.done("POST", f"{TENANTS}/{tenant_id}/invitations", body))

    async def brings_in(self, other: "Person", tenant_id: TenantId, role: str = "member") -> None:
        invitation = await self.invites(tenant_id, role)
        await other.done("POST", ACCEPT, {"token": invitation["token"]})

    async def registers_device(self, tenant_id: TenantId, name: str = "web") -> dict[str, Any]:
        return dict(await self.done("POST", DEVICES, {"tenant_id": tenant_id, "name": name}))

    async def has_token(self, tenant_id: TenantId, **fields: Any) -> MadeToken:
        """A registration token of this person."""
        parts = self.server.parts
        return await make_token(parts.storage, tenant_id, await self.id(), parts.clock.now(), **fields)

    async def kept(self, token: MadeToken) -> RegistrationToken:
        return await token_of(self.server.parts.storage, token.id)

    async def hears_of_itself(self, device: dict[str, Any]) -> Reply:
        """What a device without a key is told of itself."""
        return await holder(self.server, device["device_token"]).call("GET", f"{DEVICES}/me")

    async def can_act(self, device: dict[str, Any]) -> bool:
        return (await self.hears_of_itself(device)).status == HTTPStatus.OK


def somebody(server: ApiServer, issuer: FakeIssuer) -> Person:
    """Somebody new."""
    return _person(server, issuer, f"person-{next(_numbers)}")


def _person(server: ApiServer, issuer: FakeIssuer, subject: str, **claims: Any) -> Person:
    return Person(server, lambda: issuer.access_token(subject, **claims), issuer, subject)
