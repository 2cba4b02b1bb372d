"""Every operation there is, asked by services: the list of those that they may use, each with its scope."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from apiserver.auth.scopes import Scope
from apiserver.exchange.token import GRANT_TYPE, TYPES_OF_KIND
from apiserver.tokens.secret import SecretKind
from tests.apiserver.callers import Caller, holder, user
from tests.apiserver.server import ApiServer
from tests.fakes.issuer import FakeIssuer

# Whatever is not in it is for users, devices and registration tokens alone.
OPEN_TO_SERVICES = {
    "GET /api/v1/tenants/{tenant_id}": "tenants:admin",
    "GET /api/v1/tenants/{tenant_id}/members": "tenants:admin",
    "POST /api/v1/devices": "devices:write",
    "GET /api/v1/devices": "devices:read",
    "GET /api/v1/devices/{device_id}": "devices:read",
    "PATCH /api/v1/devices/{device_id}": "devices:write",
    "POST /api/v1/devices/{device_id}/approve": "devices:write",
    "POST /api/v1/devices/{device_id}/suspend": "devices:write",
    "POST /api/v1/devices/{device_id}/resume": "devices:write",
    "POST /api/v1/devices/{device_id}/revoke": "devices:write",
    "POST /api/v1/devices/{device_id}/rotate-token": "devices:write",
    "POST /api/v1/registration-tokens": "tokens:write",
    "GET /api/v1/registration-tokens": "tokens:read",
    "GET /api/v1/registration-tokens/{registration_token_id}": "tokens:read",
    "PATCH /api/v1/registration-tokens/{registration_token_id}": "tokens:write",
    "POST /api/v1/registration-tokens/{registration_token_id}/rotate": "tokens:write",
    "POST /api/v1/registration-tokens/{registration_token_id}/revoke": "tokens:write",
    "GET /api/v1/audit-events": "audit:read",
    "GET /api/v1/audit-events/export": "audit:read",
    "POST /api/v1/audit-events/verify": "audit:read",
    "POST /api/v1/introspect": "tokens:introspect",
}
Some: TypeAlias = Callable[[ApiServer, Caller, set[str]], Awaitable[Caller]]
ALL = {scope.value for scope in Scope}
_PREFIXES = {
    "tenant": "ten",
    "user": "usr",
    "invitation": "inv",
    "device": "dev",
    "registration_token": "rgt",
    "service_token": "svt",
}


async def operations(server: ApiServer) -> list[str]:
    """Those that take a credential."""
    document = await (await server.public.get("/openapi.json")).json()
    return [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if told["security"]
    ]


def an_address(path: str) -> str:
    """With ids of the right form, which were never given."""
    filled = re.sub(r"\{(\w+)_id\}", lambda name: f"{_PREFIXES[name[1]]}_{'0' * 22}", path)
    return filled.removeprefix("/api/v1")


async def service(server: ApiServer, maker: Caller, scopes: set[str]) -> Caller:
    made = await maker.done("POST", "/service-tokens", {"label": "ci", "scopes": sorted(scopes)})
    return holder(server, made["token"])


async def jwt_of_service(server: ApiServer, maker: Caller, scopes: set[str]) -> Caller:
    """With a JWT that was narrowed to these, of a service that has all."""
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": (await service(server, maker, ALL)).bearer(),
        "subject_token_type": TYPES_OF_KIND[SecretKind.SERVICE],
        "scope": " ".join(sorted(scopes)),
    }
    answer = await (await server.public.post("/api/v1/token", data=form)).json()
    return holder(server, answer["access_token"])


async def outcome(caller: Caller, operation: str) -> tuple[int, str | None]:
    """Status and code, or the error of OAuth: an empty body is enough to be let in, or not."""
    method, path = operation.split()
    sent = {"Authorization": f"Bearer {caller.bearer()}"}
    address = f"/api/v1{an_address(path)}"
    async with caller.server.public.request(method, address, headers=sent) as answer:
        told = await answer.json() if answer.status >= 400 else {}
        return answer.status, told.get("code") or told.get("error")


def refused_for_its_kind(told: tuple[int, str | None]) -> bool:
    return told == (403, "forbidden")


by_secret_and_by_jwt = pytest.mark.parametrize("some", [service, jwt_of_service], ids=["secret", "jwt"])


@by_secret_and_by_jwt
async def test_a_service_with_all_scopes_is_let_into_these_operations_and_no_others(
    server: ApiServer, alice: Caller, some: Some
) -> None:
    all_powerful = await some(server, alice, ALL)
    outcomes = {operation: await outcome(all_powerful, operation) for operation in await operations(server)}

    assert {name for name, told in outcomes.items() if not refused_for_its_kind(told)} == set(
        OPEN_TO_SERVICES
    )
    let_in = [outcomes[operation] for operation in OPEN_TO_SERVICES]
    assert {status for status, _ in let_in} <= {200, 201, 400, 404, 422}


@by_secret_and_by_jwt
@pytest.mark.parametrize("operation", OPEN_TO_SERVICES)
async def test_it_takes_one_scope_and_that_one_alone(
    server: ApiServer, alice: Caller, operation: str, some: Some
) -> None:
    needed = OPEN_TO_SERVICES[operation]
    without = await some(server, alice, ALL - {needed})
    with_it = await some(server, alice, {needed})

    assert await outcome(without, operation) == (403, "insufficient_scope")
    assert (await outcome(with_it, operation))[0] != 403


async def test_a_refused_service_is_told_which_scope_it_lacks(server: ApiServer, alice: Caller) -> None:
    introspecting = await service(server, alice, {"tokens:introspect"})

    reply = await introspecting.call("GET", "/tenants/ten_0000000000000000000000")

    assert reply.refusal == (403, "insufficient_scope")
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="tenants:admin"'


async def test_what_a_service_needs_a_scope_for_a_user_may_need_none_for(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    narrowed = user(server, issuer, "alice", scope="devices:read")
    me = await narrowed.done("GET", "/users/me")

    assert (await narrowed.call("GET", f"/tenants/{me['personal_tenant_id']}")).status == 200
