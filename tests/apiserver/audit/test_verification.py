"""`POST /audit-events/verify`: what was changed past the server is found, on either engine, and where."""

import asyncio
from pathlib import Path
from typing import Any, TypeVar

import pytest

from apiserver.audit.chain import Checkpoint, audit_key
from apiserver.audit.verification import ChainVerification
from apiserver.storage.contracts import Storage, Work
from apiserver.tenants.acting import in_person
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from common.problems import ProblemCode, ProblemError
from tests.apiserver.audit.conftest import FORMER_SERVER_KEY, SERVER_KEY, Execute
from tests.apiserver.audit.written import AUDIT, write_events
from tests.apiserver.machines import Machine, Person, World
from tests.apiserver.server import api_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

T = TypeVar("T")
INTACT: list[tuple[int, str]] = []


async def verdict(person: Person, *checkpoints: dict[str, Any]) -> dict[str, Any]:
    answer = await person.call("POST", f"{AUDIT}/verify", json={"checkpoints": list(checkpoints)})
    assert answer.status == 200, answer.body
    found = dict(answer.body)
    assert found["is_intact"] is (not found["faults"])
    return found


async def faults(person: Person, *checkpoints: dict[str, Any]) -> list[tuple[int, str]]:
    return [(fault["seq"], fault["kind"]) for fault in (await verdict(person, *checkpoints))["faults"]]


async def chain(world: World, person: Person) -> dict[str, Any]:
    """Ten events in the personal tenant; a checkpoint of the last one, as the log has it."""
    await write_events(world, person.tenant_id, 9)
    head: dict[str, Any] = (await verdict(person))["head"]
    assert head["seq"] == 10
    return head


def of(person: Person) -> str:
    return f"tenant_id = '{person.tenant_id}'"


def cut(person: Person, last: int) -> str:
    """Cuts the tail behind `last`, and sets the head back with it."""
    mac = f"SELECT mac FROM audit_events WHERE {of(person)} AND seq = {last}"
    return (
        f"DELETE FROM audit_events WHERE {of(person)} AND seq > {last};"
        f"UPDATE audit_heads SET seq = {last}, mac = ({mac}) WHERE {of(person)};"
    )


async def test_what_was_written_is_intact(alice: Person) -> None:
    device = (await alice.register(Machine())).device()
    await alice.do("suspend", device["id"])
    head = (await verdict(alice))["head"]

    assert await verdict(alice, head) == {"is_intact": True, "events": 3, "head": head, "faults": []}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE audit_events SET after = '{}' WHERE {of} AND seq = 5", [(5, "edited")]),
        ("UPDATE audit_events SET actor_id = 'usr_x' WHERE {of} AND seq = 10", [(10, "edited")]),
        ("UPDATE audit_events SET address = NULL WHERE {of} AND seq = 2", [(2, "edited")]),
        ("UPDATE audit_events SET at = '2020-01-01 00:00:00' WHERE {of} AND seq = 5", [(5, "edited")]),
        ("UPDATE audit_events SET key_id = 'x' WHERE {of} AND seq = 5", [(5, "unknown_key")]),
        ("DELETE FROM audit_events WHERE {of} AND seq = 5", [(5, "missing")]),
        ("DELETE FROM audit_events WHERE {of} AND seq < 4", [(1, "missing")]),
        ("DELETE FROM audit_events WHERE {of} AND seq > 8", [(9, "cut")]),
        (
            (
                "UPDATE audit_events SET seq = -1 WHERE {of} AND seq = 4;"
                "UPDATE audit_events SET seq = 4 WHERE {of} AND seq = 5;"
                "UPDATE audit_events SET seq = 5 WHERE {of} AND seq = -1"
            ),
            [(4, "edited"), (5, "edited"), (6, "edited")],
        ),
        ("UPDATE audit_events SET seq = -1 WHERE {of} AND seq = 10", [(-1, "out_of_order"), (10, "cut")]),
        ("UPDATE audit_heads SET seq = 8 WHERE {of}", [(10, "wrong_head")]),
        ("DELETE FROM audit_heads WHERE {of}", [(10, "wrong_head")]),
    ],
    ids=[
        "an edit",
        "an edit of the last one",
        "an address taken away",
        "another time",
        "another key",
        "a gap",
        "a beginning that is gone",
        "a tail that was cut",
        "another order",
        "one put before the first",
        "a head that was set back",
        "no head",
    ],
)
async def test_what_was_changed_past_the_server_is_found(
    world: World, alice: Person, execute: Execute, change: str, found: list[tuple[int, str]]
) -> None:
    await chain(world, alice)

    execute(change.replace("{of}", of(alice)))

    assert await faults(alice) == found


