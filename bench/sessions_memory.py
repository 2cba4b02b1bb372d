"""`python -m bench.sessions_memory`: what so many sessions in memory take, order and figures as JSON."""

import asyncio
import os
import sys
from datetime import timedelta

import msgspec

from bench.cpu import resident_bytes
from bench.peers.base import BEARER_BYTES
from bff.session.grants import Grants
from bff.session.live import LiveConnections
from bff.session.memory import MemorySessionStore
from bff.session.record import SessionLimits, SessionOwner, Tokens
from bff.session.seal import Sealer
from bff.session.sessions import NewLogin, Sessions
from common.clock import Clock, SystemClock
from common.randomness import SystemRandomness


class SessionsOrder(msgspec.Struct):
    count: int


class SessionsFigures(msgspec.Struct):
    mb: float


async def fill(count: int) -> float:
    clock, randomness = SystemClock(), SystemRandomness()
    limits = SessionLimits(timedelta(hours=1), timedelta(hours=12))
    sealer = Sealer((randomness.token_bytes(32),), randomness)
    sessions = Sessions(MemorySessionStore(clock), sealer, LiveConnections(), limits, clock, randomness)
    await sessions.begin(_login(0, clock), _user(0))
    before = resident_bytes(os.getpid())
    for number in range(1, count):
        await sessions.begin(_login(number, clock), _user(number))
    return (resident_bytes(os.getpid()) - before) / 1e6


def _login(number: int, clock: Clock) -> NewLogin:
    now = clock.now()
    # Made anew for each, as they come from a provider: strings that are shared would cost nothing.
    owner = SessionOwner("https://provider.example.com", f"user-{number}", f"provider-session-{number}")
    tokens = Tokens(
        bearer=f"{number:0{BEARER_BYTES}}",
        issued_at=now,
        expires_at=now + timedelta(minutes=5),
        access_token=f"{number:0{BEARER_BYTES}}",
        refresh_token=f"{number:064}",
        id_token=f"{number:0{BEARER_BYTES}}",
        grants=Grants(),
    )
    return NewLogin(owner, tokens, f"Firefox {number} on Linux")


def _user(number: int) -> dict[str, str]:
    return {"sub": f"user-{number}", "name": f"User {number}", "email": f"user-{number}@example.com"}


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=SessionsOrder)
    grown = asyncio.run(fill(order.count))
    sys.stdout.buffer.write(msgspec.json.encode(SessionsFigures(grown)))


if __name__ == "__main__":
    main()
