"""Who is in a tenant, and as what: joining, lists, roles."""

import itertools

import pytest
import pytest_asyncio

from apiserver.tenants.tenants import TenantId
from tests.apiserver.tenants.people import TENANTS, Person, somebody

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def works(alice: Person) -> TenantId:
    """A tenant of Alice's."""
    return await alice.makes_tenant(kind="community")


async def test_anybody_joins_a_community_tenant_whose_id_they_know(
    alice: Person, bob: Person, works: TenantId
) -> None:
    joined = await bob.call("POST", f"{TENANTS}/{works}/join")

    assert joined.status == 200
    assert joined.body["role"] == "member"
    assert await bob.done("GET", f"{TENANTS}/{works}") == joined.body
    assert joined.body == await alice.done("GET", f"{TENANTS}/{works}") | {"role": "member"}


async def test_who_is_a_member_does_not_join_again_and_keeps_the_role(
    alice: Person, bob: Person, works: TenantId
) -> None:
    await bob.done("POST", f"{TENANTS}/{works}/join")

    for person, role in ((alice, "owner"), (bob, "member")):
        again = await person.call("POST", f"{TENANTS}/{works}/join")
        assert again.refusal == (409, "already_member")
        assert (await person.done("GET", f"{TENANTS}/{works}"))["role"] == role


async def test_a_tenant_that_became_private_keeps_its_members_and_takes_no_more(
    alice: Person, bob: Person, carol: Person, works: TenantId
) -> None:
    await bob.done("POST", f"{TENANTS}/{works}/join")
    await alice.done("PATCH", f"{TENANTS}/{works}", {"kind": "private"})

    assert (await carol.call("POST", f"{TENANTS}/{works}/join")).status == 404
    assert (await bob.call("GET", f"{TENANTS}/{works}")).status == 200


async def test_members_are_listed_with_what_the_provider_tells_of_them(
    alice: Person, works: TenantId, bob: Person
) -> None:
    named = bob.with_claims(name="Bob", email="bob@example.test")
    await named.done("POST", f"{TENANTS}/{works}/join")

    listed = await alice.done("GET", f"{TENANTS}/{works}/members?role=member")

    (member,) = listed["items"]
    assert member.pop("joined_at").endswith("Z")
    assert member == {
        "user_id": await bob.id(),
        "name": "Bob",
        "email": "bob@example.test",
        "role": "member",
    }


async def test_members_are_listed_page_by_page_each_once(alice: Person, works: TenantId) -> None:
    people = [somebody(alice.server, alice.issuer) for _ in range(4)]
    for person in people:
        await person.done("POST", f"{TENANTS}/{works}/join")

    first = await alice.done("GET", f"{TENANTS}/{works}/members?limit=3")
    second = await alice.done("GET", f"{TENANTS}/{works}/members?limit=3&cursor={first['next_cursor']}")

    seen = [member["user_id"] for page in (first, second) for member in page["items"]]
    assert seen == sorted([await alice.id(), *[await person.id() for person in people]])
    assert second["next_cursor"] is None


async def test_a_cursor_of_another_tenant_or_filter_opens_nothing(
    alice: Person, bob: Person, works: TenantId
) -> None:
    await bob.done("POST", f"{TENANTS}/{works}/join")
    cursor = (await alice.done("GET", f"{TENANTS}/{works}/members?limit=1"))["next_cursor"]
    other = await alice.makes_tenant()

    assert cursor is not None
    for path in (f"{other}/members?cursor={cursor}", f"{works}/members?role=owner&cursor={cursor}"):
        answer = await alice.call("GET", f"{TENANTS}/{path}")
        assert answer.refusal == (400, "bad_request")


ROLES = ("viewer", "member", "admin", "owner")
CHANGES = list(itertools.permutations(ROLES, 2))


def may_change(giver: str, *roles: str) -> bool:
    """Whether the giver may take a member from one of these roles to the other, or out of it."""
    return giver == "owner" or (giver == "admin" and "owner" not in roles)


@pytest.mark.parametrize("giver", ROLES)
async def test_who_gives_which_role_to_whom(
    alice: Person, bob: Person, carol: Person, works: TenantId, giver: str
) -> None:
    await alice.brings_in(bob, works, giver)
    await alice.brings_in(carol, works)
    carols = f"{TENANTS}/{works}/members/{await carol.id()}"
    given = {}
    for before, after in CHANGES:
        await alice.done("PATCH", carols, {"role": before})
        answer = await bob.call("PATCH", carols, {"role": after})
        given[before, after] = (answer.status, (await carol.done("GET", f"{TENANTS}/{works}"))["role"])

    assert given == {
        (before, after): (200, after) if may_change(giver, before, after) else (403, before)
        for before, after in CHANGES
    }


