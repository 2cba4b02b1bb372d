"""Signing keys at rest, and several servers that share them: on both engines."""

import asyncio
import base64
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from apiserver.signing.es256 import new_pair
from apiserver.signing.key import LEAD, SigningKey
from apiserver.signing.ring import NO_KEYS, open_keys, sealed_row
from apiserver.signing.sealing import key_sealer
from apiserver.storage.contracts import Storage, Transaction
from common.randomness import SystemRandomness
from tests.apiserver.credentials import SETTINGS, header_of, office
from tests.apiserver.server import ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

KEYS = [bytes([number]) * 16 + bytes(range(16)) for number in (1, 2)]
FIRST, SECOND = (base64.b64encode(key).decode() for key in KEYS)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest, database: Path) -> Path | str:
    return database if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


async def rows_of(storage: Storage) -> Sequence[SigningKey]:
    return await storage.read(lambda view: view.signing_keys.all())


def jwks(server: ApiServer) -> list[str]:
    keys = server.parts.signing_keys
    return [pair.id for pair in keys.known.published(server.parts.clock.now())]


async def servers(
    stack: AsyncExitStack, issuer: FakeIssuer, place: Path | str, clock: FakeClock, count: int
) -> list[ApiServer]:
    """Several on one database."""
    starting = [api_server(issuer, place, clock, SERVER_KEY=FIRST, **SETTINGS) for _ in range(count)]
    return [await stack.enter_async_context(server) for server in starting]


async def test_a_restart_keeps_the_keys(issuer: FakeIssuer, place: Path | str, clock: FakeClock) -> None:
    async with api_server(issuer, place, clock, SERVER_KEY=FIRST, **SETTINGS) as server:
        desk = await office(server, issuer, clock)
        token, before = await desk.jwt(), jwks(server)

    async with api_server(issuer, place, clock, SERVER_KEY=FIRST, **SETTINGS) as server:
        assert jwks(server) == before
        assert (await replace(desk, server=server).me(token)).status == 200


async def test_servers_that_make_the_first_key_at_once_end_with_one(
    issuer: FakeIssuer, place: Path | str, clock: FakeClock
) -> None:
    async with AsyncExitStack() as stack:
        several = await servers(stack, issuer, place, clock, 3)
        storage = several[0].parts.storage
        await forget_keys(storage)
        await asyncio.gather(*(server.parts.signing_keys.look() for server in several))
        await asyncio.gather(*(server.parts.signing_keys.look() for server in several))

        (row,) = await rows_of(storage)
        assert [jwks(server) for server in several] == [[row.id]] * 3


async def forget_keys(storage: Storage) -> None:
    async def remove(transaction: Transaction) -> None:
        for key in await transaction.signing_keys.locked():
            await transaction.signing_keys.remove(key.id)

    await storage.write(remove)


async def test_rotations_at_once_make_one_key(
    issuer: FakeIssuer, place: Path | str, clock: FakeClock
) -> None:
    async with AsyncExitStack() as stack:
        several = await servers(stack, issuer, place, clock, 3)
        answers = await asyncio.gather(
            *(server.private.post("/signing-keys/rotate", json={}) for server in several)
        )

        assert sorted(answer.status for answer in answers) == [200, 409, 409]
        assert len(await rows_of(several[0].parts.storage)) == 2


async def test_a_token_of_one_server_is_good_at_the_other(
    issuer: FakeIssuer, place: Path | str, clock: FakeClock
) -> None:
    """Also when its key was made a moment ago, and the other has not looked since."""
    async with AsyncExitStack() as stack:
        one, other = await servers(stack, issuer, place, clock, 2)
        desk = await office(one, issuer, clock)
        there = replace(desk, server=other)
        assert (await there.me(await desk.jwt())).status == 200
        old = await desk.jwt()
        await desk.rotate(compromised=True)

        assert (await there.me(await desk.jwt())).status == 200
        assert (await there.me(old)).refusal == (401, "invalid_token")


async def test_all_servers_change_keys_at_one_time(
    issuer: FakeIssuer, place: Path | str, clock: FakeClock
) -> None:
    async with AsyncExitStack() as stack:
        one, other = await servers(stack, issuer, place, clock, 2)
        desk = await office(one, issuer, clock)
        there = replace(desk, server=other)
        await desk.rotate()
        await other.parts.signing_keys.look()
        clock.advance(seconds=LEAD.total_seconds() - 1)
        before = {header_of(await each.jwt())["kid"] for each in (desk, there)}
        clock.advance(seconds=1)
        after = {header_of(await each.jwt())["kid"] for each in (desk, there)}

        assert (len(before), len(after), before & after) == (1, 1, set())


