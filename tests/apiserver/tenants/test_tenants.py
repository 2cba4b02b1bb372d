"""Making, showing, changing, deleting and listing tenants."""

from typing import Any

import pytest

from tests.apiserver.tenants.people import DEVICES, TENANTS, Person
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_who_makes_a_tenant_owns_it(alice: Person, clock: FakeClock) -> None:
    answer = await alice.call("POST", TENANTS, {"name": " Works ", "kind": "community"})

    assert answer.status == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.body.pop("id").startswith("ten_")
    assert answer.body == {
        "name": "Works",
        "kind": "community",
        "is_personal": False,
        "device_approval": "automatic",
        "role": "owner",
        "created_at": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


async def test_a_tenant_is_private_unless_it_is_said(alice: Person) -> None:
    tenant = await alice.done("POST", TENANTS, {"name": "Works", "device_approval": "required"})

    assert (tenant["kind"], tenant["device_approval"]) == ("private", "required")
    assert await alice.done("GET", f"{TENANTS}/{tenant['id']}") == tenant


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 101},
        {"name": "two\nlines"},
        {"name": "\x1b[31mred"},
        {"name": "\u202egpj"},
        {"name": None},
        {},
        {"name": "Works", "kind": "public"},
        {"name": "Works", "device_approval": "never"},
        {"name": "Works", "personal_of": "usr_1"},
        {"name": "Works", "id": "ten_1"},
    ],
    ids=lambda fields: str(fields)[:30],
)
async def test_what_a_tenant_cannot_be_is_refused(alice: Person, fields: dict[str, Any]) -> None:
    answer = await alice.call("POST", TENANTS, fields)

    assert answer.refusal == (422, "invalid_body")


async def test_a_repeat_with_the_same_key_makes_nothing_new(alice: Person) -> None:
    key = {"Idempotency-Key": "once"}
    first = await alice.call("POST", TENANTS, {"name": "Works"}, headers=key)
    again = await alice.call("POST", TENANTS, {"name": "Works"}, headers=key)
    other = await alice.call("POST", TENANTS, {"name": "Others"}, headers=key)

    assert (again.status, again.body) == (200, first.body)
    assert other.refusal == (422, "idempotency_key_reused")


async def test_keys_of_two_people_are_apart(alice: Person, bob: Person) -> None:
    key = {"Idempotency-Key": "once"}
    first = await alice.call("POST", TENANTS, {"name": "Works"}, headers=key)
    second = await bob.call("POST", TENANTS, {"name": "Works"}, headers=key)

    assert second.status == 201
    assert second.body["id"] != first.body["id"]


async def test_a_repeat_after_the_tenant_was_deleted_finds_none(alice: Person) -> None:
    key = {"Idempotency-Key": "once"}
    tenant = await alice.call("POST", TENANTS, {"name": "Works"}, headers=key)
    await alice.done("DELETE", f"{TENANTS}/{tenant.body['id']}")

    assert (await alice.call("POST", TENANTS, {"name": "Works"}, headers=key)).status == 404


@pytest.mark.parametrize(
    "change", [{"name": "Other"}, {"kind": "community"}, {"device_approval": "required"}], ids=str
)
async def test_what_is_changed_stays_changed_and_the_rest_stays(
    alice: Person, change: dict[str, str]
) -> None:
    tenant_id = await alice.makes_tenant()
    before = await alice.done("GET", f"{TENANTS}/{tenant_id}")

    changed = await alice.call("PATCH", f"{TENANTS}/{tenant_id}", change)

    assert changed.headers["ETag"] == '"2"'
    assert changed.body == before | change
    assert await alice.done("GET", f"{TENANTS}/{tenant_id}") == changed.body


