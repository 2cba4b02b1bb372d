"""Roles, scopes and tenants: who sees and does what with which devices."""

import pytest

from tests.apiserver.machines import DEVICES, Answer, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEDS = ("approve", "suspend", "resume", "revoke", "take-over", "rotate-token")
UNKNOWN = "dev_0000000000000000000000"


async def every_deed(person: Person, device_id: str) -> dict[str, Answer]:
    path = f"{DEVICES}/{device_id}"
    return {
        "show": await person.call("GET", path),
        "rename": await person.call("PATCH", path, json={"name": "mine"}),
        "taint": await person.call("PATCH", path, json={"taints": ["admin"]}),
        **{deed: await person.do(deed, device_id) for deed in DEEDS},
    }


@pytest.mark.parametrize("relation", ["stranger", "viewer", "member"])
async def test_what_one_may_not_see_is_like_what_never_was(
    world: World, alice: Person, bob: Person, relation: str
) -> None:
    roles = {"owner": alice} | ({} if relation == "stranger" else {relation: bob})
    tenant_id = await world.tenant(**roles)
    device = (await alice.register(tenant_id=tenant_id)).device()
    before = await alice.device(device["id"])

    there = await every_deed(bob, device["id"])
    never = await every_deed(bob, UNKNOWN)

    for deed, answer in there.items():
        assert answer.refusal == (404, "not_found"), deed
        assert answer.body | {"request_id": ""} == never[deed].body | {"request_id": ""}, deed
    assert await alice.device(device["id"]) == before


async def test_a_member_manages_their_own_and_does_not_approve(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(owner=alice, member=bob)
    device_id = (await bob.register(tenant_id=tenant_id)).device()["id"]
    path = f"{DEVICES}/{device_id}"
    renamed = await bob.call("PATCH", path, json={"name": "mine", "labels": {"a": "b"}})
    suspended, resumed = await bob.do("suspend", device_id), await bob.do("resume", device_id)
    rotated = await bob.do("rotate-token", device_id)
    refused = [
        await bob.do("approve", device_id),
        await bob.do("take-over", device_id),
        await bob.call("PATCH", path, json={"taints": ["admin"]}),
        await bob.call("PATCH", path, json={"taints": []}),
    ]

    assert {answer.status for answer in (renamed, suspended, resumed, rotated)} == {200}
    assert {answer.refusal for answer in refused} == {(403, "forbidden")}
    assert (await bob.do("revoke", device_id)).status == 200


async def test_an_admin_manages_those_of_others(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(admin=alice, member=bob)
    device_id = (await bob.register(tenant_id=tenant_id)).device()["id"]
    tainted = await alice.call("PATCH", f"{DEVICES}/{device_id}", json={"taints": ["b", "a"]})

    assert tainted.body["taints"] == ["a", "b"]
    assert (await alice.do("revoke", device_id)).status == 200


async def test_a_viewer_registers_nothing(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(owner=alice, viewer=bob)

    assert (await bob.register(tenant_id=tenant_id)).refusal == (403, "forbidden")


async def test_a_viewer_sees_what_is_their_own_and_changes_nothing(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(owner=alice, viewer=bob)
    device_id = (await (await bob.token(tenant_id)).register()).device()["id"]
    answers = await every_deed(bob, device_id)

    assert answers.pop("show").status == 200
    assert {answer.refusal for answer in answers.values()} == {(403, "forbidden")}


async def test_another_tenant_is_like_one_that_never_was(alice: Person, bob: Person) -> None:
    known = await bob.register(tenant_id=alice.tenant_id)
    unknown = await bob.register(tenant_id="ten_0000000000000000000000")
    list_of_known = await bob.call("GET", DEVICES, params={"tenant_id": alice.tenant_id})
    list_of_unknown = await bob.call("GET", DEVICES, params={"tenant_id": "ten_0000000000000000000000"})

    assert known.refusal == list_of_known.refusal == (404, "not_found")
    assert known.body | {"request_id": ""} == unknown.body | {"request_id": ""}
    assert list_of_known.body | {"request_id": ""} == list_of_unknown.body | {"request_id": ""}


async def test_a_former_member_sees_nothing(world: World, alice: Person, bob: Person) -> None:
    """Owning a device is not enough: the tenant has to be one's own still."""
    tenant_id = await world.tenant(owner=alice)
    device_id = (await (await bob.token(tenant_id)).register()).device()["id"]

    assert {answer.refusal for answer in (await every_deed(bob, device_id)).values()} == {(404, "not_found")}


# Scopes


async def narrowed(person: Person, scope: object, method: str, path: str, claim: str = "scope") -> Answer:
    bearer = person.bearer(**{claim: scope})
    body = {"json": {"name": "web"}} if method in {"POST", "PATCH"} else {}
    return await person.world.call(method, path, bearer, **body)


WRITES = [
    ("POST", DEVICES),
    ("PATCH", f"{DEVICES}/{UNKNOWN}"),
    *[("POST", f"{DEVICES}/{UNKNOWN}/{d}") for d in DEEDS],
]


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_scope_for_reading_does_not_write(alice: Person, method: str, path: str) -> None:
    answer = await narrowed(alice, "openid devices:read", method, path)

    assert answer.refusal == (403, "insufficient_scope")
    assert 'scope="devices:write"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", [DEVICES, f"{DEVICES}/{UNKNOWN}"])
async def test_a_scope_for_writing_does_not_read(alice: Person, path: str) -> None:
    assert (await narrowed(alice, "devices:write", "GET", path)).refusal == (403, "insufficient_scope")


@pytest.mark.parametrize(
    "scope", ["tokens:write", "devices:reader devices:read-all audit:read", "tenants:admin"]
)
async def test_other_scopes_do_neither(alice: Person, scope: str) -> None:
    for method, path in (("GET", DEVICES), ("POST", DEVICES)):
        assert (await narrowed(alice, scope, method, path)).refusal == (403, "insufficient_scope")


@pytest.mark.parametrize("scope", [7, {"devices:write": True}, True], ids=str)
async def test_a_scope_that_is_not_understood_gives_nothing(alice: Person, scope: object) -> None:
    assert (await narrowed(alice, scope, "GET", DEVICES)).refusal == (403, "insufficient_scope")


@pytest.mark.parametrize(
    ("claim", "scope"), [("scope", "devices:read"), ("scp", ["devices:read"]), ("scope", "openid profile")]
)
async def test_scopes_that_suffice(alice: Person, claim: str, scope: object) -> None:
    assert (await narrowed(alice, scope, "GET", DEVICES, claim)).status == 200


async def test_a_scope_gives_no_more_than_the_role(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(owner=alice, viewer=bob)
    answer = await world.call(
        "POST", DEVICES, bob.bearer(scope="devices:write"), json={"name": "web", "tenant_id": tenant_id}
    )

    assert answer.refusal == (403, "forbidden")
