"""The guard in front of a handler: a service is let in where a scope says so, and nowhere else."""

from dataclasses import dataclass, replace
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from apiserver.auth.access import MEMBER, Access, Guard
from apiserver.auth.principal import Caller, ServiceCaller
from apiserver.auth.rates import CountedCallers
from apiserver.auth.scopes import ALL_SCOPES, Scope
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import Identity, Profile, User, UserId
from apiserver.tokens.service_token import ServiceToken, ServiceTokenId
from common.problems import problem_middleware
from common.routing import Route, add_routes
from tests.apiserver.builders import NOW

_OWNER = User(UserId("usr_1"), Identity("https://issuer.example", "alice"), Profile(), NOW)
_TOKEN = ServiceToken(
    id=ServiceTokenId("svt_1"),
    tenant_id=TenantId("ten_1"),
    owner_id=_OWNER.id,
    label="ci",
    scopes=ALL_SCOPES,
    secret_hash=bytes(32),
    created_at=NOW,
    expires_at=NOW,
)


@dataclass(frozen=True)
class AlwaysThis:
    """An authenticator for whom everybody is the same caller."""

    caller: Caller

    async def caller_of(self, _request: web.Request) -> Caller:
        return self.caller


async def _show(request: web.Request) -> web.Response:
    return web.Response(text=request[MEMBER].acting.user_id)


async def status(
    scopes: frozenset[Scope], *, scope: Scope | None = None, service_scope: Scope | None = None
) -> int:
    """What a service with these scopes gets from a route that asks for those."""
    caller = ServiceCaller(replace(_TOKEN, scopes=scopes), _OWNER, Role.ADMIN)
    route = Route("GET", "/", _show, Access.MEMBER, "For tests", scope=scope, service_scope=service_scope)
    app = web.Application(middlewares=[problem_middleware()])
    add_routes(app, [route], Guard(cast("CountedCallers", AlwaysThis(caller))))
    async with TestClient(TestServer(app)) as client, client.get("/") as answer:
        return answer.status


async def test_a_route_without_a_scope_lets_no_service_in() -> None:
    assert await status(ALL_SCOPES) == 403


@pytest.mark.parametrize("kind", ["scope", "service_scope"])
async def test_a_service_is_let_in_with_the_scope_of_the_route_alone(kind: str) -> None:
    needed, without = frozenset({Scope.AUDIT_READ}), ALL_SCOPES - {Scope.AUDIT_READ}

    assert await status(needed, **{kind: Scope.AUDIT_READ}) == 200
    assert await status(without, **{kind: Scope.AUDIT_READ}) == 403
