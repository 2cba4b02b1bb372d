"""`GET /audit-events/export`: everything, a line each, without holding it."""

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
from aiohttp import ClientError, ClientResponse

from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from tests.apiserver.audit.written import AUDIT, write_events
from tests.apiserver.machines import Machine, Person, World
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPORT = f"{AUDIT}/export"
MANY = 10_000


async def begun(person: Person, method: str = "GET", **query: Any) -> ClientResponse:
    headers = {"Authorization": f"Bearer {person.bearer()}"}
    return await person.world.server.public.request(method, EXPORT, headers=headers, params=query)


async def exported(person: Person, **query: Any) -> list[dict[str, Any]]:
    async with await begun(person, **query) as answer:
        assert answer.status == 200
        return [json.loads(line) for line in (await answer.read()).splitlines()]


async def test_it_is_one_json_object_a_line_the_oldest_first(world: World, alice: Person) -> None:
    await write_events(world, alice.tenant_id, 1_200)
    async with await begun(alice) as answer:
        lines = (await answer.read()).decode().splitlines()

    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 1_202))


async def test_a_line_is_what_the_list_shows(alice: Person) -> None:
    listed = (await alice.call("GET", AUDIT)).body["items"]

    assert await exported(alice) == listed


async def test_it_can_be_filtered(world: World, alice: Person) -> None:
    await write_events(world, alice.tenant_id, 1, action="rare.one")
    await write_events(world, alice.tenant_id, 3)
    await write_events(world, alice.tenant_id, 1, action="rare.one")

    assert [event["seq"] for event in await exported(alice, action="rare.one")] == [2, 6]


async def test_asked_for_its_head_alone_it_reads_and_sends_nothing_more(alice: Person) -> None:
    async with await begun(alice, "HEAD") as answer:
        assert await answer.read() == b""

    assert answer.status == 200
    assert (await alice.call("GET", AUDIT)).status == 200


async def test_no_secret_is_in_it(world: World, alice: Person) -> None:
    tenant_id = await world.tenant(owner=alice)
    token, machine = await alice.token(tenant_id), Machine()
    answers = [
        await alice.call("POST", "/api/v1/registration-tokens", json={"label": "x", "tenant_id": tenant_id}),
        await alice.call("POST", f"/api/v1/tenants/{tenant_id}/invitations", json={"role": "viewer"}),
        await token.register(name="keyless"),
    ]
    secrets = [answer.body.get("token") or answer.body["device_token"] for answer in answers]
    secrets += [token.made.secret, machine.opened(await token.register(machine))]

    async with await begun(alice, tenant_id=tenant_id) as answer:
        text = await answer.text()

    assert len(text.splitlines()) == 4
    for secret in secrets:
        # Behind the prefix and the public id: what alone is secret.
        assert secret[26:] not in text


async def test_many_events_are_sent_with_the_memory_of_few(world: World, alice: Person) -> None:
    await write_events(world, alice.tenant_id, MANY)
    tracemalloc.start()
    try:
        size = 0
        async with await begun(alice) as answer:
            async for chunk in answer.content.iter_any():
                size += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size > MANY * 500
    assert peak < 5_000_000


async def test_a_client_that_leaves_ends_it_quietly(
    world: World, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    await write_events(world, alice.tenant_id, MANY)
    answer = await begun(alice)
    await answer.content.readany()
    answer.close()
    written = ""
    async with asyncio.timeout(10):
        while EXPORT not in written:
            await asyncio.sleep(0.01)
            written += capsys.readouterr().out

    assert "audit_export_left" in written
    assert "error" not in written


async def test_who_may_read_no_longer_gets_no_more_and_no_whole(
    world: World, alice: Person, bob: Person
) -> None:
    tenant_id = await world.tenant(owner=alice, admin=bob)
    await write_events(world, tenant_id, MANY)
    answer = await begun(bob, tenant_id=tenant_id)
    await answer.content.readany()

    await world.storage.write(
        lambda transaction: transaction.tenants.remove_member(TenantId(tenant_id), UserId(bob.id))
    )

    with pytest.raises(ClientError):
        await answer.read()


async def test_who_does_not_read_what_was_asked_for_gets_no_more_than_three(
    world: World, alice: Person, bob: Person
) -> None:
    """What is being sent is held by the server for each of them."""
    await write_events(world, alice.tenant_id, MANY)
    unread = [await begun(alice) for _ in range(3)]

    refused, of_bob = await begun(alice), await begun(bob)
    for answer in unread:
        answer.close()

    assert [answer.status for answer in unread] == [200] * 3
    assert refused.status == 429
    assert of_bob.status == 200
    assert await eventually(lambda: _status_of_another(alice), lambda status: status == 200)


async def test_services_share_the_turns_of_whom_they_act_for(world: World, alice: Person) -> None:
    """Else an administrator could have any number, by as many service tokens."""
    await write_events(world, alice.tenant_id, MANY)
    made = await alice.call(
        "POST", "/api/v1/service-tokens", json={"label": "siem", "scopes": ["audit:read"]}
    )
    unread = [await begun(alice) for _ in range(3)]

    refused = await world.call("GET", EXPORT, made.body["token"])
    for answer in unread:
        answer.close()

    assert refused.refusal == (429, "too_many_requests")


async def _status_of_another(person: Person) -> int:
    async with await begun(person, "HEAD") as answer:
        return answer.status
