"""Addresses of devices: each its own, none burnt, those of devices that left used last."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import Machine, Person, World
from tests.apiserver.made import expire_device, make_pool

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

THREE, TWO = "10.0.0.0/29", "10.0.0.0/30"
FINGERPRINT = "machine-id:0123456789abcdef"


async def addresses_of(person: Person, number: int) -> list[str]:
    """The IPv4 addresses of that many new devices."""
    token = await person.token()
    answers = [await token.register(Machine()) for _ in range(number)]
    return [answer.device()["ipv4"] for answer in answers]


async def test_a_tenant_has_a_pool_without_asking(alice: Person, bob: Person) -> None:
    first, second = (await alice.register(Machine())).device(), (await alice.register(Machine())).device()
    of_bob = (await bob.register(Machine())).device()

    assert IPv4Address(first["ipv4"]) in IPv4Network("100.64.0.0/10")
    assert IPv6Address(first["ipv6"]).is_private
    assert first["ipv4"] != second["ipv4"]
    assert first["ipv6"] != second["ipv6"]
    assert of_bob["ipv6"] != first["ipv6"]


async def test_neither_the_network_nor_the_broadcast_address_is_given_out(
    world: World, alice: Person
) -> None:
    await make_pool(world.storage, alice.tenant_id, TWO)

    assert await addresses_of(alice, 2) == ["10.0.0.1", "10.0.0.2"]


async def test_a_pool_that_is_used_up_refuses_the_third_and_burns_nothing(
    world: World, alice: Person
) -> None:
    await make_pool(world.storage, alice.tenant_id, TWO)
    await addresses_of(alice, 2)
    token = await alice.token(max_uses=1)
    refused = [await token.register(Machine(), key="one"), await alice.register(Machine())]

    assert {answer.refusal for answer in refused} == {(409, "no_address_left")}
    assert await token.uses() == 0
    assert len(await alice.devices()) == 2
    assert (await token.register(key="one", name="keyless", fingerprint=FINGERPRINT)).status == 201


async def test_the_smaller_of_both_networks_is_the_end(world: World, alice: Person) -> None:
    await make_pool(world.storage, alice.tenant_id, "10.0.0.0/24", "fd00::/127")
    token = await alice.token()
    first = await token.register(Machine())

    assert first.device()["ipv6"] == "fd00::1"
    assert (await token.register(Machine())).refusal == (409, "no_address_left")


@pytest.mark.parametrize("ending", ["revoke", "expire", "leave"])
async def test_the_address_of_a_device_that_ended_is_given_out_again(
    world: World, alice: Person, ending: str
) -> None:
    await make_pool(world.storage, alice.tenant_id, TWO)
    token, machine = await alice.token(), Machine()
    first = await token.register(machine)
    await token.register(Machine())
    if ending == "revoke":
        await alice.do("revoke", first.body["id"])
    elif ending == "expire":
        await expire_device(world.storage, first.body["id"], world.clock.now())
    else:
        await world.call("DELETE", "/api/v1/devices/me", machine.opened(first))

    again = (await token.register(Machine())).device()
    assert (again["ipv4"], again["ipv6"]) == (first.body["ipv4"], first.body["ipv6"])
    assert (await token.register(Machine())).refusal == (409, "no_address_left")


async def test_an_address_is_freed_once(world: World, alice: Person) -> None:
    await make_pool(world.storage, alice.tenant_id, TWO)
    token = await alice.token()
    first = (await token.register(Machine())).device()
    await token.register(Machine())
    await expire_device(world.storage, first["id"], world.clock.now())
    await token.register(Machine())
    await alice.do("revoke", first["id"])  # it is the history of a device that ended, and another's now

    assert (await token.register(Machine())).refusal == (409, "no_address_left")


async def test_a_freed_address_is_used_last(world: World, alice: Person) -> None:
    await make_pool(world.storage, alice.tenant_id, THREE)
    token = await alice.token()
    first = (await token.register(Machine())).device()
    await alice.do("revoke", first["id"])

    assert await addresses_of(alice, 6) == [f"10.0.0.{host}" for host in (2, 3, 4, 5, 6, 1)]


async def test_a_suspended_device_keeps_its_address(world: World, alice: Person) -> None:
    await make_pool(world.storage, alice.tenant_id, TWO)
    token = await alice.token()
    first = (await token.register(Machine())).device()
    await token.register(Machine())
    await alice.do("suspend", first["id"])

    assert (await token.register(Machine())).refusal == (409, "no_address_left")


async def test_a_rotated_key_keeps_the_address(alice: Person) -> None:
    first = (await alice.register(Machine(), fingerprint=FINGERPRINT)).device()
    rotated = (await alice.register(Machine(), fingerprint=FINGERPRINT)).device()

    assert (rotated["ipv4"], rotated["ipv6"]) == (first["ipv4"], first["ipv6"])


async def test_a_device_that_gets_its_first_key_gets_addresses(alice: Person) -> None:
    first = (await alice.register(fingerprint=FINGERPRINT)).device()
    keyed = (await alice.register(Machine(), fingerprint=FINGERPRINT)).device()

    assert (first["ipv4"], keyed["id"]) == (None, first["id"])
    assert keyed["ipv4"] is not None
    assert keyed["ipv6"] is not None
