"""A provider without sockets: what it publishes is answered in this process, and can be held back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from common.http import BoundedTransport
from common.issuer import Issuer
from common.tasks import Tasks
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer
from tests.fakes.tokens import SigningKey

ISSUER = "https://provider.example"


class Publisher:
    """`gate` holds answers back while it is set; `status` other than 200 breaks both documents."""

    def __init__(self, *keys: SigningKey) -> None:
        self.jwks: dict[str, Any] = {"keys": [key.as_jwk() for key in keys]}
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
        }
        self.gate: asyncio.Event | None = None
        self.status = 200
        self.asked: list[str] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if self.gate is not None:
            await self.gate.wait()
        document = self.jwks if request.url.path.endswith("/jwks") else self.metadata
        return httpx.Response(self.status, json=document)

    def fetches(self, end: str) -> int:
        return sum(url.endswith(end) for url in self.asked)

    @property
    def key_fetches(self) -> int:
        return self.fetches("/jwks")

    def publish(self, *keys: SigningKey) -> None:
        self.jwks = {"keys": [key.as_jwk() for key in keys]}


@asynccontextmanager
async def open_issuer(
    publisher: Publisher, clock: FakeClock, *, url: str = ISSUER, backchannel: str | None = None
) -> AsyncIterator[Issuer]:
    tasks = Tasks()
    transport = BoundedTransport(httpx.MockTransport(publisher.answer))
    try:
        async with httpx.AsyncClient(transport=transport) as client:
            yield Issuer(url, backchannel=backchannel, client=client, clock=clock, tasks=tasks)
    finally:
        await tasks.close()


def token_maker(clock: FakeClock) -> FakeIssuer:
    """Makes the tokens of this provider; nothing of it is asked over HTTP."""
    maker = FakeIssuer(client_id="doorward", client_secret=None, audience="doorward-api", clock=clock)
    maker.url = ISSUER
    return maker