async def test_a_new_server_key_before_the_former_one_opens_what_that_sealed(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    async with api_server(issuer, database, clock, SERVER_KEY=FIRST) as server:
        before = jwks(server)
    async with api_server(issuer, database, clock, SERVER_KEY=f"{SECOND},{FIRST}") as server:
        assert jwks(server) == before
        await server.private.post("/signing-keys/rotate", json={})
        clock.advance(seconds=LEAD.total_seconds())
        signer = server.parts.signing_keys.signer().id

    async with api_server(issuer, database, clock, SERVER_KEY=SECOND) as server:
        assert server.parts.signing_keys.signer().id == signer


async def test_a_server_whose_key_opens_nothing_says_so_and_makes_another(
    issuer: FakeIssuer, database: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with api_server(issuer, database, clock, SERVER_KEY=FIRST, **SETTINGS) as server:
        desk = await office(server, issuer, clock)
        token, before = await desk.jwt(), jwks(server)
    capsys.readouterr()

    async with api_server(issuer, database, clock, SERVER_KEY=SECOND, **SETTINGS) as server:
        desk = replace(desk, server=server)
        assert "They were sealed under another SERVER_KEY" in capsys.readouterr().out
        assert len(jwks(server)) == 1
        assert jwks(server) != before
        assert (await desk.me(token)).refusal == (401, "invalid_token")
        assert (await desk.me(await desk.jwt())).status == 200


async def test_a_server_started_with_another_server_key_takes_no_key_from_the_others(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    """By mistake, beside those that are right: they go on signing, and what they signed is good."""
    async with api_server(issuer, database, clock, SERVER_KEY=FIRST, **SETTINGS) as right:
        desk, before = await office(right, issuer, clock), jwks(right)
        async with api_server(issuer, database, clock, SERVER_KEY=SECOND, **SETTINGS) as wrong:
            clock.advance(hours=1)
            token = await desk.jwt()
            for server in (right, wrong):
                await server.parts.signing_keys.look()
                await server.parts.signing_keys.remove_ended()
            assert (await desk.me(token)).status == 200
            assert jwks(right) == before

        await desk.rotate(compromised=True)
        clock.advance(hours=1)
        await right.parts.signing_keys.remove_ended()

        assert [row.id for row in await rows_of(right.parts.storage)] == jwks(right)


def test_a_sealed_key_opens_under_its_own_name_alone() -> None:
    sealer = key_sealer(KEYS[:1], SystemRandomness())
    one, other = new_pair(), new_pair()
    sealed = sealer.seal(one.id, one.as_bytes())

    assert sealer.open(one.id, sealed) == one.as_bytes()
    assert sealer.open(other.id, sealed) is None
    assert sealer.open(one.id, sealed[:-1]) is None
    assert sealer.open(one.id, b"") is None
    assert key_sealer(KEYS[1:], SystemRandomness()).open(one.id, sealed) is None
    assert key_sealer(KEYS[::-1], SystemRandomness()).open(one.id, sealed) == one.as_bytes()


def test_what_somebody_wrote_into_the_table_is_never_published(clock: FakeClock) -> None:
    """They have the database and not the server key: third parties would believe all that they sign."""
    sealer, theirs = key_sealer(KEYS[:1], SystemRandomness()), key_sealer(KEYS[1:], SystemRandomness())
    now = clock.now()
    ours, evil = new_pair(), new_pair()
    good = sealed_row(ours, sealer, now=now, signs_from=now)
    planted = [
        sealed_row(evil, theirs, now=now, signs_from=now),
        replace(good, id=evil.id),
    ]

    for row in planted:
        assert open_keys([row], sealer, NO_KEYS).published(now) == ()


async def test_nothing_in_the_table_is_a_private_key(
    issuer: FakeIssuer, place: Path | str, clock: FakeClock
) -> None:
    async with api_server(issuer, place, clock, SERVER_KEY=FIRST) as server:
        (row,) = await rows_of(server.parts.storage)
        private = server.parts.signing_keys.signer().private
        number = private.private_numbers().private_value.to_bytes(32)

        assert number not in row.sealed_private_key
        assert number[:16] not in row.sealed_private_key
        assert "sealed_private_key" not in repr(row)
