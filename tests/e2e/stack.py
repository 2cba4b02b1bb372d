"""The whole product as real processes: what `make demo` starts, in a folder and on ports of its own.

The app answers on http://localhost, the provider on http://127.0.0.1: two sites to the browser, as in life.
"""

import asyncio
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ClientSession

from apiserver.server_key import key_file
from common.randomness import SystemRandomness
from common.tasks import Tasks
from deploy.demo.crew import Crew
from deploy.demo.folder import Folder, write_private
from deploy.demo.parts import ROOT, Part, Plan, other_parts, provider_part, write_provider_config
from deploy.demo.ports import choose_ports
from deploy.demo.ready import wait_until_it_answers
from deploy.demo.running import last_lines
from deploy.demo.secrets_kept import CLIENT_SECRET, COOKIE_KEY, keep_secrets
from tests.e2e.secrets_seen import SecretsSeen
from tests.fakes.providers import ADMIN, ALICE, BOB, RunningProvider, certified_provider

CONSOLE = ROOT / "console" / "dist"
ANSWERS_WITHIN_S = 40
OTHER_AUDIENCE = "urn:doorward:another-api"

# Below what systems hand out to outgoing connections, one of which could take a port between look and use;
# above 10080, which browsers refuse to open.
LOWEST_PORT, PORTS_EACH = 11_000, 20


@dataclass(frozen=True)
class Product:
    """One running product, the provider it logs in at, and the secrets that were seen on the way."""

    plan: Plan
    provider: RunningProvider
    secrets: SecretsSeen = field(default_factory=SecretsSeen)

    @property
    def url(self) -> str:
        return self.plan.url

    def private_url(self, part: str, path: str) -> str:
        """An address on the private listener of `web`, `device` or `apiserver`."""
        return f"http://127.0.0.1:{self.plan.ports.as_dict()[f'{part}_private']}{path}"

    async def gets_ready(self) -> None:
        """Returns when every part says by itself that it can do its work."""
        await _all_answer([part.ready_url for part in other_parts(self.plan)])

    def logs(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in sorted(self.plan.folder.logs.iterdir())}

    def remember_kept_secrets(self) -> None:
        """Those that nobody sees on the way: of the parts themselves, and of the users."""
        for name in (CLIENT_SECRET, COOKIE_KEY):
            self.secrets.add(name, self.plan.folder.secret_file(name).read_text())
        # Made by the API server itself, in products that have one.
        if (server_key := key_file(self.plan.folder.database)).exists():
            self.secrets.add("server key", server_key.read_text().strip())
        for user in self.provider.users:
            self.secrets.add("password", user.password)
            self.secrets.add("e-mail", user.email)

    def last_words(self) -> str:
        """The end of every log, for the report of a failed test."""
        logs = sorted(self.plan.folder.logs.iterdir())
        return "\n".join("\n".join([f"--- {log.name}", *last_lines(log)]) for log in logs)


class DevelopmentProvider:
    """The demo's provider, stopped and started while the rest goes on. Each run has a log of its own."""

    def __init__(self, plan: Plan, tasks: Tasks) -> None:
        self._part = provider_part(plan)
        self._folder = plan.folder
        self._tasks = tasks
        self._crew = Crew(plan.folder, tasks)
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        self._crew = Crew(self._folder, self._tasks)
        await self._crew.start(replace(self._part, name=f"provider-{next(self._numbers)}"))
        await _all_answer([self._part.ready_url])

    async def stop(self) -> None:
        await self._crew.stop()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Gone while the block runs, back after it, however it ends."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()


@dataclass(frozen=True)
class DevelopmentStack:
    product: Product
    provider: DevelopmentProvider