async def test_an_event_that_somebody_else_appended_is_found(
    world: World, alice: Person, execute: Execute
) -> None:
    await chain(world, alice)
    columns = (
        "id, at, actor_kind, actor_id, action, target_kind, target_id, address, request_id, before, after,"
        " key_id, mac"
    )

    execute(
        f"INSERT INTO audit_events (tenant_id, seq, {columns})"
        f" SELECT tenant_id, 11, {columns} FROM audit_events WHERE {of(alice)} AND seq = 10;"
        f"UPDATE audit_heads SET seq = 11 WHERE {of(alice)}"
    )

    assert await faults(alice) == [(11, "edited")]


async def test_a_tail_that_was_cut_with_the_head_set_back_is_found_by_a_checkpoint(
    world: World, alice: Person, execute: Execute
) -> None:
    head = await chain(world, alice)
    execute(cut(alice, 8))

    assert await faults(alice) == INTACT
    assert await faults(alice, head) == [(9, "cut")]


async def test_a_roll_back_that_went_on_is_found_by_a_checkpoint(
    world: World, alice: Person, execute: Execute
) -> None:
    head = await chain(world, alice)
    execute(cut(alice, 6))
    await write_events(world, alice.tenant_id, 10)

    assert await faults(alice) == INTACT
    assert await faults(alice, head) == [(10, "wrong_checkpoint")]


async def test_a_chain_that_is_gone_whole_is_found_by_a_checkpoint(
    world: World, alice: Person, execute: Execute
) -> None:
    head = await chain(world, alice)
    execute(f"DELETE FROM audit_events WHERE {of(alice)}; DELETE FROM audit_heads WHERE {of(alice)}")

    assert await verdict(alice) == {"is_intact": True, "events": 0, "head": None, "faults": []}
    assert await faults(alice, head) == [(1, "cut")]


async def test_what_another_tenant_suffered_is_not_seen(
    world: World, alice: Person, bob: Person, execute: Execute
) -> None:
    await chain(world, alice)
    await chain(world, bob)
    execute(f"DELETE FROM audit_events WHERE {of(bob)} AND seq = 5")

    assert await faults(alice) == INTACT


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("column", "value"),
    [("at", "'soon'"), ("at", "x'00'"), ("at", "12"), ("after", "x'00'"), ("id", "x'00'"), ("mac", "'text'")],
)
async def test_what_cannot_even_be_read_is_an_edit(
    world: World, alice: Person, execute: Execute, column: str, value: str
) -> None:
    """SQLite keeps anything in any column. Without that MAC, the next event cannot be verified either."""
    await chain(world, alice)
    execute(f"UPDATE audit_events SET {column} = {value} WHERE {of(alice)} AND seq = 5")

    assert await faults(alice) == [(5, "edited"), (6, "edited")]
    assert [event["seq"] for event in (await alice.call("GET", AUDIT)).body["items"]] == [*range(10, 0, -1)]


