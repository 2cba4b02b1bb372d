"""Who calls the API in tests: users by name, devices and scripts by their secrets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.storage.contracts import Transaction
from apiserver.tenants.tenants import DeviceApproval, Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import UserId
from tests.apiserver.server import ApiServer
from tests.fakes.issuer import FakeIssuer


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str
    body: Any

    @property
    def refusal(self) -> tuple[int, str | None]:
        """Status and code; a code of None is no refusal."""
        return self.status, (self.body or {}).get("code")


@dataclass(frozen=True)
class Caller:
    """Somebody with a bearer token; a user gets a fresh one for each call, as an agent would."""

    server: ApiServer
    bearer: Callable[[], str]

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """`path` is behind /api/v1."""
        sent = {"Authorization": f"Bearer {self.bearer()}", **(headers or {})}
        answer = await self.server.public.request(method, f"/api/v1{path}", json=body, headers=sent)
        text = await answer.text()
        return Reply(answer.status, answer.headers, text, await answer.json() if text else None)

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer that is no refusal."""
        reply = await self.call(method, path, body)
        assert reply.status < 300, reply.text
        return reply.body


def user(server: ApiServer, issuer: FakeIssuer, name: str, **claims: Any) -> Caller:
    return Caller(server, lambda: issuer.access_token(name, **claims))


def holder(server: ApiServer, secret: str) -> Caller:
    """Whoever has this secret of ours."""
    return Caller(server, lambda: secret)


async def id_of(caller: Caller) -> UserId:
    me = await caller.done("GET", "/users/me")
    return UserId(me["id"])


async def shared_tenant(
    server: ApiServer,
    members: Mapping[Caller, Role],
    *,
    approval: DeviceApproval = DeviceApproval.AUTOMATIC,
) -> TenantId:
    """A tenant with these members."""
    now = server.parts.clock.now()
    tenant_id = TenantId("ten_0000000000000000shared")
    tenant = Tenant(tenant_id, "Shared", TenantKind.PRIVATE, None, now, approval)
    roles = {await id_of(caller): role for caller, role in members.items()}

    async def add(transaction: Transaction) -> None:
        await transaction.tenants.add(tenant)
        for user_id, role in roles.items():
            await transaction.tenants.add_member(tenant_id, user_id, role, joined_at=now)

    await server.parts.storage.write(add)
    return tenant_id
