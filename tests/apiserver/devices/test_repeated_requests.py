"""`Idempotency-Key`: a request whose answer was lost is sent again, and makes nothing twice."""

from typing import Any

import pytest

from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import DEVICES, Machine, Person, World, my_device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]


@pytest.mark.parametrize(
    "other", [{"name": "other"}, {"labels": {"a": "b"}}, {"fingerprint": "0123456789"}], ids=str
)
async def test_with_another_body_it_is_refused(alice: Person, other: dict[str, Any]) -> None:
    token = await alice.token()
    await token.register(key="one")

    assert (await token.register(key="one", **other)).refusal == (422, "idempotency_key_reused")
    assert await token.uses() == 1


async def test_with_another_machines_key_it_is_refused(alice: Person) -> None:
    token = await alice.token()
    await token.register(Machine(), key="one")

    assert (await token.register(Machine(), key="one")).refusal == (422, "idempotency_key_reused")


async def test_a_key_that_came_with_a_device_that_was_there_is_taken_as_well(alice: Person) -> None:
    token, machine = await alice.token(), Machine()
    await token.register(machine)
    again = await token.register(machine, key="one")

    assert again.status == 200
    assert (await token.register(Machine(), key="one")).refusal == (422, "idempotency_key_reused")


async def test_a_refused_request_leaves_its_key_free(alice: Person) -> None:
    token = await alice.token(name_pattern="node-*")
    refused = await token.register(key="one", name="web")

    assert refused.status == 403
    assert (await token.register(key="one", name="node-1")).status == 201


async def test_a_key_with_a_key_is_answered_after_use_as_well(world: World, alice: Person) -> None:
    """The sealed answer opens for the machine alone."""
    token, machine = await alice.token(), Machine()
    in_use = machine.opened(await token.register(machine, key="one"))
    await my_device(world, in_use)
    again = await token.register(machine, key="one")

    assert again.status == 200
    assert (await my_device(world, in_use)).status == 200
    assert (await my_device(world, machine.opened(again))).status == 200


async def test_a_user_repeats(alice: Person) -> None:
    first = await alice.register(key="one")
    again = await alice.register(key="one")

    assert (first.status, again.status) == (201, 200)
    assert again.body["id"] == first.body["id"]
    assert len(await alice.devices()) == 1


async def test_a_user_repeats_after_use(world: World, alice: Person) -> None:
    first = await alice.register(key="one")
    await my_device(world, first.body["device_token"])

    assert (await alice.register(key="one")).refusal == (409, "secret_already_used")


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb"], ids=repr)
async def test_a_key_of_another_form_is_refused(alice: Person, key: str) -> None:
    assert (await alice.register(key=key)).refusal == (400, "bad_request")


async def test_two_keys_are_refused(world: World, alice: Person) -> None:
    answer = await world.server.public.post(
        DEVICES,
        json={"name": "web"},
        headers=[
            ("Authorization", f"Bearer {alice.bearer()}"),
            ("Idempotency-Key", "one"),
            ("Idempotency-Key", "two"),
        ],
    )

    assert answer.status == 400
    assert await alice.devices() == []


async def test_the_longest_key_is_taken(alice: Person) -> None:
    key = "~" * 255
    first = await alice.register(key=key)

    assert (await alice.register(key=key)).body["id"] == first.body["id"]
