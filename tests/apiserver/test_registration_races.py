"""Registrations at once, from four processes on one database. `RACE_ROUNDS` says how often each race is run.

A client that is told that the storage cannot do it now (503) tries again, as the answer asks.
"""

import asyncio
import base64
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from apiserver.networks.addresses import AddressPool
from apiserver.tenants.tenants import TenantId
from tests.apiserver.fleet import Fleet, Person, Reply, running_fleet

ROUNDS = int(os.environ.get("RACE_ROUNDS", "3"))
PROCESSES = 4
USES, TOO_MANY = 20, 20
FINGERPRINT = "machine-id:0123456789abcdef"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(60 + 30 * ROUNDS),
    pytest.mark.parametrize(
        "fleet",
        ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
        indirect=True,
        scope="module",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    folder = tmp_path_factory.mktemp("races")
    if request.param == "sqlite":
        async with running_fleet(folder / "doorward.db", folder, PROCESSES) as fleet:
            yield fleet
        return
    with request.getfixturevalue("postgres_server").database() as url:
        async with running_fleet(url, folder, PROCESSES) as fleet:
            yield fleet


@pytest_asyncio.fixture(loop_scope="module")
async def alice(fleet: Fleet) -> AsyncIterator[Person]:
    """Somebody whose tenant's audit is whole, whatever happened in it."""
    person = await fleet.person()
    yield person
    events, faults = await person.audit()

    assert faults == []
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.fixture(params=range(ROUNDS))
def round_number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


rounds = pytest.mark.usefixtures("round_number")


def a_key() -> str:
    return base64.b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()


async def register(
    fleet: Fleet, bearer: str, public_key: str | None = None, *, key: str | None = None, **said: Any
) -> Reply:
    body: dict[str, Any] = {"name": "web", **said}
    if public_key is not None:
        body["public_key"] = public_key
    headers = {} if key is None else {"Idempotency-Key": key}
    return await fleet.call("POST", "/devices", bearer, json=body, headers=headers)


def codes(replies: list[Reply]) -> Counter[str | None]:
    return Counter(reply.code for reply in replies)


def distinct(devices: list[dict[str, Any]], field: str) -> bool:
    values = [device[field] for device in devices]
    return None not in values and len(set(values)) == len(values)


async def registered(person: Person) -> Counter[str]:
    """The ids of devices, with the number of events that tell of their registration."""
    events, _ = await person.audit()
    return Counter(event.target_id for event in events if event.action == "device.registered")


@rounds
async def test_n_uses_let_exactly_n_in(fleet: Fleet, alice: Person) -> None:
    token = await alice.token(max_uses=USES)
    replies = await asyncio.gather(
        *(register(fleet, token["token"], a_key()) for _ in range(USES + TOO_MANY))
    )
    devices = await alice.devices()

    assert codes(replies) == {None: USES, "registration_token_used_up": TOO_MANY}
    assert {device["id"] for device in devices} == {r.body["id"] for r in replies if r.code is None}
    assert len(devices) == USES == await alice.uses(token)
    assert all(distinct(devices, field) for field in ("name", "ipv4", "ipv6", "public_key"))
    assert await registered(alice) == {device["id"]: 1 for device in devices}


@rounds
async def test_one_key_is_one_device(fleet: Fleet, alice: Person) -> None:
    token, public_key = await alice.token(), a_key()
    replies = await asyncio.gather(*(register(fleet, token["token"], public_key) for _ in range(12)))
    devices = await alice.devices()

    assert Counter(reply.status for reply in replies) == {201: 1, 200: 11}
    assert {reply.body["id"] for reply in replies} == {devices[0]["id"]}
    assert len(devices) == 1 == await alice.uses(token)
    assert devices[0]["name"] == "web"


@rounds
async def test_one_key_by_two_tokens_is_one_device(fleet: Fleet, alice: Person) -> None:
    tokens, public_key = [await alice.token() for _ in range(4)], a_key()
    replies = await asyncio.gather(*(register(fleet, token["token"], public_key) for token in tokens))

    assert codes(replies) == {None: 1, "key_in_use": 3}
    assert len(await alice.devices()) == 1
    assert sum([await alice.uses(token) for token in tokens]) == 1


@rounds
async def test_one_key_by_its_owner_is_one_device(fleet: Fleet, alice: Person) -> None:
    public_key = a_key()
    replies = await asyncio.gather(*(register(fleet, alice.bearer(), public_key) for _ in range(8)))

    assert Counter(reply.status for reply in replies) == {201: 1, 200: 7}
    assert len(await alice.devices()) == 1


@rounds
async def test_a_rate_is_kept(fleet: Fleet, alice: Person) -> None:
    token = await alice.token(rate_per_minute=4)
    replies = await asyncio.gather(*(register(fleet, token["token"]) for _ in range(16)))

    assert codes(replies) == {None: 4, "too_many_requests": 12}
    assert len(await alice.devices()) == 4 == await alice.uses(token)


@rounds
async def test_one_idempotency_key_is_one_device(fleet: Fleet, alice: Person) -> None:
    token = await alice.token()
    by_token = await asyncio.gather(*(register(fleet, token["token"], key="one") for _ in range(8)))
    by_user = await asyncio.gather(*(register(fleet, alice.bearer(), key="one") for _ in range(8)))

    assert Counter(reply.status for reply in by_token) == {201: 1, 200: 7}
    assert Counter(reply.status for reply in by_user) == {201: 1, 200: 7}
    assert len({reply.body["id"] for reply in by_token + by_user}) == 2 == len(await alice.devices())
    assert await alice.uses(token) == 1


@rounds
async def test_of_many_with_one_fingerprint_all_but_one_are_quarantined(fleet: Fleet, alice: Person) -> None:
    tokens = [await alice.token() for _ in range(6)]
    replies = await asyncio.gather(
        *(register(fleet, token["token"], a_key(), fingerprint=FINGERPRINT) for token in tokens)
    )

    assert Counter(reply.body["state"] for reply in replies) == {"active": 1, "quarantined": 5}


@rounds
async def test_a_key_that_is_rotated_to_and_registered_at_once_is_one_devices(
    fleet: Fleet, alice: Person
) -> None:
    token, public_key = await alice.token(), a_key()
    first = await register(fleet, token["token"], a_key(), fingerprint=FINGERPRINT)
    rotated, joined = await asyncio.gather(
        register(fleet, alice.bearer(), public_key, fingerprint=FINGERPRINT),
        register(fleet, token["token"], public_key, name="other"),
    )
    holders = [device["id"] for device in await alice.devices() if device["public_key"] == public_key]

    assert (rotated.code, joined.code) == (None, None)
    assert [rotated.body["id"], joined.body["id"]] == holders * 2
    assert first.code is None


@rounds
async def test_what_is_registered_while_the_token_is_revoked_is_revoked_too_or_never_was(
    fleet: Fleet, alice: Person
) -> None:
    token = await alice.token()
    path = f"/registration-tokens/{token['id']}/revoke"
    results = await asyncio.gather(
        *(register(fleet, token["token"], a_key()) for _ in range(6)),
        *(alice.call("POST", path, json={"devices": "revoke"}) for _ in range(2)),
        *(register(fleet, token["token"], a_key()) for _ in range(6)),
    )
    joined = [reply for reply in results[:6] + results[8:] if reply.code is None]
    revoked = await alice.devices(state="revoked")

    assert {reply.code for reply in results[6:8]} == {None}
    assert set(codes(results)) <= {None, "registration_token_revoked"}
    assert await alice.devices() == []
    assert {device["id"] for device in revoked} == {reply.body["id"] for reply in joined}
    assert await alice.uses(token) == len(joined)


@rounds
async def test_a_full_pool_gives_each_address_to_one_device(fleet: Fleet, alice: Person) -> None:
    """While two devices are revoked, twice each: what they had goes to two others, once."""
    pool = AddressPool(IPv4Network("10.0.0.0/29"), IPv6Network("fd00::/64"))
    await fleet.storage.write(lambda transaction: transaction.addresses.add(TenantId(alice.tenant_id), pool))
    tokens = [await alice.token() for _ in range(10)]

    async def join(number: int) -> list[Reply]:
        """Each by a token of its own, so that the pool alone is what they share."""
        return await asyncio.gather(*(register(fleet, token["token"], a_key()) for token in tokens[:number]))

    full = await join(10)
    there = [reply.body["id"] for reply in full if reply.code is None]
    leaving = (alice.call("POST", f"/devices/{device_id}/revoke") for device_id in there[:2] * 2)
    meanwhile, left = await asyncio.gather(join(4), asyncio.gather(*leaving))
    after = await join(4)
    devices = await alice.devices()

    assert codes(full) == {None: 6, "no_address_left": 4}
    assert {reply.code for reply in left} == {None}
    assert set(codes(meanwhile + after)) <= {None, "no_address_left"}
    assert len(devices) == 6
    assert distinct(devices, "ipv4")
    assert distinct(devices, "ipv6")
    assert sum([await alice.uses(token) for token in tokens]) == len(devices) + 2


@rounds
async def test_a_device_approved_and_revoked_at_once_is_revoked(fleet: Fleet, alice: Person) -> None:
    token = await alice.token()
    await register(fleet, token["token"], a_key(), fingerprint=FINGERPRINT)
    newcomer = (await register(fleet, token["token"], a_key(), fingerprint=FINGERPRINT)).body["id"]
    deeds = ["approve", "revoke"] * 2
    replies = await asyncio.gather(*(alice.call("POST", f"/devices/{newcomer}/{deed}") for deed in deeds))
    device = await alice.done("GET", f"/devices/{newcomer}")
    events, _ = await alice.audit()
    done = [event.action for event in events if event.target_id == newcomer]

    assert device["state"] == "revoked"
    assert {reply.code for reply in replies[1::2]} == {None}
    assert set(codes(list(replies[::2]))) <= {None, "wrong_state"}
    assert done in (
        ["device.registered", "device.revoked"],
        ["device.registered", "device.approved", "device.revoked"],
    )


@rounds
async def test_the_first_use_of_a_token_ends_the_former_one_once(fleet: Fleet, alice: Person) -> None:
    """Devices without a key: their tokens come in clear, so that the test needs not open them."""
    first = (await alice.done("POST", "/devices", json={"name": "web"}))["device_token"]
    assert (await fleet.call("GET", "/devices/me", first)).code is None
    second = (await fleet.call("POST", "/devices/me/rotate-token", first)).body["device_token"]
    replies = await asyncio.gather(*(fleet.call("GET", "/devices/me", second) for _ in range(8)))

    assert codes(replies) == {None: 8}
    assert (await fleet.call("GET", "/devices/me", first)).code == "invalid_token"


@rounds
async def test_who_is_shut_out_by_one_server_is_shut_out_by_all(fleet: Fleet, alice: Person) -> None:
    """At the very next request, whichever server takes it."""
    device = await alice.done("POST", "/devices", json={"name": "web"})
    token = await alice.token()
    before = [await fleet.call("GET", "/devices/me", device["device_token"]) for _ in fleet.servers]
    await alice.done("POST", f"/devices/{device['id']}/revoke")
    await alice.done("POST", f"/registration-tokens/{token['id']}/revoke", json={"devices": "keep"})
    after = [await fleet.call("GET", "/devices/me", device["device_token"]) for _ in fleet.servers]
    joining = [await register(fleet, token["token"], a_key()) for _ in fleet.servers]

    assert codes(before) == {None: PROCESSES}
    assert codes(after) == {"device_revoked": PROCESSES}
    assert codes(joining) == {"registration_token_revoked": PROCESSES}


async def test_no_server_was_surprised(fleet: Fleet, alice: Person) -> None:
    """Told last, of all the rounds before; with many of them the figures are worth a look."""
    logs = "".join(server.log_file.read_text() for server in fleet.servers)
    events = Counter(json.loads(line)["event"] for line in logs.splitlines())
    told = {name: events[name] for name in ("request", "transaction_overtaken", "storage_unavailable")}
    sys.stderr.write(f"{ROUNDS} rounds: {told}, asked to try again: {fleet.unavailable}\n")

    assert events["unexpected_error"] == 0
