"""`GET /api/v1/registration-tokens`: who sees which, pages, and queries that nobody should send."""

from datetime import timedelta
from typing import Any

import pytest

from apiserver.tenants.tenants import Role
from tests.apiserver.callers import Caller, id_of, shared_tenant
from tests.apiserver.server import ApiServer
from tests.fakes.clock import FakeClock

TOKENS = "/registration-tokens"
WRONG = [
    "limit=0",
    "limit=-1",
    "limit=201",
    "limit=1000000000",
    "limit=ten",
    "sort=label",
    "sort=created_at;drop table registration_tokens",
    "sort=created_at,id",
    "sort=secret_hash",
    "cursor=forged",
    "cursor=",
    "cursor=AAAA",
    "filter=1",
    "secret_hash=x",
    "limit=1&limit=2",
]


async def labels(caller: Caller, query: str = "") -> list[str]:
    found = await caller.done("GET", f"{TOKENS}{query}")
    return [token["label"] for token in found["items"]]


async def make(caller: Caller, clock: FakeClock, *names: str, **fields: Any) -> None:
    for name in names:
        await caller.done("POST", TOKENS, {"label": name, **fields})
        clock.advance(seconds=1)


async def test_the_newest_token_comes_first_unless_asked(alice: Caller, clock: FakeClock) -> None:
    await make(alice, clock, "a", "b", "c")

    assert await labels(alice) == ["c", "b", "a"]
    assert await labels(alice, "?sort=-created_at") == ["c", "b", "a"]
    assert await labels(alice, "?sort=created_at") == ["a", "b", "c"]


async def test_states_are_those_of_now(alice: Caller, clock: FakeClock) -> None:
    expiry = (clock.now() + timedelta(minutes=1)).isoformat()
    await make(alice, clock, "a", expires_at=expiry)
    clock.advance(minutes=1)

    (token,) = (await alice.done("GET", TOKENS))["items"]

    assert token["state"] == "expired"


async def test_without_a_tenant_the_personal_one_is_listed(
    server: ApiServer, alice: Caller, clock: FakeClock
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.OWNER})
    await make(alice, clock, "shared", tenant_id=tenant_id)
    await make(alice, clock, "personal")

    assert await labels(alice) == ["personal"]
    assert await labels(alice, f"?tenant_id={tenant_id}") == ["shared"]


async def test_members_see_their_own_and_administrators_all(
    server: ApiServer, alice: Caller, bob: Caller, clock: FakeClock
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.ADMIN, bob: Role.MEMBER})
    await make(alice, clock, "of alice", tenant_id=tenant_id)
    await make(bob, clock, "of bob", tenant_id=tenant_id)
    of_alice = f"?tenant_id={tenant_id}&owner_id={await id_of(alice)}"
    of_bob = f"?tenant_id={tenant_id}&owner_id={await id_of(bob)}"

    assert await labels(alice, f"?tenant_id={tenant_id}") == ["of bob", "of alice"]
    assert await labels(alice, of_bob) == ["of bob"]
    assert await labels(bob, f"?tenant_id={tenant_id}") == ["of bob"]
    assert await labels(bob, of_bob) == ["of bob"]
    assert await labels(bob, of_alice) == []


async def test_a_viewer_sees_none(server: ApiServer, alice: Caller, bob: Caller) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.OWNER, bob: Role.VIEWER})

    reply = await bob.call("GET", f"{TOKENS}?tenant_id={tenant_id}")

    assert reply.refusal == (403, "forbidden")


async def test_a_foreign_tenant_looks_like_one_that_never_was(alice: Caller, bob: Caller) -> None:
    foreign = (await bob.done("GET", "/users/me"))["personal_tenant_id"]

    replies = [
        await alice.call("GET", f"{TOKENS}?tenant_id={id_}")
        for id_ in (foreign, "ten_0000000000000000000000")
    ]

    assert [reply.refusal for reply in replies] == [(404, "not_found")] * 2
    assert replies[0].body["detail"] == replies[1].body["detail"]


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_pages_give_each_token_once_though_some_come_meanwhile(
    alice: Caller, clock: FakeClock, sort: str
) -> None:
    await make(alice, clock, "a", "b", "c", "d", "e")
    seen: list[str] = []
    query = f"?sort={sort}&limit=2"
    while True:
        page = await alice.done("GET", f"{TOKENS}{query}")
        seen += [token["label"] for token in page["items"]]
        if page["next_cursor"] is None:
            break
        if len(seen) == 2:
            await make(alice, clock, "late")
        query = f"?sort={sort}&limit=2&cursor={page['next_cursor']}"

    first_ones = [label for label in seen if label != "late"]
    assert first_ones == sorted("abcde", reverse=sort.startswith("-"))
    assert seen.count("late") == (0 if sort.startswith("-") else 1)


async def test_other_queries_are_refused(alice: Caller) -> None:
    replies = [(query, await alice.call("GET", f"{TOKENS}?{query}")) for query in WRONG]

    assert [query for query, reply in replies if reply.refusal != (400, "bad_request")] == []


@pytest.mark.parametrize(
    "other",
    ["sort=created_at", "owner_id=usr_0000000000000000000000", "tenant_id=ten_0000000000000000shared"],
)
async def test_a_cursor_opens_only_the_list_it_is_of(
    server: ApiServer, alice: Caller, clock: FakeClock, other: str
) -> None:
    await shared_tenant(server, {alice: Role.OWNER})
    await make(alice, clock, "a", "b")
    cursor = (await alice.done("GET", f"{TOKENS}?limit=1"))["next_cursor"]

    reply = await alice.call("GET", f"{TOKENS}?limit=1&cursor={cursor}&{other}")

    assert reply.refusal == (400, "bad_request")


async def test_a_cursor_of_somebody_else_is_refused(
    server: ApiServer, alice: Caller, bob: Caller, clock: FakeClock
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.ADMIN, bob: Role.MEMBER})
    await make(alice, clock, "a", "b", tenant_id=tenant_id)
    query = f"?tenant_id={tenant_id}&limit=1"
    cursor = (await alice.done("GET", f"{TOKENS}{query}"))["next_cursor"]

    reply = await bob.call("GET", f"{TOKENS}{query}&cursor={cursor}")

    assert reply.refusal == (400, "bad_request")
