"""Doorward itself: real processes, and sessions that began with a login each."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

import aiohttp
from yarl import URL

from bench.peers.base import EXTRAS, SESSIONS, Extra, ForwardAuth, Ground, Running
from bench.processes import BenchError, free_port, python_program, start
from common.version import VERSION
from tests.fakes.issuer import FakeIssuer

Store = Literal["memory", "redis"]
Consent: TypeAlias = Callable[[str, str], Awaitable[Mapping[str, str]]]
"""From the authorization request's address and a user to what the browser brings back."""

COOKIE_KEY = base64.b64encode(bytes(range(32))).decode()
CLIENT, CLIENT_SECRET = "doorward", "the-secret-of-the-client"
LOGINS_AT_ONCE = 8
_NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}


@dataclass(frozen=True)
class Doorward:
    """`form`: the DATA_PLANE."""

    form: str
    store: Store
    passes_bearer: bool = True

    @property
    def key(self) -> str:
        return f"doorward-{self.form}-{self.store}"

    @property
    def label(self) -> str:
        store = "Redis" if self.store == "redis" else "memory"
        return f"Doorward, {self.form}, sessions in {store}"

    @property
    def extras(self) -> frozenset[Extra]:
        # Bodies and idle connections do not ask where a session is kept.
        return frozenset(EXTRAS) if self.store == "memory" else frozenset({"paced"})

    def is_available(self) -> str | None:
        return None

    def version(self) -> str:
        return f"Doorward {VERSION}"

    @asynccontextmanager
    async def run(self, ground: Ground) -> AsyncIterator[Running]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = agent_settings(
            ground.issuer.url,
            port=port,
            public_url=url,
            backend=f"http://{ground.upstream}",
            session_store=f"redis://127.0.0.1:{ground.redis_port}" if self.store == "redis" else "memory:",
        )
        program = python_program(self.key, "bff", port, **settings, DATA_PLANE=self.form)
        async with AsyncExitStack() as stack:
            pid = await start(stack, program, ground.cores.server, ground.folder)
            cookies = await log_in(url, consent_of(ground.issuer), SESSIONS)
            private_port = int(settings["PRIVATE_LISTEN"].rpartition(":")[2])
            yield Running(port, {program.name: pid}, cookies, self._forward_auth(private_port))

    def _forward_auth(self, port: int) -> ForwardAuth | None:
        # It is the same in both forms.
        if self.form != "protocols":
            return None
        return ForwardAuth(port, [f"\r\nX-User: user-{number}\r\n" for number in range(SESSIONS)])


def agent_settings(
    issuer: str, *, port: int, public_url: str, backend: str, session_store: str
) -> dict[str, str]:
    return {
        "LISTEN": f"127.0.0.1:{port}",
        "PRIVATE_LISTEN": f"127.0.0.1:{free_port()}",
        "PUBLIC_URL": public_url,
        "OIDC_PROVIDER": issuer,
        "OIDC_CLIENT_ID": CLIENT,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "BACKEND": backend,
        "SESSION_STORE": session_store,
        "COOKIE_KEY": COOKIE_KEY,
        # A thousand users log in from one address, and no peer limits that.
        "RATE_LIMIT_ADDRESS": "off",
    }


def consent_of(issuer: FakeIssuer) -> Consent:
    async def consent(address: str, sub: str) -> Mapping[str, str]:
        return issuer.authorize(address, sub=sub)

    return consent


async def log_in(url: str, consent: Consent, count: int) -> list[str]:
    """The `Cookie` headers of that many browsers, each signed in as another user. Raises BenchError."""
    connector = aiohttp.TCPConnector(limit=LOGINS_AT_ONCE)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(url, connector=connector, cookie_jar=jar, headers=_NAVIGATION) as client:
        turns = asyncio.Semaphore(LOGINS_AT_ONCE)

        async def one(number: int) -> str:
            async with turns:
                return await _log_in_once(client, consent, f"user-{number}")

        return await asyncio.gather(*(one(number) for number in range(count)))


async def _log_in_once(client: aiohttp.ClientSession, consent: Consent, sub: str) -> str:
    async with client.get("/login/start", allow_redirects=False) as started:
        if started.status != HTTPStatus.FOUND:
            raise BenchError(f"/login/start answered {started.status}.")
        transaction = "; ".join(f"{name}={cookie.value}" for name, cookie in started.cookies.items())
        callback = await consent(started.headers["Location"], sub)
    end = URL("/login/end").with_query(callback)
    async with client.get(end, headers={"Cookie": transaction}, allow_redirects=False) as ended:
        session = ended.cookies.get("doorward_session")
        if session is None:
            raise BenchError(f"/login/end answered {ended.status} and no session.")
        return f"doorward_session={session.value}"
