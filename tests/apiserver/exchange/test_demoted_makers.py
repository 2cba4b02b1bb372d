"""A service whose maker is no administrator any more: at our API it may do less, elsewhere nothing.

Third parties have its scopes alone to go by, and those were given when its maker could give them.
"""

import pytest

from tests.apiserver.callers import Caller, holder, user
from tests.apiserver.credentials import Office, a_service
from tests.apiserver.edge.answers import refused

INACTIVE = {"active": False}


@pytest.fixture
async def tenant_id(desk: Office) -> str:
    return str((await desk.alice.done("POST", "/tenants", {"name": "Works"}))["id"])


@pytest.fixture
async def bob(desk: Office, tenant_id: str) -> Caller:
    """An administrator, for now."""
    bob = user(desk.server, desk.issuer, "bob")
    invited = await desk.alice.done("POST", f"/tenants/{tenant_id}/invitations", {"role": "admin"})
    await bob.done("POST", "/invitations/accept", {"token": invited["token"]})
    return bob


@pytest.fixture
async def service(desk: Office, bob: Caller, tenant_id: str) -> str:
    """The secret of one that bob made."""
    made = await a_service(bob, desk.clock, tenant_id, "tokens:introspect", "devices:read")
    return str(made["token"])


async def give_bob(desk: Office, bob: Caller, tenant_id: str, role: str) -> None:
    bob_id = (await bob.done("GET", "/users/me"))["id"]
    await desk.alice.done("PATCH", f"/tenants/{tenant_id}/members/{bob_id}", {"role": role})


async def asks(desk: Office, service: str, token: str) -> int:
    answer = await desk.server.public.post(
        "/api/v1/introspect", data={"token": token}, headers={"Authorization": f"Bearer {service}"}
    )
    return answer.status


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_it_gets_no_jwt(desk: Office, bob: Caller, tenant_id: str, service: str, role: str) -> None:
    assert (await desk.exchange(service)).status == 200
    await give_bob(desk, bob, tenant_id, role)

    exchanged = await desk.exchange(service)

    assert (exchanged.status, exchanged.body["error"]) == (400, "invalid_request")
    assert "no administrator" in exchanged.body["error_description"]
    assert await refused(await desk.authz(service)) == (403, "forbidden")


async def test_its_jwt_is_worth_nothing_to_others(
    desk: Office, bob: Caller, tenant_id: str, service: str
) -> None:
    token = (await desk.exchange(service)).body["access_token"]
    of_alice = (await a_service(desk.alice, desk.clock, tenant_id, "tokens:introspect"))["token"]
    assert (await desk.introspect(token, by=of_alice))["active"] is True
    await give_bob(desk, bob, tenant_id, "viewer")

    assert await desk.introspect(token, by=of_alice) == INACTIVE
    assert await desk.introspect(service, by=of_alice) == INACTIVE
    assert await refused(await desk.authz(token)) == (403, "forbidden")


async def test_it_asks_after_no_token(desk: Office, bob: Caller, tenant_id: str, service: str) -> None:
    """Bob as a viewer sees his own devices alone; his service would see everybody's."""
    token = (await desk.exchange(service)).body["access_token"]
    assert await asks(desk, token, service) == 200
    await give_bob(desk, bob, tenant_id, "viewer")

    assert [await asks(desk, by, service) for by in (service, token)] == [403, 403]


async def test_all_of_it_comes_back_with_the_role(
    desk: Office, bob: Caller, tenant_id: str, service: str
) -> None:
    await give_bob(desk, bob, tenant_id, "viewer")
    listed = await holder(desk.server, service).call("GET", "/devices")
    await give_bob(desk, bob, tenant_id, "admin")

    assert listed.status == 200
    assert await asks(desk, service, service) == 200
    assert (await desk.exchange(service)).status == 200
