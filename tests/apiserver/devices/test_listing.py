"""Lists of devices: pages, filters, sorts, and what is no cursor, limit or sort."""

import base64
from typing import Any

import pytest
from yarl import URL

from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import DEVICES, Machine, Person, World
from tests.apiserver.made import expire_device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

NAMES = ["delta", "Alpha", "charlie", "bravo", "echo"]


async def five(person: Person) -> list[str]:
    """The ids of five devices, in the order they were registered."""
    return [str((await person.register(name=name)).device()["id"]) for name in NAMES]


async def pages(person: Person, **query: Any) -> list[list[str]]:
    """The ids on every page."""
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await person.call("GET", DEVICES, params={**query, **cursor})
        assert answer.status == 200, answer.body
        found.append([device["id"] for device in answer.body["items"]])
        if answer.body["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.body["next_cursor"]}


async def test_the_newest_come_first(alice: Person) -> None:
    ids = await five(alice)

    assert await pages(alice) == [ids[::-1]]
    assert await pages(alice, sort="registered_at") == [ids]


async def test_an_empty_list_is_one_page(alice: Person) -> None:
    answer = await alice.call("GET", DEVICES)

    assert answer.body == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("sort", ["name", "-name", "registered_at", "-registered_at"])
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_every_page_holds_what_follows(alice: Person, sort: str, limit: int) -> None:
    ids = await five(alice)
    if sort.endswith("name"):
        ids = [ids[NAMES.index(name)] for name in sorted(NAMES, key=str.lower)]
    if sort.startswith("-"):
        ids.reverse()

    found = await pages(alice, sort=sort, limit=limit)

    assert found == [ids[start : start + limit] for start in range(0, 5, limit)]


@pytest.mark.parametrize("sort", ["name", "-name", "registered_at", "-registered_at"])
async def test_what_ends_and_comes_while_paging_neither_repeats_nor_skips(alice: Person, sort: str) -> None:
    ids = await five(alice)
    first = (await alice.call("GET", DEVICES, params={"sort": sort, "limit": 2})).body
    seen = [device["id"] for device in first["items"]]
    gone = next(device_id for device_id in ids if device_id not in seen)
    await alice.do("revoke", seen[-1])
    await alice.do("revoke", gone)
    later = (await alice.register(name="bravissimo")).device()["id"]
    rest = await pages(alice, sort=sort, limit=1, cursor=first["next_cursor"])

    followed = [device_id for page in rest for device_id in page if device_id != later]
    assert sorted(seen + followed) == sorted(set(ids) - {gone})


# Filters


async def test_filters(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(owner=alice, member=bob)
    token = await bob.token(tenant_id)
    of_bob = (await token.register(name="one")).device()["id"]
    of_alice = (await alice.register(tenant_id=tenant_id, name="two")).device()["id"]

    async def found(**query: str) -> list[str]:
        return (await pages(alice, tenant_id=tenant_id, sort="registered_at", **query))[0]

    assert await found() == [of_bob, of_alice]
    assert await found(owner_id=bob.id) == [of_bob]
    assert await found(registration_token_id=token.made.id) == [of_bob]
    assert await found(name="TWO") == [of_alice]
    assert await found(name="tw") == []
    assert await found(owner_id=bob.id, name="two") == []
    assert await found(owner_id="usr_0000000000000000000000") == []


async def test_those_that_ended_are_shown_when_asked_for(world: World, alice: Person) -> None:
    live, revoked, expired, suspended = [
        (await alice.register(Machine(), name=name)).device()["id"] for name in ("a", "b", "c", "d")
    ]
    await alice.do("revoke", revoked)
    await expire_device(world.storage, expired, world.clock.now())
    await alice.do("suspend", suspended)

    assert await pages(alice) == [[suspended, live]]
    assert await pages(alice, state="active") == [[live]]
    assert await pages(alice, state="suspended") == [[suspended]]
    assert await pages(alice, state="revoked") == [[revoked]]
    assert await pages(alice, state="expired") == [[expired]]
    assert await pages(alice, state="pending") == [[]]


@pytest.mark.parametrize("state", ["revoked", "expired"])
@pytest.mark.parametrize("sort", ["name", "-name"])
async def test_those_that_ended_have_no_name_to_sort_by(alice: Person, state: str, sort: str) -> None:
    answer = await alice.call("GET", DEVICES, params={"state": state, "sort": sort})

    assert answer.refusal == (400, "bad_request")


@pytest.mark.parametrize("role", ["viewer", "member"])
async def test_who_sees_their_own_is_shown_no_others(
    world: World, alice: Person, bob: Person, role: str
) -> None:
    tenant_id = await world.tenant(owner=alice, **{role: bob})
    token = await alice.token(tenant_id)
    await token.register(name="alices")
    of_bob = (await (await bob.token(tenant_id)).register(name="bobs")).device()["id"]

    assert await pages(bob, tenant_id=tenant_id) == [[of_bob]]
    assert await pages(bob, tenant_id=tenant_id, limit=1) == [[of_bob]]
    assert await pages(bob, tenant_id=tenant_id, owner_id=alice.id) == [[]]
    assert await pages(bob, tenant_id=tenant_id, registration_token_id=token.made.id) == [[]]
    assert await pages(bob, tenant_id=tenant_id, name="alices") == [[]]


# What is none

NO_QUERIES: dict[str, dict[str, str]] = {
    "limit 0": {"limit": "0"},
    "limit -1": {"limit": "-1"},
    "limit 201": {"limit": "201"},
    "limit 10^9": {"limit": str(10**9)},
    "limit 10^40": {"limit": str(10**40)},
    "limit word": {"limit": "all"},
    "limit float": {"limit": "1.5"},
    "limit empty": {"limit": ""},
    "sort SQL": {"sort": "name; DROP TABLE devices;--"},
    "sort column": {"sort": "public_key"},
    "sort two": {"sort": "name,-name"},
    "sort direction": {"sort": "name desc"},
    "sort case": {"sort": "NAME"},
    "sort empty": {"sort": ""},
    "state": {"state": "gone"},
    "state SQL": {"state": "active' OR '1'='1"},
    "unknown": {"filter": "name eq 'web'"},
    "operator": {"name[like]": "%"},
    "NUL": {"name": "we\0b"},
    "NUL in tenant": {"tenant_id": "\0"},
    "cursor": {"cursor": "x"},
    "cursor empty": {"cursor": ""},
    "cursor not base64": {"cursor": "ä"},
    "cursor long": {"cursor": "A" * 7000},
}


@pytest.mark.parametrize("query", NO_QUERIES.values(), ids=NO_QUERIES)
async def test_what_is_no_query_is_refused(alice: Person, query: dict[str, str]) -> None:
    assert (await alice.call("GET", DEVICES, params=query)).refusal == (400, "bad_request")


@pytest.mark.parametrize(
    "value", ["' OR '1'='1", "x'; DROP TABLE devices;--", "$1", "?", ":tenant", "\\", "%ff"]
)
@pytest.mark.parametrize("name", ["name", "owner_id", "registration_token_id"])
async def test_sql_is_no_filter(alice: Person, name: str, value: str) -> None:
    await alice.register()

    assert (await alice.call("GET", DEVICES, params={name: value})).refusal == (400, "bad_request")


@pytest.mark.parametrize("bytes_", ["%ff", "%c0%80", "%ed%a0%80"])
async def test_a_query_that_is_no_utf8_is_answered(alice: Person, bytes_: str) -> None:
    answer = await alice.call("GET", URL(f"{DEVICES}?name={bytes_}", encoded=True))

    assert answer.status in {200, 400}


async def test_a_parameter_stands_there_once(alice: Person) -> None:
    answer = await alice.call("GET", DEVICES, params=[("limit", "1"), ("limit", "2")])

    assert answer.refusal == (400, "bad_request")


@pytest.mark.parametrize("limit", [1, 200])
async def test_the_limits_of_limits(alice: Person, limit: int) -> None:
    assert (await alice.call("GET", DEVICES, params={"limit": limit})).status == 200


# Cursors of something else


async def cursor_of(person: Person, **query: Any) -> str:
    answer = await person.call("GET", DEVICES, params={"limit": 1, **query})
    return str(answer.body["next_cursor"])


async def refused_with(person: Person, cursor: str, **query: Any) -> bool:
    answer = await person.call("GET", DEVICES, params={"cursor": cursor, **query})
    return answer.status == 400 and answer.body["code"] == "bad_request"


async def test_a_cursor_is_one_of_its_own_list_alone(world: World, alice: Person, bob: Person) -> None:
    tenant_id = await world.tenant(owner=alice, admin=bob)
    for name in ("one", "two"):
        await alice.register(name=name)
        await alice.register(name=name, tenant_id=tenant_id)
    cursor = await cursor_of(alice)

    assert not await refused_with(alice, cursor)
    assert not await refused_with(alice, cursor, limit=2)
    assert await refused_with(alice, cursor, tenant_id=tenant_id)
    assert await refused_with(alice, cursor, state="active")
    assert await refused_with(alice, cursor, name="one")
    assert await refused_with(alice, cursor, owner_id=alice.id)
    assert await refused_with(alice, cursor, sort="name")
    assert await refused_with(alice, cursor, sort="registered_at")
    assert await refused_with(bob, cursor)
    assert await refused_with(bob, await cursor_of(alice, tenant_id=tenant_id), tenant_id=tenant_id)


@pytest.mark.parametrize("place", [0, 15, 16, 30, -1])
async def test_a_cursor_with_one_byte_changed_is_none(alice: Person, place: int) -> None:
    await five(alice)
    cursor = await cursor_of(alice)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[place] ^= 1
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")

    assert await refused_with(alice, forged)
    assert await refused_with(alice, cursor[:-3])
    assert await refused_with(alice, cursor + cursor)