async def test_a_change_of_nothing_is_no_new_version(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()

    for change in ({}, {"name": "Works"}):
        answer = await alice.call("PATCH", f"{TENANTS}/{tenant_id}", change)
        assert (answer.status, answer.headers["ETag"]) == (200, '"1"')


@pytest.mark.parametrize(("name", "status"), [("", 422), (" ", 422), ("x" * 101, 422), ("x" * 100, 200)])
async def test_a_tenant_is_renamed_to_what_may_be_a_name(alice: Person, name: str, status: int) -> None:
    tenant_id = await alice.makes_tenant()

    assert (await alice.call("PATCH", f"{TENANTS}/{tenant_id}", {"name": name})).status == status


@pytest.mark.parametrize(
    ("if_match", "status"), [('"1"', 412), ('"3"', 412), ('W/"2"', 412), ('"2"', 200), ("*", 200)]
)
async def test_a_change_is_made_from_the_version_that_was_seen(
    alice: Person, if_match: str, status: int
) -> None:
    tenant_id = await alice.makes_tenant()
    await alice.done("PATCH", f"{TENANTS}/{tenant_id}", {"name": "Second"})

    answer = await alice.call(
        "PATCH", f"{TENANTS}/{tenant_id}", {"name": "Third"}, headers={"If-Match": if_match}
    )

    assert answer.status == status
    shown = await alice.done("GET", f"{TENANTS}/{tenant_id}")
    assert shown["name"] == ("Third" if status == 200 else "Second")


async def test_a_personal_tenant_is_renamed_and_stays_of_one_user(alice: Person) -> None:
    tenant_id = await alice.personal_tenant()
    path = f"{TENANTS}/{tenant_id}"

    renamed = await alice.done("PATCH", path, {"name": "Mine", "kind": "private"})
    opened = await alice.call("PATCH", path, {"kind": "community"})
    deleted = await alice.call("DELETE", path)
    invited = await alice.call("POST", f"{path}/invitations", {"role": "member"})
    left = await alice.call("DELETE", f"{path}/members/{await alice.id()}")

    assert (renamed["name"], renamed["is_personal"]) == ("Mine", True)
    assert opened.refusal == (409, "wrong_state")
    assert deleted.refusal == (409, "tenant_in_use")
    assert invited.refusal == (409, "wrong_state")
    assert left.refusal == (409, "last_owner")


async def test_a_tenant_that_was_deleted_is_found_by_nobody(alice: Person, bob: Person) -> None:
    tenant_id = await alice.makes_tenant(kind="community")
    await bob.done("POST", f"{TENANTS}/{tenant_id}/join")

    assert (await alice.call("DELETE", f"{TENANTS}/{tenant_id}")).status == 204

    for person in (alice, bob):
        assert (await person.call("GET", f"{TENANTS}/{tenant_id}")).status == 404
        assert (await person.call("POST", f"{TENANTS}/{tenant_id}/join")).status == 404
        assert tenant_id not in str(await person.done("GET", TENANTS))
        assert tenant_id not in str(await person.done("GET", "/users/me"))


async def test_a_tenant_with_a_live_device_stays_until_it_is_revoked(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()
    device = await alice.registers_device(tenant_id)
    await alice.done("POST", f"{DEVICES}/{device['id']}/suspend")

    refused = await alice.call("DELETE", f"{TENANTS}/{tenant_id}")
    await alice.done("POST", f"{DEVICES}/{device['id']}/revoke")
    deleted = await alice.call("DELETE", f"{TENANTS}/{tenant_id}")

    assert refused.refusal == (409, "tenant_in_use")
    assert deleted.status == 204


async def test_registration_tokens_end_with_their_tenant_alone(alice: Person, clock: FakeClock) -> None:
    deleted, kept = await alice.makes_tenant(), await alice.makes_tenant()
    ended, stays = await alice.has_token(deleted), await alice.has_token(kept)

    await alice.done("DELETE", f"{TENANTS}/{deleted}")

    assert (await alice.kept(ended)).revoked_at == clock.now()
    assert (await alice.kept(stays)).revoked_at is None


async def test_a_deletion_that_is_refused_ends_no_token(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()
    token = await alice.has_token(tenant_id)
    await alice.registers_device(tenant_id)

    await alice.call("DELETE", f"{TENANTS}/{tenant_id}")

    assert (await alice.kept(token)).revoked_at is None


async def test_everyone_sees_their_own_tenants_page_by_page(
    alice: Person, bob: Person, clock: FakeClock
) -> None:
    await bob.makes_tenant(name="of Bob")
    await alice.id()
    for name in ("one", "two", "three"):
        clock.advance(seconds=1)
        await alice.makes_tenant(name=name)

    assert await _names(alice, "limit=2") == [["Personal", "one"], ["two", "three"]]
    assert await _names(alice, "sort=-created_at&limit=3") == [["three", "two", "one"], ["Personal"]]
    assert await _names(alice, "limit=4") == [["Personal", "one", "two", "three"]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "sort=name", "cursor=x", "kind=private", "limit=1&limit=2"]
)
async def test_a_list_of_tenants_is_asked_for_as_it_is_offered(alice: Person, query: str) -> None:
    answer = await alice.call("GET", f"{TENANTS}?{query}")

    assert answer.refusal == (400, "bad_request")


async def test_a_cursor_of_somebody_else_opens_nothing(alice: Person, bob: Person) -> None:
    await alice.makes_tenant()
    first = await alice.done("GET", f"{TENANTS}?limit=1")

    assert (await bob.call("GET", f"{TENANTS}?limit=1&cursor={first['next_cursor']}")).status == 400


async def _names(person: Person, query: str) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = await person.done("GET", f"{TENANTS}?{query}{cursor}")
        pages.append([tenant["name"] for tenant in page["items"]])
        if page["next_cursor"] is None:
            return pages
        cursor = f"&cursor={page['next_cursor']}"
