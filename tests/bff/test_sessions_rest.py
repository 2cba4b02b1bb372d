"""The tokens beside the bearer: kept once, and found again as they were."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bff.session.grants import Grants
from bff.session.live import LiveConnections
from bff.session.memory import MemorySessionStore
from bff.session.record import SessionLimits, SessionOwner, Tokens
from bff.session.seal import Sealer
from bff.session.sessions import NewLogin, Rest, Sessions
from common.randomness import SystemRandomness
from tests.fakes.clock import FakeClock

CLOCK = FakeClock()
ACCESS, IDENTITY = "a" * 1000, "i" * 1000
TOKENS = Tokens(
    bearer=ACCESS,
    issued_at=CLOCK.now(),
    expires_at=CLOCK.now() + timedelta(hours=1),
    access_token=ACCESS,
    refresh_token="r",
    id_token=IDENTITY,
    grants=Grants(),
)


@pytest.mark.parametrize("bearer", [ACCESS, IDENTITY, "another"])
async def test_no_token_is_kept_twice_and_all_are_found(bearer: str) -> None:
    randomness = SystemRandomness()
    sessions = Sessions(
        MemorySessionStore(CLOCK),
        Sealer((randomness.token_bytes(32),), randomness),
        LiveConnections(),
        SessionLimits(timedelta(hours=1), timedelta(hours=12)),
        CLOCK,
        randomness,
    )
    owner = SessionOwner("https://provider.example", "alice", None)

    session = await sessions.begin(NewLogin(owner, replace(TOKENS, bearer=bearer), "a browser"), {})

    kept = len(session.record.tokens.bearer) + len(session.record.tokens.rest)
    assert sessions.bearer(session) == bearer
    assert sessions.rest(session) == Rest(ACCESS, "r", IDENTITY)
    assert kept < len({bearer, ACCESS, IDENTITY}) * 1000 + 200
