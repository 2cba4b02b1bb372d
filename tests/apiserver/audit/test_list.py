"""`GET /audit-events`: who may read them, what they tell, which of them are found."""

from datetime import timedelta
from typing import Any

import pytest

from apiserver.audit.reading import LONGEST_STEP
from apiserver.tenants.tenants import DeviceApproval
from tests.apiserver.audit.conftest import Execute
from tests.apiserver.audit.written import AUDIT, write_events
from tests.apiserver.machines import Machine, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL_ROUTES = [("GET", AUDIT), ("GET", f"{AUDIT}/export"), ("POST", f"{AUDIT}/verify")]


async def listed(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await person.call("GET", AUDIT, params=query)
    assert answer.status == 200, answer.body
    return list(answer.body["items"])


async def actions(person: Person, **query: Any) -> list[str]:
    return [event["action"] for event in await listed(person, **query)]


async def ask(person: Person, method: str, path: str, tenant_id: str) -> tuple[int, str]:
    if method == "POST":
        return (await person.call(method, path, json={"tenant_id": tenant_id})).refusal
    return (await person.call(method, path, params={"tenant_id": tenant_id})).refusal


@pytest.mark.parametrize(("method", "path"), ALL_ROUTES)
@pytest.mark.parametrize("role", ["viewer", "member"])
async def test_who_is_no_administrator_reads_no_audit(
    world: World, alice: Person, bob: Person, method: str, path: str, role: str
) -> None:
    people = {"owner": alice, role: bob}
    tenant_id = await world.tenant(DeviceApproval.AUTOMATIC, **people)

    assert await ask(bob, method, path, tenant_id) == (403, "forbidden")


@pytest.mark.parametrize(("method", "path"), ALL_ROUTES)
async def test_another_tenant_is_not_there_just_as_one_that_never_was(
    alice: Person, bob: Person, method: str, path: str
) -> None:
    refusals = [
        await ask(bob, method, path, tenant_id)
        for tenant_id in (alice.tenant_id, "ten_0000000000000000000000")
    ]

    assert refusals == [(404, "not_found")] * 2


@pytest.mark.parametrize(("method", "path"), ALL_ROUTES)
async def test_a_login_that_was_narrowed_to_something_else_reads_no_audit(
    world: World, alice: Person, method: str, path: str
) -> None:
    bearer = alice.bearer(scope="devices:read devices:write")
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}

    answer = await world.call(method, path, bearer, **body)

    assert answer.refusal == (403, "insufficient_scope")


async def test_an_administrator_reads_who_did_what_to_what(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(owner=alice, admin=bob)
    device = (await alice.register(Machine(), tenant_id=tenant_id)).device()
    await alice.call("PATCH", f"/api/v1/devices/{device['id']}", json={"name": "other"})

    changed, registered = await listed(bob, tenant_id=tenant_id)

    assert changed | {"before": None, "after": None, "id": "", "mac": "", "at": "", "request_id": ""} == {
        "tenant_id": tenant_id,
        "seq": 2,
        "id": "",
        "at": "",
        "actor_kind": "user",
        "actor_id": alice.id,
        "action": "device.changed",
        "target_kind": "device",
        "target_id": device["id"],
        "address": "127.0.0.1",
        "request_id": "",
        "before": None,
        "after": None,
        "key_id": registered["key_id"],
        "mac": "",
    }
    assert (changed["before"]["name"], changed["after"]["name"]) == ("web", "other")
    assert (registered["action"], registered["before"]) == ("device.registered", None)
    assert len(bytes.fromhex(changed["mac"])) == 32
    assert changed["at"].endswith("Z")


async def test_pages_come_the_newest_first_and_miss_nothing(world: World, alice: Person) -> None:
    await write_events(world, alice.tenant_id, 6)
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 3}
    while query.get("cursor", "") is not None:
        answer = await alice.call("GET", AUDIT, params=query)
        seen += [event["seq"] for event in answer.body["items"]]
        query["cursor"] = answer.body["next_cursor"]
        # What is appended meanwhile shifts no page.
        await write_events(world, alice.tenant_id, 1)

    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        {"action": "a\0"},
        {"limit": 0},
        {"limit": 201},
        {"cursor": "x"},
        {"since": "today"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-14:00"},
        {"x": 1},
    ],
)
async def test_a_query_of_another_form_is_refused(alice: Person, query: dict[str, Any]) -> None:
    assert (await alice.call("GET", AUDIT, params=query)).refusal == (400, "bad_request")


@pytest.mark.parametrize("name", ["actor_id", "action", "target_id"])
async def test_a_filter_finds_what_compares_exactly(world: World, alice: Person, name: str) -> None:
    for value in ("one", "One", "one.more"):
        await write_events(world, alice.tenant_id, 1, **{name: value})

    assert [event[name] for event in await listed(alice, **{name: "one"})] == ["one"]


async def test_times_include_their_beginning_and_not_their_end(world: World, alice: Person) -> None:
    begin = world.clock.now() + timedelta(hours=1)
    for number in range(3):
        world.clock.advance(seconds=(begin + timedelta(hours=number) - world.clock.now()).total_seconds())
        await write_events(world, alice.tenant_id, 1, action=f"thing.{number}")
    until = (begin + timedelta(hours=2)).isoformat()

    assert await actions(alice, since=begin.isoformat(), until=until) == ["thing.1", "thing.0"]


async def test_a_rare_event_is_found_among_many(world: World, alice: Person) -> None:
    await write_events(world, alice.tenant_id, 1, action="rare.first")
    await write_events(world, alice.tenant_id, LONGEST_STEP)
    await write_events(world, alice.tenant_id, 1, action="rare.first")
    await write_events(world, alice.tenant_id, LONGEST_STEP - 1)
    found: list[int] = []
    query: dict[str, Any] = {"action": "rare.first", "limit": 1}
    while query.get("cursor", "") is not None:
        answer = await alice.call("GET", AUDIT, params=query)
        found += [event["seq"] for event in answer.body["items"]]
        query["cursor"] = answer.body["next_cursor"]

    assert found == [LONGEST_STEP + 3, 2]


async def test_a_cursor_opens_no_list_with_another_filter(world: World, alice: Person) -> None:
    await write_events(world, alice.tenant_id, 2)
    cursor = (await alice.call("GET", AUDIT, params={"limit": 1})).body["next_cursor"]

    answer = await alice.call("GET", AUDIT, params={"action": "thing.done", "cursor": cursor})

    assert answer.refusal == (400, "bad_request")


async def test_a_row_that_somebody_made_unreadable_hides_no_other(
    world: World, alice: Person, execute: Execute
) -> None:
    await write_events(world, alice.tenant_id, 3)
    execute(f"UPDATE audit_events SET after = '{{\"a\": ' WHERE tenant_id = '{alice.tenant_id}' AND seq = 3")

    events = await listed(alice)

    assert [event["seq"] for event in events] == [4, 3, 2, 1]
    assert events[1]["after"] == {"unreadable": '{"a": '}
