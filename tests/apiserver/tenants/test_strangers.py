"""A tenant does not exist for who is not in it; and what each role may ask of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.apiserver.callers import Reply, holder
from tests.apiserver.server import ApiServer
from tests.apiserver.tenants.people import ACCEPT, TENANTS, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Every operation below a tenant, with a body that would do.
OPERATIONS: dict[str, Any] = {
    "GET ": None,
    "PATCH ": {"name": "Mine now"},
    "DELETE ": None,
    "POST /join": None,
    "GET /members": None,
    "PATCH /members/{user_id}": {"role": "viewer"},
    "DELETE /members/{user_id}": None,
    "GET /invitations": None,
    "POST /invitations": {"role": "viewer"},
    "DELETE /invitations/{invitation_id}": None,
}
OWNS = ["owner"]
MANAGES = ["admin", *OWNS]
SEES = ["viewer", "member", *MANAGES]
# Which roles may do it. Whom it may be done to has tests of its own.
MAY = {
    "GET ": SEES,
    "PATCH ": MANAGES,
    "GET /members": MANAGES,
    "PATCH /members/{user_id}": MANAGES,
    "DELETE /members/{user_id}": MANAGES,
    "GET /invitations": MANAGES,
    "POST /invitations": MANAGES,
    "DELETE /invitations/{invitation_id}": MANAGES,
    "DELETE ": OWNS,
}


async def ask(person: Person, operation: str, tenant_id: str, **ids: str) -> Reply:
    method, path = operation.split(" ")
    return await person.call(method, f"{TENANTS}/{tenant_id}{path.format(**ids)}", OPERATIONS[operation])


def paths(document: dict[str, Any], prefix: str) -> Iterator[str]:
    for path, operations in document["paths"].items():
        if path.startswith(prefix):
            for method in operations:
                yield f"{method.upper()} {path.removeprefix(prefix)}"


async def test_these_are_all_operations_that_name_a_tenant(server: ApiServer) -> None:
    document = await (await server.public.get("/openapi.json")).json()

    assert set(paths(document, f"/api/v1{TENANTS}/{{tenant_id}}")) == set(OPERATIONS)
    assert set(MAY) == set(OPERATIONS) - {"POST /join"}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_stranger_hears_of_a_tenant_what_they_hear_of_one_that_never_was(
    alice: Person, bob: Person, operation: str
) -> None:
    tenant_id = await alice.makes_tenant()
    invitation_id = (await alice.invites(tenant_id))["id"]
    ids = {"user_id": await alice.id(), "invitation_id": invitation_id}

    real = await ask(bob, operation, tenant_id, **ids)
    never = await ask(bob, operation, "ten_0000000000000000000000", **ids)

    assert real.status == never.status == 404
    assert real.body | {"request_id": ""} == never.body | {"request_id": ""}
    assert real.headers.keys() == never.headers.keys()
    assert (await alice.done("GET", f"{TENANTS}/{tenant_id}"))["name"] == "Works"


async def test_a_community_tenant_is_there_to_be_joined_alone(alice: Person, bob: Person) -> None:
    tenant_id = await alice.makes_tenant(kind="community")
    ids = {"user_id": await alice.id(), "invitation_id": (await alice.invites(tenant_id))["id"]}

    others = [
        (await ask(bob, operation, tenant_id, **ids)).status
        for operation in OPERATIONS
        if operation != "POST /join"
    ]

    assert set(others) == {404}
    assert (await ask(bob, "POST /join", tenant_id)).status == 200


@pytest.mark.parametrize("role", ["viewer", "member", "admin", "owner"])
async def test_a_role_may_do_what_the_contract_says(
    alice: Person, bob: Person, carol: Person, role: str
) -> None:
    """A refusal is 403: the tenant is there for its members to see."""
    tenant_id = await alice.makes_tenant()
    await alice.brings_in(bob, tenant_id, role)
    await alice.brings_in(carol, tenant_id, "member")
    ids = {"user_id": await carol.id(), "invitation_id": (await alice.invites(tenant_id))["id"]}

    answers = {operation: await ask(bob, operation, tenant_id, **ids) for operation in MAY}

    assert {operation: answer.status < 300 for operation, answer in answers.items()} == {
        operation: role in roles for operation, roles in MAY.items()
    }
    assert {answer.status for answer in answers.values() if answer.status >= 300} <= {403}


CHANGES = [
    f"{method} {path}"
    for method, path in (operation.split(" ") for operation in OPERATIONS)
    if path or method != "GET"
]


@pytest.mark.parametrize("operation", CHANGES)
async def test_a_narrowed_token_changes_no_tenant(alice: Person, operation: str) -> None:
    tenant_id = await alice.makes_tenant()
    ids = {"user_id": await alice.id(), "invitation_id": (await alice.invites(tenant_id))["id"]}
    narrowed = alice.with_claims(scope="openid devices:read devices:write")

    refused = await ask(narrowed, operation, tenant_id, **ids)

    assert refused.refusal == (403, "insufficient_scope")
    assert 'scope="tenants:admin"' in refused.headers["WWW-Authenticate"]


async def test_a_narrowed_token_makes_and_joins_no_tenant_and_sees_those_it_is_in(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()
    narrowed = alice.with_claims(scope="devices:read")

    made = await narrowed.call("POST", TENANTS, {"name": "Other"})
    accepted = await narrowed.call("POST", ACCEPT, {"token": "dwi_"})
    listed = await narrowed.done("GET", TENANTS)

    assert [answer.refusal for answer in (made, accepted)] == [(403, "insufficient_scope")] * 2
    assert tenant_id in [tenant["id"] for tenant in listed["items"]]
    assert (await narrowed.call("GET", f"{TENANTS}/{tenant_id}")).status == 200


async def test_a_device_token_reads_no_tenant(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()
    device = await alice.registers_device(tenant_id)
    itself = holder(alice.server, device["device_token"])

    for path in (TENANTS, f"{TENANTS}/{tenant_id}", f"{TENANTS}/{tenant_id}/members"):
        assert (await itself.call("GET", path)).status == 403
