"""The table of verified JWTs: it saves work, and lets nobody in whom the verifier would refuse."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from apiserver.auth.login import Login
from apiserver.auth.verified import LoginVerifier, VerifiedLogins
from common.jwt import LEEWAY, InvalidTokenError
from tests.common.provider import Publisher, open_issuer, token_maker
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import ACCESS_TOKEN_LIFETIME_S, FakeIssuer
from tests.fakes.tokens import SigningKey

LEEWAY_S = LEEWAY.total_seconds()


@dataclass(frozen=True)
class RecordingVerifier(LoginVerifier):
    """The verifier, and what it was asked."""

    asked: list[str] = field(default_factory=list)

    async def login_of(self, presented_token: str, now: datetime) -> Login:
        self.asked.append(presented_token)
        return await super().login_of(presented_token, now)


class Table:
    """A table of three tokens over a provider without sockets."""

    def __init__(self, verifier: RecordingVerifier, maker: FakeIssuer, publisher: Publisher) -> None:
        self.logins = VerifiedLogins(verifier, most=3)
        self.maker = maker
        self.publisher = publisher
        self._verifier = verifier

    async def look(self, token: str) -> bool:
        """Whether it was known; raises as the table does."""
        self._verifier.asked.clear()
        await self.logins.login_of(token, self.maker.clock.now())
        return not self._verifier.asked

    async def fetch_keys(self) -> None:
        fetches = self.publisher.key_fetches
        with pytest.raises(InvalidTokenError):
            await self.look(self.maker.access_token(headers={"kid": "made-up"}))
        assert self.publisher.key_fetches == fetches + 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def table(clock: FakeClock) -> AsyncIterator[Table]:
    maker = token_maker(clock)
    publisher = Publisher(maker.key)
    async with open_issuer(publisher, clock) as issuer:
        await issuer.signing_key(maker.key.kid, "ES256")
        yield Table(RecordingVerifier(issuer, maker.audience, "access_token"), maker, publisher)


async def test_a_token_is_verified_once(table: Table) -> None:
    token = table.maker.access_token()

    assert [await table.look(token) for _ in range(3)] == [False, True, True]


async def test_what_it_says_is_the_same_each_time(table: Table, clock: FakeClock) -> None:
    token = table.maker.access_token("alice", name="Alice", scope="devices:read")

    first = await table.logins.login_of(token, clock.now())

    assert await table.logins.login_of(token, clock.now()) == first
    assert first.identity.subject == "alice"


async def test_a_token_that_differs_in_its_signature_alone_is_another_one(table: Table) -> None:
    token = table.maker.access_token()
    await table.look(token)
    said, _, signature = token.rpartition(".")
    other = ("B" if signature[0] == "A" else "A") + signature[1:]

    with pytest.raises(InvalidTokenError, match="signature"):
        await table.look(f"{said}.{other}")


async def test_a_known_token_expires_to_the_second(table: Table, clock: FakeClock) -> None:
    token = table.maker.access_token()
    await table.look(token)
    clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S + LEEWAY_S - 1)
    assert await table.look(token)
    clock.advance(seconds=1)

    with pytest.raises(InvalidTokenError, match="expired"):
        await table.look(token)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_known_token_is_refused_when_the_clock_steps_back_before_its_time(
    table: Table, clock: FakeClock, claim: str
) -> None:
    times: dict[str, Any] = {"iat": 1, claim: table.maker.now()}
    token = table.maker.access_token(**times)
    await table.look(token)
    clock.advance(seconds=-LEEWAY_S - 1)

    with pytest.raises(InvalidTokenError):
        await table.look(token)


async def test_a_key_that_was_withdrawn_vouches_for_nothing_any_more(table: Table) -> None:
    token = table.maker.access_token()
    await table.look(token)
    table.publisher.publish(SigningKey("another"))
    await table.fetch_keys()

    with pytest.raises(InvalidTokenError, match="unknown_key"):
        await table.look(token)


async def test_a_key_that_was_replaced_under_its_name_vouches_for_nothing_any_more(table: Table) -> None:
    token = table.maker.access_token()
    await table.look(token)
    table.publisher.publish(SigningKey(table.maker.key.kid))
    await table.fetch_keys()

    with pytest.raises(InvalidTokenError, match="signature"):
        await table.look(token)


async def test_keys_that_were_fetched_again_and_are_the_same_change_nothing(table: Table) -> None:
    token = table.maker.access_token()
    await table.look(token)
    await table.fetch_keys()

    assert await table.look(token)


async def test_a_new_key_beside_the_old_one_costs_one_look(table: Table) -> None:
    token = table.maker.access_token()
    await table.look(token)
    table.publisher.publish(table.maker.key, SigningKey("another"))
    await table.fetch_keys()

    assert [await table.look(token) for _ in range(2)] == [False, True]


async def test_tokens_that_are_refused_push_nobody_out(table: Table) -> None:
    token = table.maker.access_token()
    await table.look(token)
    for number in range(10):
        with pytest.raises(InvalidTokenError):
            await table.look(table.maker.access_token(f"user-{number}", aud="another-api"))

    assert await table.look(token)


async def test_the_table_is_bounded_and_the_oldest_one_makes_room(table: Table) -> None:
    tokens = [table.maker.access_token(f"user-{number}") for number in range(4)]
    for token in tokens:
        await table.look(token)

    assert [await table.look(token) for token in reversed(tokens)] == [True, True, True, False]
