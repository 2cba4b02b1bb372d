"""A thief has the registration token and all that a machine says of itself, but not its private key.

They gain nothing beyond a device of their own, and shut nobody out.
"""

import pytest
from cryptography.exceptions import InvalidTag

from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import Machine, Person, World, my_device
from tests.apiserver.made import expire_device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

FINGERPRINT = "machine-id:0123456789abcdef"
MANY = 20


async def test_what_the_thief_is_answered_opens_for_the_victim_alone(alice: Person) -> None:
    token, victim, thief = await alice.token(), Machine(), Machine()
    await token.register(victim, key="one", fingerprint=FINGERPRINT)
    stolen = await token.register(victim, key="one", fingerprint=FINGERPRINT)

    assert "device_token" not in stolen.body
    with pytest.raises(InvalidTag):
        thief.opened(stolen)


@pytest.mark.parametrize("key", [None, "one"], ids=["without", "with"])
async def test_a_token_in_use_outlives_any_number_of_repetitions(
    world: World, alice: Person, key: str | None
) -> None:
    token, victim = await alice.token(), Machine()
    in_use = victim.opened(await token.register(victim, key=key))
    await my_device(world, in_use)
    for _ in range(MANY):
        await token.register(victim, key=key)

    assert (await my_device(world, in_use)).status == 200


async def test_a_victim_that_was_never_there_yet_comes_in_as_the_last_one(
    world: World, alice: Person
) -> None:
    token, victim = await alice.token(max_uses=1), Machine()
    await token.register(victim)
    for _ in range(MANY):
        await token.register(victim)
    answer = await token.register(victim)

    assert (await my_device(world, victim.opened(answer))).status == 200


async def test_the_unused_tokens_of_a_device_stay_few(world: World, alice: Person) -> None:
    token, victim = await alice.token(), Machine()
    answers = [await token.register(victim) for _ in range(MANY)]
    [device_id] = {answer.body["id"] for answer in answers}

    kept = await world.storage.read(lambda view: view.devices.tokens_of(device_id))
    assert len(kept) == 8
    assert kept[-1].id == answers[-1].body["device_token_id"]


async def test_a_device_without_a_key_is_not_taken_over_once_its_token_was_used(
    world: World, alice: Person
) -> None:
    token = await alice.token()
    device_token = (await token.register(key="one")).body["device_token"]
    await my_device(world, device_token)

    assert (await token.register(key="one")).refusal == (409, "secret_already_used")
    assert (await my_device(world, device_token)).status == 200


async def test_nor_after_its_token_was_rotated(world: World, alice: Person) -> None:
    token = await alice.token()
    device = (await token.register(key="one")).device()
    await my_device(world, device["device_token"])
    await alice.do("rotate-token", device["id"])

    assert (await token.register(key="one")).refusal == (409, "secret_already_used")


async def test_nor_after_it_expired(world: World, alice: Person) -> None:
    """With a token whose uses are spent, the recorded request would be worth more than the token itself."""
    token = await alice.token(max_uses=1)
    device = (await token.register(key="one")).device()
    await my_device(world, device["device_token"])
    await expire_device(world.storage, device["id"], world.clock.now())

    assert (await token.register(key="one")).refusal == (401, "device_expired")


async def test_nor_after_it_was_revoked(alice: Person) -> None:
    token = await alice.token()
    device = (await token.register(key="one")).device()
    await alice.do("revoke", device["id"])

    assert (await token.register(key="one")).refusal == (401, "device_revoked")


async def test_the_victims_fingerprint_gives_a_device_in_quarantine(world: World, alice: Person) -> None:
    token, victim, thief = await alice.token(), Machine(), Machine()
    in_use = victim.opened(await token.register(victim, fingerprint=FINGERPRINT))
    stolen = await token.register(thief, fingerprint=FINGERPRINT)
    seen_by_thief = await my_device(world, thief.opened(stolen))
    seen_by_victim = await my_device(world, in_use)

    assert seen_by_thief.body["state"] == "quarantined"
    assert seen_by_thief.body["id"] != seen_by_victim.body["id"]
    assert seen_by_victim.body["state"] == "active"


async def test_a_thief_who_is_first_with_a_fingerprint_does_not_get_the_victims_device(
    world: World, alice: Person
) -> None:
    token, victim, thief = await alice.token(), Machine(), Machine()
    stolen = await token.register(thief, fingerprint=FINGERPRINT)
    answer = await token.register(victim, fingerprint=FINGERPRINT)

    assert answer.body["id"] != stolen.body["id"]
    assert (await my_device(world, victim.opened(answer))).status == 200


async def test_another_token_with_the_same_idempotency_key_makes_another_device(
    alice: Person, bob: Person
) -> None:
    """Keys are the callers' own: nobody can find or block somebody else's."""
    of_alice = await (await alice.token()).register(key="one")
    of_second_token = await (await alice.token()).register(key="one", name="second")
    of_bob = await (await bob.token()).register(key="one")
    as_alice = await alice.register(key="one", name="third")

    ids = {answer.device()["id"] for answer in (of_alice, of_second_token, of_bob, as_alice)}
    assert len(ids) == 4


async def test_a_used_up_token_makes_no_device_for_a_thief(alice: Person) -> None:
    token = await alice.token(max_uses=1)
    await token.register(Machine(), key="one", fingerprint=FINGERPRINT)

    refusals = [
        await token.register(Machine(), fingerprint=FINGERPRINT),
        await token.register(Machine(), key="two"),
        await token.register(key="three"),
    ]
    assert {refused.refusal for refused in refusals} == {(403, "registration_token_used_up")}


async def test_repetitions_spend_no_use(world: World, alice: Person) -> None:
    token, victim = await alice.token(max_uses=2), Machine()
    for _ in range(MANY):
        await token.register(victim)

    assert await token.uses() == 1
