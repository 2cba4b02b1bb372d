"""People who are signed in, for tests of the API through HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from tests.apiserver.server import ApiServer
from tests.fakes.issuer import FakeIssuer

TENANTS = "/api/v1/tenants"
ACCEPT = "/api/v1/invitations/accept"
DEVICES = "/api/v1/devices"


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass(frozen=True)
class Person:
    """Somebody with a login; `claims` are those of their access tokens beside the usual ones."""

    server: ApiServer
    issuer: FakeIssuer
    name: str
    claims: dict[str, Any] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        token = self.issuer.access_token(self.name, **self.claims)
        answer = await self.server.public.request(
            method, path, json=body, headers={"Authorization": f"Bearer {token}", **(headers or {})}
        )
        is_json = answer.content_type.endswith("json")
        return Answer(answer.status, await answer.json() if is_json else {}, answer.headers)

    async def done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """What is answered to something that must succeed."""
        answer = await self.ask(method, path, body)
        assert answer.status < 300, answer.body
        return answer.body

    async def id(self) -> UserId:
        me = await self.done("GET", "/api/v1/users/me")
        return UserId(me["id"])

    async def personal_tenant(self) -> TenantId:
        me = await self.done("GET", "/api/v1/users/me")
        return TenantId(me["personal_tenant_id"])

    async def makes_tenant(self, **fields: Any) -> TenantId:
        tenant = await self.done("POST", TENANTS, {"name": "Works", **fields})
        return TenantId(tenant["id"])

    async def invites(self, tenant_id: TenantId, role: str = "member", **fields: Any) -> dict[str, Any]:
        return await self.done("POST", f"{TENANTS}/{tenant_id}/invitations", {"role": role, **fields})

    async def brings_in(self, other: "Person", tenant_id: TenantId, role: str = "member") -> None:
        invitation = await self.invites(tenant_id, role)
        await other.done("POST", ACCEPT, {"token": invitation["token"]})

    async def registers_device(self, tenant_id: TenantId, name: str = "web") -> dict[str, Any]:
        return await self.done("POST", DEVICES, {"tenant_id": tenant_id, "name": name})
