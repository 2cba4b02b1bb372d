"""The real agent on a loopback port, with a fake issuer and a fake backend, and browsers that visit it."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from aiohttp import web
from yarl import URL

from bff.app import (
    Parts,
    build_app,
    build_private_app,
    front_of,
    open_door,
    open_parts,
    private_front_of,
)
from bff.proxy.limits import Limits
from bff.settings import read_settings
from common.randomness import SystemRandomness
from common.serve import Front, make_runner, open_listener
from tests.fakes.backend import FakeBackend, run_backend
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

NAVIGATION = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
SCRIPT = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
SESSION_COOKIE = "doorward_session"
# What is overdue is ended soon after, so that no test waits for the timer.
# Connections that should have been closed must not seem to be because they were idle while a test waited.
QUICK = Limits(sweep_interval_s=0.05, upstream_idle_s=60)


class Browser:
    """A cookie jar and an address bar: follows the redirects between agent and provider by hand."""

    def __init__(self, client: httpx.AsyncClient, issuer: FakeIssuer) -> None:
        self.client = client
        self._issuer = issuer

    async def navigate(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=NAVIGATION | headers)

    async def call(self, method: str, path: str, **headers: str) -> httpx.Response:
        return await self.client.request(method, path, headers=SCRIPT | headers)

    async def start_login(self, query: str = "") -> str:
        """The address at the provider that `/login/start` leads to."""
        answer = await self.navigate(f"/login/start{query}")
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    async def log_in(self, sub: str = "alice", query: str = "") -> httpx.Response:
        """A whole login; the answer of `/login/end`."""
        return await self.come_back(self._issuer.authorize(await self.start_login(query), sub=sub))

    async def come_back(self, callback: dict[str, str]) -> httpx.Response:
        return await self.navigate(str(URL("/login/end").with_query(callback)))

    @property
    def session_cookie(self) -> str | None:
        return self.client.cookies.get(SESSION_COOKIE)

    def login_cookies(self) -> list[str]:
        return [name for name in self.client.cookies if name.startswith("doorward_login_")]


@dataclass
class Agent:
    url: str
    private_url: str
    parts: Parts
    app: web.Application
    issuer: FakeIssuer
    backend: FakeBackend
    clock: FakeClock
    public_front: Front | None
    _stack: AsyncExitStack

    async def browser(self, **cookies: str) -> Browser:
        """A new browser with an empty cookie jar."""
        # No TLS here, and reading the trusted certificates would take longer than a whole login.
        client = await self._stack.enter_async_context(
            httpx.AsyncClient(base_url=self.url, cookies=cookies, trust_env=False, verify=False)
        )
        return Browser(client, self.issuer)

    async def signed_in(self, sub: str = "alice") -> Browser:
        browser = await self.browser()
        answer = await browser.log_in(sub)
        assert answer.status_code == 302, answer.text
        return browser


@asynccontextmanager
async def run_agent(
    issuer: FakeIssuer | None = None, limits: Limits = QUICK, /, **settings: str
) -> AsyncIterator[Agent]:
    """An agent with these settings beyond the needed ones; `issuer` when a test brings its own."""
    async with AsyncExitStack() as stack:
        clock = FakeClock()
        if issuer is None:
            issuer = await stack.enter_async_context(FakeIssuer.start(clock=clock))
        backend = await stack.enter_async_context(run_backend())
        listening = _listening_socket()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        values = {
            "PUBLIC_URL": url,
            "OIDC_PROVIDER": issuer.url,
            "OIDC_CLIENT_ID": issuer.client_id,
            "OIDC_CLIENT_SECRET": issuer.client_secret or "",
            "OIDC_AUDIENCE": issuer.audience,
            "BACKEND": backend.url,
            **settings,
        }
        randomness = SystemRandomness()
        read, secrets = read_settings(values, randomness)
        parts = await stack.enter_async_context(open_parts(read, secrets, clock, randomness))
        door = await stack.enter_async_context(open_door(read, parts, limits))
        app = build_app(read, parts, door)
        front = front_of(read, door)
        await _serve(stack, app, listening, front)
        private = _listening_socket()
        await _serve(stack, build_private_app(read, parts), private, private_front_of(read, door))
        private_url = f"http://127.0.0.1:{private.getsockname()[1]}"
        yield Agent(url, private_url, parts, app, issuer, backend, clock, front, stack)


def _listening_socket() -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    return listening


async def _serve(
    stack: AsyncExitStack, app: web.Application, listening: socket.socket, front: Front | None
) -> None:
    runner = make_runner(app, ends_with_client=True, drain_time_s=0.2)
    await open_listener(stack, runner, front, drain_time_s=0.2, sock=listening)