@asynccontextmanager
async def development_stack(
    folder: Path,
    *,
    provider_is_there: bool = True,
    lifetimes: Mapping[str, int] | None = None,
    port: int | None = None,
    web_agent: Mapping[str, str] | None = None,
) -> AsyncIterator[DevelopmentStack]:
    """The demo's parts. Without the provider, that one is for the test to start, and nobody is ready yet.

    `web_agent`: settings of the agent in web mode beyond the demo's.
    """
    plan = _plan(folder, port or _free_port())
    secrets = keep_secrets(plan.folder, SystemRandomness())
    write_provider_config(plan, secrets)
    _change_provider_config(plan, lifetimes or {})
    running = RunningProvider(issuer=plan.issuer, web_client_secret=secrets.client_secret)
    product = Product(plan, running)
    async with _last_words_on_failure(product), _tasks() as tasks, AsyncExitStack() as stack:
        provider = DevelopmentProvider(plan, tasks)
        stack.push_async_callback(provider.stop)
        if provider_is_there:
            await provider.start()
        parts = [_with_settings(part, web_agent or {}) for part in other_parts(plan)]
        await stack.enter_async_context(_running(parts, product, tasks, are_ready=provider_is_there))
        yield DevelopmentStack(product, provider)


@asynccontextmanager
async def certified_stack(folder: Path) -> AsyncIterator[Product]:
    """The same parts with the npm package oidc-provider in place of ours."""
    plan = _plan(folder, _free_port())
    async with certified_provider(
        [f"{plan.url}/login/end"], post_logout_redirect_uris=[f"{plan.url}/"]
    ) as running:
        plan.folder.secret(CLIENT_SECRET, lambda: running.web_client_secret)
        keep_secrets(plan.folder, SystemRandomness())
        port = urlsplit(running.issuer).port
        assert port is not None
        product = Product(replace(plan, ports=replace(plan.ports, provider=port)), running)
        async with (
            _last_words_on_failure(product),
            _tasks() as tasks,
            _running(other_parts(product.plan), product, tasks, are_ready=True),
        ):
            yield product


def _plan(path: Path, port: int) -> Plan:
    folder = Folder(path)
    folder.prepare()
    return Plan(folder, choose_ports(port, {}), _console(path))


def _console(folder: Path) -> Path:
    """The built one. Without it, tests that look at it are left out by the mark `browser`; others go on."""
    if (CONSOLE / "index.html").exists():
        return CONSOLE
    stand_in = folder / "console"
    stand_in.mkdir()
    (stand_in / "index.html").write_text("<title>The console is not built</title>")
    return stand_in


def _change_provider_config(plan: Plan, lifetimes: Mapping[str, int]) -> None:
    path = plan.folder.provider_config
    changes = {
        "users": [vars(user) for user in (ALICE, BOB, ADMIN)],
        "resources": [OTHER_AUDIENCE],
        "device_interval_s": 1,
        "lifetimes": dict(lifetimes),
    }
    write_private(path, json.dumps(json.loads(path.read_text()) | changes))


@asynccontextmanager
async def _last_words_on_failure(product: Product) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(product.last_words())
        raise


def _with_settings(part: Part, web_agent: Mapping[str, str]) -> Part:
    return replace(part, settings={**part.settings, **web_agent}) if part.name == "bff-web" else part


@asynccontextmanager
async def _running(
    parts: Sequence[Part], product: Product, tasks: Tasks, *, are_ready: bool
) -> AsyncIterator[None]:
    """All parts but the provider. At the end no log may hold a secret that was seen on the way."""
    crew = Crew(product.plan.folder, tasks)
    try:
        for part in parts:
            await crew.start(part)
        await _all_answer([part.ready_url if are_ready else _alive_url(part) for part in parts])
        yield
    finally:
        await crew.stop()
    product.remember_kept_secrets()
    leaks = product.secrets.leaks(product.logs())
    assert not leaks, leaks


def _alive_url(part: Part) -> str:
    return part.ready_url.replace("/readyz", "/healthz")


async def _all_answer(urls: list[str]) -> None:
    async with asyncio.timeout(ANSWERS_WITHIN_S), ClientSession() as session:
        await asyncio.gather(*(wait_until_it_answers(session, url) for url in urls))


@asynccontextmanager
async def _tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    try:
        yield tasks
    finally:
        await tasks.close()


def _free_port() -> int:
    first = LOWEST_PORT + os.getpid() % 1000 * PORTS_EACH
    return next(port for port in range(first, first + 10_000) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True
