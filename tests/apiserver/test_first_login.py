"""Users from memory: for a minute, and only where that makes no difference."""

from pathlib import Path

from apiserver.tenants.first_login import KNOWN_FOR
from tests.apiserver.server import api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer


async def test_what_another_server_was_told_is_seen_within_a_minute(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    async with api_server(issuer, database, clock) as one, api_server(issuer, database, clock) as another:
        await one.me(issuer.access_token(name="Before"))
        await one.me(issuer.access_token())
        await another.me(issuer.access_token(name="After"))
        clock.advance(seconds=KNOWN_FOR.total_seconds())

        assert (await one.me(issuer.access_token()))["name"] == "After"


async def test_names_that_two_tokens_tell_in_turn_are_all_taken_over(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    one, another = issuer.access_token(name="One"), issuer.access_token(name="Another")
    async with api_server(issuer, database, clock) as server:
        told = [(await server.me(token))["name"] for token in (one, another, one, another)]

    assert told == ["One", "Another", "One", "Another"]
