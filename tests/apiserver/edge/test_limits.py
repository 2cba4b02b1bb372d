"""How often proxies may ask: as at the API, with budgets of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.apiserver.callers import Caller, holder, user
from tests.apiserver.credentials import SETTINGS, Office, office
from tests.apiserver.edge.answers import NOBODY, identity
from tests.apiserver.server import AUDIENCE, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

# More than it takes to set an office up, which is counted at the API.
FEW = 9
OFF = dict.fromkeys(("RATE_LIMIT_ADDRESS", "RATE_LIMIT_TOKEN", "RATE_LIMIT_OWNER"), "off")


@asynccontextmanager
async def limited(database: Path, **rates: str) -> AsyncIterator[Office]:
    """An office with these limits and no others."""
    clock = FakeClock()
    async with (
        FakeIssuer.start(audience=AUDIENCE, clock=clock) as issuer,
        api_server(issuer, database, clock, **{**SETTINGS, **OFF, **rates}) as server,
    ):
        yield await office(server, issuer, clock)


async def statuses(desk: Office, secret: str | None, times: int) -> list[int]:
    return [(await desk.authz(secret)).status for _ in range(times)]


async def device_of(desk: Office, person: Caller, name: str) -> str:
    token = await person.done("POST", "/registration-tokens", {"label": name})
    device = await holder(desk.server, token["token"]).done("POST", "/devices", {"name": name})
    return str(device["device_token"])


async def test_devices_of_one_owner_share_a_limit_while_those_of_another_are_free(database: Path) -> None:
    async with limited(database, RATE_LIMIT_OWNER=f"{FEW}/minute") as desk:
        bob = user(desk.server, desk.issuer, "bob")
        await bob.done("GET", "/users/me")
        second, of_bob = await device_of(desk, desk.alice, "second"), await device_of(desk, bob, "bobs")

        assert await statuses(desk, desk.secret("device"), FEW - 1) == [200] * (FEW - 1)
        assert await statuses(desk, second, 2) == [200, 429]
        assert await statuses(desk, of_bob, 1) == [200]


async def test_a_device_over_its_own_limit_takes_nothing_from_its_owners_others(database: Path) -> None:
    rates = {"RATE_LIMIT_TOKEN": f"{FEW}/minute", "RATE_LIMIT_OWNER": f"{FEW + 2}/minute"}
    async with limited(database, **rates) as desk:
        second = await device_of(desk, desk.alice, "second")

        assert await statuses(desk, desk.secret("device"), FEW + 7) == [200] * FEW + [429] * 7
        assert await statuses(desk, second, 2) == [200, 200]


async def test_a_refusal_tells_nobody_and_when_to_come_again(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN=f"{FEW}/minute") as desk:
        await statuses(desk, desk.secret("device"), FEW)
        refused = await desk.authz(desk.secret("device"))

        assert refused.status == 429
        assert refused.headers["Retry-After"] == "60"
        assert identity(refused) == NOBODY


async def test_what_is_asked_at_the_edge_is_not_taken_from_the_api(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN=f"{FEW}/minute") as desk:
        assert await statuses(desk, desk.secret("device"), FEW + 1) == [200] * FEW + [429]
        assert (await desk.me(desk.secret("device"))).status == 200


async def test_a_users_own_jwt_has_a_limit_too(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN=f"{FEW}/minute") as desk:
        # Each refresh brings another JWT.
        of_alice = [desk.issuer.access_token("alice", jti=str(number)) for number in range(FEW + 1)]

        assert [(await desk.authz(token)).status for token in of_alice] == [200] * FEW + [429]
        assert await statuses(desk, desk.issuer.access_token("bob"), 1) == [200]


async def test_a_jwt_of_ours_counts_with_what_it_was_made_of(database: Path) -> None:
    async with limited(database, RATE_LIMIT_TOKEN=f"{FEW}/minute") as desk:
        token = await desk.jwt("device")

        assert await statuses(desk, desk.secret("device"), FEW - 1) == [200] * (FEW - 1)
        assert await statuses(desk, token, 2) == [200, 429]


async def test_junk_uses_up_its_address_and_nobody_else(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="3/minute") as desk:
        assert await statuses(desk, "junk", 2) == [401, 401]
        assert await statuses(desk, None, 2) == [401, 429]
        assert await statuses(desk, desk.secret("device"), 2) == [200, 200]


async def test_who_is_known_and_refused_does_not_use_up_the_address(database: Path) -> None:
    async with limited(database, RATE_LIMIT_ADDRESS="2/minute") as desk:
        await desk.let_device_wait()

        assert await statuses(desk, desk.secret("device"), 4) == [403] * 4
        assert await statuses(desk, "junk", 2) == [401, 401]
