"""Several agents as real processes on one Redis: what one machine, or many, would run."""

import asyncio
import base64
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bff.agent import Browser
from tests.fakes.backend import FakeBackend, run_backend
from tests.fakes.issuer import FakeIssuer

_ROOT = Path(__file__).parent.parent.parent
_COOKIE_KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass
class AgentProcess:
    url: str
    process: asyncio.subprocess.Process

    def kill(self) -> None:
        """`kill -9`: nothing is finished, nothing is given back."""
        self.process.send_signal(signal.SIGKILL)


@dataclass
class Fleet:
    agents: list[AgentProcess]
    issuer: FakeIssuer
    backend: FakeBackend
    session_store: str

    def refreshes(self) -> int:
        return sum(form.get("grant_type") == "refresh_token" for form in self.issuer.token_requests)

    async def signed_in(self, stack: AsyncExitStack, sub: str) -> Browser:
        """A browser that logged in by the first agent."""
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=self.agents[0].url, trust_env=False)
        )
        browser = Browser(client, self.issuer)
        answer = await browser.log_in(sub)
        assert answer.status_code == 302, answer.text
        return browser


@asynccontextmanager
async def run_fleet(session_store: str, size: int, **settings: str) -> AsyncIterator[Fleet]:
    """`size` agents that share a store, an issuer and a backend, all of them on the real clock.

    `settings` are beyond the needed ones, or instead of them.
    """
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(FakeIssuer.start())
        backend = await stack.enter_async_context(run_backend())
        agents = []
        public_url = f"http://127.0.0.1:{_free_port()}"
        for _ in range(size):
            agent = await _start(issuer, backend, session_store, public_url, settings)
            stack.push_async_callback(_stop, agent.process)
            agents.append(agent)
        async with asyncio.timeout(20):
            await asyncio.gather(*(_until_ready(agent) for agent in agents))
        yield Fleet(agents, issuer, backend, session_store)


async def _start(
    issuer: FakeIssuer, backend: FakeBackend, session_store: str, public_url: str, others: Mapping[str, str]
) -> AgentProcess:
    port = _free_port()
    settings = {
        "LISTEN": f"127.0.0.1:{port}",
        "PRIVATE_LISTEN": f"127.0.0.1:{_free_port()}",
        "PUBLIC_URL": public_url,
        "OIDC_PROVIDER": issuer.url,
        "OIDC_CLIENT_ID": issuer.client_id,
        "OIDC_CLIENT_SECRET": issuer.client_secret or "",
        "BACKEND": backend.url,
        "SESSION_STORE": session_store,
        "COOKIE_KEY": _COOKIE_KEY,
        **others,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bff",
        cwd=_ROOT,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.DEVNULL,
    )
    return AgentProcess(f"http://127.0.0.1:{port}", process)


async def _until_ready(agent: AgentProcess) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"{agent.url}/login/start")).status_code == httpx.codes.FOUND:
                    return
            except httpx.TransportError:
                assert agent.process.returncode is None, "the agent ended"
            await asyncio.sleep(0.05)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
