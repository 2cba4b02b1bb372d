"""`kill -9` at some moment of 200 registrations: clients repeat what was not answered, and nothing is lost.

Nor is anything there twice, and no use is burnt. `KILL_ROUNDS` says how often.
"""

import asyncio
import base64
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.apiserver.fleet import Fleet, Person, Reply, running_fleet
from tests.fakes.postgres_servers import PostgresServer

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
CLIENTS, AT_ONCE = 200, 20
PATIENCE_S = 60

pytestmark = pytest.mark.timeout(180)

rounds = pytest.mark.parametrize("seed", [random.SystemRandom().randrange(10**6) for _ in range(ROUNDS)])


@dataclass
class Storm:
    """200 clients that register. Each repeats its request until it is answered."""

    fleet: Fleet
    token: str
    answered: dict[int, Reply] = field(default_factory=dict)
    odd: Counter[int] = field(default_factory=Counter)

    async def run(self) -> None:
        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(self._client(number, places) for number in range(CLIENTS)))

    async def until_answered(self, number: int) -> None:
        while len(self.answered) < number:  # noqa: ASYNC110 - the clients have no event to offer
            await asyncio.sleep(0.001)

    async def _client(self, number: int, places: asyncio.Semaphore) -> None:
        body: dict[str, Any] = {"name": "web", "labels": {"number": str(number)}}
        if number % 2:
            public = X25519PrivateKey.generate().public_key().public_bytes_raw()
            body["public_key"] = base64.b64encode(public).decode()
        headers = {} if number % 4 == 1 else {"Idempotency-Key": f"client-{number}"}
        async with places:
            while (reply := await self._asked(body, headers)) is None:  # noqa: ASYNC110 - a client's patience
                await asyncio.sleep(0.05)
        self.answered[number] = reply

    async def _asked(self, body: dict[str, Any], headers: dict[str, str]) -> Reply | None:
        try:
            reply = await self.fleet.call_once("POST", "/devices", self.token, json=body, headers=headers)
        except (aiohttp.ClientError, ConnectionError):
            return None
        if reply.status in {200, 201}:
            return reply
        self.odd[reply.status] += 1
        return None


async def check(storm: Storm, alice: Person, token: dict[str, Any], before: dict[int, Reply]) -> None:
    """Each device once, no use burnt, nothing missing that was acknowledged."""
    devices = {device["labels"]["number"]: device for device in await alice.devices()}
    events, faults = await alice.audit()
    registered = Counter(event.target_id for event in events if event.action == "device.registered")

    assert len(storm.answered) == CLIENTS == len(devices) == await alice.uses(token)
    assert faults == []
    assert registered == {device["id"]: 1 for device in devices.values()}
    for number, reply in storm.answered.items():
        assert devices[str(number)]["id"] == reply.body["id"]
        assert devices[str(number)]["name"] == reply.body["name"]
        assert devices[str(number)]["ipv4"] == reply.body["ipv4"]
    for number, reply in before.items():
        if "device_token" in reply.body:
            me = await storm.fleet.call("GET", "/devices/me", reply.body["device_token"])
            assert (me.status, me.body.get("id")) == (200, devices[str(number)]["id"])


async def killed_in_the_midst(
    fleet: Fleet, seed: int, kill: Callable[[], Awaitable[None]], start: Callable[[], Awaitable[None]]
) -> Storm:
    chance = random.Random(seed)
    alice = await fleet.person()
    token = await alice.token(max_uses=CLIENTS)
    storm = Storm(fleet, token["token"])
    running = asyncio.ensure_future(storm.run())
    await storm.until_answered(chance.randrange(CLIENTS - AT_ONCE))
    await asyncio.sleep(chance.random() * 0.02)
    before = dict(storm.answered)
    await kill()
    await start()
    await running
    await check(storm, alice, token, before)
    return storm


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fleet]:
    if request.param == "sqlite":
        async with running_fleet(tmp_path / "doorward.db", tmp_path, 1) as fleet:
            yield fleet
        return
    url = request.getfixturevalue("postgres_url")
    async with running_fleet(url, tmp_path, 1) as fleet:
        yield fleet


@rounds
async def test_a_server_that_is_killed_loses_and_doubles_nothing(fleet: Fleet, seed: int) -> None:
    [server] = fleet.servers
    storm = await killed_in_the_midst(fleet, seed, server.kill, server.start)

    assert storm.odd == {}


@rounds
@pytest.mark.postgresql
async def test_a_database_that_is_killed_loses_and_doubles_nothing(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path, seed: int
) -> None:
    """Meanwhile the server says that it cannot do it now, and goes on by itself afterwards."""
    async with running_fleet(postgres_url, tmp_path, 1) as fleet:
        storm = await killed_in_the_midst(
            fleet,
            seed,
            lambda: asyncio.to_thread(postgres_server.kill),
            lambda: asyncio.to_thread(postgres_server.start),
        )

    assert set(storm.odd) <= {503}