@pytest.mark.parametrize(
    "checkpoint",
    [
        {"seq": 0, "mac": "0" * 64},
        {"seq": 1, "mac": "0" * 63},
        {"seq": 1, "mac": "0" * 64 + "\n"},
        {"seq": 1, "mac": "G" * 64},
        {"seq": 2**63, "mac": "0" * 64},
        {"seq": 1},
        {"seq": 1, "mac": "0" * 64, "tenant_id": "ten_1"},
    ],
)
async def test_a_checkpoint_of_another_form_is_refused(alice: Person, checkpoint: dict[str, Any]) -> None:
    answer = await alice.call("POST", f"{AUDIT}/verify", json={"checkpoints": [checkpoint]})

    assert answer.refusal == (422, "invalid_body")


async def test_after_a_change_of_the_server_key_old_events_are_verified_by_the_old_one(
    world: World, alice: Person, database: Path | str
) -> None:
    await chain(world, alice)
    keys = {"changed": f"{FORMER_SERVER_KEY},{SERVER_KEY}", "lost": FORMER_SERVER_KEY}
    found = {}
    for name, server_key in keys.items():
        async with api_server(world.issuer, database, world.clock, SERVER_KEY=server_key) as server:
            later = World(server, world.issuer, world.clock)
            await write_events(later, alice.tenant_id, 1)
            found[name] = await faults(Person(later, alice.subject, alice.id, alice.tenant_id))

    assert found["changed"] == INTACT
    assert found["lost"] == [(seq, "unknown_key") for seq in range(1, 11)]


class BusyStorage:
    """In which an event of the tenant is appended after each read."""

    def __init__(self, world: World, tenant_id: str) -> None:
        self._world = world
        self._tenant_id = tenant_id
        self.reads = 0

    async def read(self, work: Work[T]) -> T:
        self.reads += 1
        result = await self._world.storage.read(work)
        await write_events(self._world, self._tenant_id, 1)
        return result

    async def write(self, work: Work[T]) -> T:
        return await self._world.storage.write(work)

    async def ping(self) -> None:
        await self._world.storage.ping()


async def test_events_that_are_appended_meanwhile_are_for_the_next_verification(
    world: World, alice: Person
) -> None:
    await write_events(world, alice.tenant_id, 999)
    key = audit_key(world.server.parts.server_keys[0])
    storage = BusyStorage(world, alice.tenant_id)
    busy: Storage = storage

    found = await ChainVerification(busy, {key.id: key.key}).verify(
        TenantId(alice.tenant_id), [Checkpoint(1_001, bytes(32))], in_person(UserId(alice.id))
    )

    assert found.events == 1_000
    assert [(fault.seq, fault.kind.value) for fault in found.faults] == [(1_001, "cut")]
    assert storage.reads > 4


class OneThatWaits:
    """A storage whose second read waits: the verification has begun, and reads its first events."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._reads = 0
        self.has_begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def write(self, work: Work[T]) -> T:
        return await self._storage.write(work)

    async def read(self, work: Work[T]) -> T:
        self._reads += 1
        if self._reads == 2:
            self.has_begun.set()
            await self.go_on.wait()
        return await self._storage.read(work)

    async def ping(self) -> None:
        await self._storage.ping()


async def test_a_chain_is_verified_once_at_a_time(world: World, alice: Person) -> None:
    """Who leaves does not end it: with a few requests somebody could keep the server busy for minutes."""
    storage, tenant_id, reader = (
        OneThatWaits(world.storage),
        TenantId(alice.tenant_id),
        in_person(UserId(alice.id)),
    )
    verification = ChainVerification(storage, {})
    first = asyncio.create_task(verification.verify(tenant_id, [], reader))
    await storage.has_begun.wait()

    with pytest.raises(ProblemError) as refused:
        await verification.verify(tenant_id, [], reader)
    storage.go_on.set()

    assert refused.value.code is ProblemCode.TOO_MANY_REQUESTS
    assert (await first).events == 1
    assert (await verification.verify(tenant_id, [], reader)).events == 1
