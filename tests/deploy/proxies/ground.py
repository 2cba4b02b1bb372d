"""What stands behind the proxies: the real servers, a provider, and a service that says what it got."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import ClientSession

from common.randomness import SystemRandomness
from common.tasks import Tasks
from deploy.demo.crew import Crew
from deploy.demo.folder import Folder
from deploy.demo.parts import AUDIENCE, Part, Plan, other_parts, provider_part, write_provider_config
from deploy.demo.ports import choose_ports
from deploy.demo.ready import wait_until_it_answers
from deploy.demo.secrets_kept import keep_secrets
from deploy.provider.paths import JWKS
from tests.deploy.caddy_door import ROOT, free_port
from tests.fakes.backend import FakeBackend, run_backend
from tests.fakes.providers import ProviderUser

READY_WITHIN_S = 40
SERVICE_AUDIENCE = "example-service"
ROUTES = ROOT / "deploy" / "examples" / "routes.toml"


@dataclass(frozen=True)
class Wiring:
    """What a proxy is told: its port, `host:port` of everything behind it, who signs what it verifies.

    `public_url` is the product's address, which only one proxy at a time can listen at.
    """

    port: int
    agent: str
    agent_private: str
    agent_device: str
    apiserver: str
    apiserver_private: str
    service: str
    public_url: str
    issuer: str
    issuer_keys: str

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@dataclass(frozen=True)
class Ground:
    folder: Folder
    tasks: Tasks
    wiring: Wiring
    service: FakeBackend
    alice: ProviderUser
    bob: ProviderUser


@asynccontextmanager
async def run_ground(path: Path) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        plan = _plan(path)
        passwords = _configure(plan)
        service = await stack.enter_async_context(run_backend())
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        crew = Crew(plan.folder, tasks)
        stack.push_async_callback(crew.stop)
        for parts in ([provider_part(plan)], _servers(plan)):
            for part in parts:
                await crew.start(part)
            await all_answer(parts)
        alice, bob = (
            ProviderUser(name, passwords[name], name.capitalize(), f"{name}@example.com")
            for name in ("alice", "bob")
        )
        yield Ground(plan.folder, tasks, _wiring(plan, service), service, alice, bob)


async def all_answer(parts: list[Part]) -> None:
    async with asyncio.timeout(READY_WITHIN_S), ClientSession() as session:
        for part in parts:
            await wait_until_it_answers(session, part.ready_url)


def _plan(path: Path) -> Plan:
    folder = Folder(path)
    folder.prepare()
    return Plan(folder, choose_ports(free_port(), {}), path)


def _configure(plan: Plan) -> dict[str, str]:
    secrets = keep_secrets(plan.folder, SystemRandomness())
    write_provider_config(plan, secrets)
    return secrets.passwords


def _servers(plan: Plan) -> list[Part]:
    """Those of the demo but Caddy, with what forward-auth needs beyond."""
    # All tests come from one address, and are faster than people.
    unlimited = {"RATE_LIMIT_ADDRESS": "off"}
    settings = {
        "bff-web": {"ROUTES": str(ROUTES), **unlimited},
        "bff-device": unlimited,
        "apiserver": {
            "PUBLIC_URL": plan.url,
            "TOKEN_AUDIENCES": f"{AUDIENCE},{SERVICE_AUDIENCE}",
            **unlimited,
        },
    }
    return [
        replace(part, settings=part.settings | settings[part.name])
        for part in other_parts(plan)
        if part.name in settings
    ]


def _wiring(plan: Plan, service: FakeBackend) -> Wiring:
    ports = plan.ports
    return Wiring(
        port=ports.public,
        agent=f"127.0.0.1:{ports.web}",
        agent_private=f"127.0.0.1:{ports.web_private}",
        agent_device=f"127.0.0.1:{ports.device}",
        apiserver=f"127.0.0.1:{ports.apiserver}",
        apiserver_private=f"127.0.0.1:{ports.apiserver_private}",
        service=service.url.removeprefix("http://"),
        public_url=plan.url,
        issuer=plan.issuer,
        issuer_keys=f"{plan.issuer}{JWKS}",
    )