@pytest.mark.parametrize("remover", ROLES)
async def test_who_removes_whom(
    alice: Person, bob: Person, carol: Person, works: TenantId, remover: str
) -> None:
    await alice.brings_in(bob, works, remover)
    path, removed = f"{TENANTS}/{works}/members/{await carol.id()}", {}
    for role in ROLES:
        await alice.brings_in(carol, works, role)
        answer = await bob.call("DELETE", path)
        removed[role] = (answer.status, (await carol.call("GET", f"{TENANTS}/{works}")).status)
        await alice.call("DELETE", path)

    assert removed == {role: (204, 404) if may_change(remover, role) else (403, 200) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
async def test_everybody_may_leave(alice: Person, bob: Person, works: TenantId, role: str) -> None:
    await alice.brings_in(bob, works, role)

    left = await bob.call("DELETE", f"{TENANTS}/{works}/members/{await bob.id()}")

    assert left.status == 204
    assert (await bob.call("GET", f"{TENANTS}/{works}")).status == 404
    assert works not in str(await bob.done("GET", "/users/me"))


@pytest.mark.parametrize("role", ROLES)
async def test_who_was_removed_does_not_join_again_by_themselves(
    alice: Person, bob: Person, works: TenantId, role: str
) -> None:
    await alice.brings_in(bob, works, role)
    await alice.done("DELETE", f"{TENANTS}/{works}/members/{await bob.id()}")

    refused = await bob.call("POST", f"{TENANTS}/{works}/join")

    assert refused.refusal == (403, "forbidden")
    assert refused.body["detail"].endswith("Ask for an invitation.")
    assert (await bob.call("GET", f"{TENANTS}/{works}")).status == 404


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("member", 200), ("admin", 200), ("owner", 200)]
)
async def test_who_left_joins_again_if_that_makes_them_no_more_than_they_were(
    alice: Person, bob: Person, works: TenantId, role: str, status: int
) -> None:
    await bob.done("POST", f"{TENANTS}/{works}/join")
    bobs = f"{TENANTS}/{works}/members/{await bob.id()}"
    await alice.done("PATCH", bobs, {"role": role})
    await bob.done("DELETE", bobs)

    assert (await bob.call("POST", f"{TENANTS}/{works}/join")).status == status


async def test_an_invitation_brings_back_who_was_removed_and_they_may_leave_and_join(
    alice: Person, bob: Person, works: TenantId
) -> None:
    await alice.brings_in(bob, works)
    bobs = f"{TENANTS}/{works}/members/{await bob.id()}"
    await alice.done("DELETE", bobs)
    await alice.brings_in(bob, works)
    await bob.done("DELETE", bobs)

    assert (await bob.done("POST", f"{TENANTS}/{works}/join"))["role"] == "member"


async def test_who_was_removed_from_a_private_tenant_is_told_nothing_of_it(
    alice: Person, bob: Person
) -> None:
    tenant_id = await alice.makes_tenant()
    await alice.brings_in(bob, tenant_id)
    await alice.done("DELETE", f"{TENANTS}/{tenant_id}/members/{await bob.id()}")

    assert (await bob.call("POST", f"{TENANTS}/{tenant_id}/join")).refusal == (404, "not_found")


async def test_the_last_owner_stays_and_stays_owner(alice: Person, bob: Person, works: TenantId) -> None:
    await alice.brings_in(bob, works, "admin")
    alices = f"{TENANTS}/{works}/members/{await alice.id()}"

    for answer in (await alice.call("DELETE", alices), await alice.call("PATCH", alices, {"role": "admin"})):
        assert answer.refusal == (409, "last_owner")
    assert (await alice.done("GET", f"{TENANTS}/{works}"))["role"] == "owner"


async def test_a_tenant_is_handed_over(alice: Person, bob: Person, works: TenantId) -> None:
    await alice.brings_in(bob, works)
    await alice.done("PATCH", f"{TENANTS}/{works}/members/{await bob.id()}", {"role": "owner"})
    await alice.done("DELETE", f"{TENANTS}/{works}/members/{await alice.id()}")

    assert (await bob.done("GET", f"{TENANTS}/{works}"))["role"] == "owner"
    assert (await alice.call("GET", f"{TENANTS}/{works}")).status == 404


async def test_the_role_that_a_member_has_may_be_given_again(alice: Person, works: TenantId) -> None:
    path = f"{TENANTS}/{works}/members/{await alice.id()}"

    assert (await alice.done("PATCH", path, {"role": "owner"}))["role"] == "owner"


@pytest.mark.parametrize(
    "body", [{}, {"role": "king"}, {"role": None}, {"role": "admin", "user_id": "usr_1"}], ids=str
)
async def test_a_role_is_one_of_four(alice: Person, works: TenantId, body: dict[str, str]) -> None:
    answer = await alice.call("PATCH", f"{TENANTS}/{works}/members/{await alice.id()}", body)

    assert answer.refusal == (422, "invalid_body")


async def test_who_is_no_member_has_no_role_and_cannot_be_removed(
    alice: Person, bob: Person, works: TenantId
) -> None:
    for user_id in (await bob.id(), "usr_0000000000000000000000"):
        path = f"{TENANTS}/{works}/members/{user_id}"
        for answer in (await alice.call("PATCH", path, {"role": "admin"}), await alice.call("DELETE", path)):
            assert (answer.status, answer.body["detail"]) == (404, "There is no such member.")
