"""Several `python -m apiserver` on one database, and a client that calls now this one, now that one."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from apiserver.audit.chain import AuditEvent, Fault, audit_key, verify
from apiserver.storage.contracts import Storage
from apiserver.storage.location import DatabaseLocation, PostgresAddress, SqliteFile
from apiserver.storage.records import AuditPage
from apiserver.storage.sql import open_storage
from apiserver.tenants.tenants import TenantId
from tests.apiserver.server import AUDIENCE, environment
from tests.fakes.issuer import FakeIssuer
from tests.fakes.waiting import until

API = "/api/v1"
_ROOT = Path(__file__).parents[2]
SERVER_KEY = bytes(range(32))
_START_TIME_S = 30
# How often a client repeats what could not be done now, and how long it waits before.
_TRIES, _WAIT_S = 20, 0.1


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any

    @property
    def code(self) -> str | None:
        return None if self.status < 400 else str(self.body["code"])


@dataclass
class ServerProcess:
    """One server, which can be killed and started again at the same address."""

    variables: Mapping[str, str]
    log_file: Path
    url: str = ""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it listens. Without an address of its own it takes a free one, and keeps it."""
        told = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "apiserver",
                cwd=self.log_file.parent, stdout=log, stderr=log,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), **self.variables},
            )  # fmt: skip
        process = self.process
        await until(
            lambda: (
                b'"listener":"private"' in self.log_file.read_bytes()[told:] or process.returncode is not None
            ),
            _START_TIME_S,
        )
        assert process.returncode is None, self.log_file.read_text()
        port = self._port(self.log_file.read_bytes()[told:])
        self.url = f"http://127.0.0.1:{port}"
        self.variables = {**self.variables, "LISTEN": f"127.0.0.1:{port}"}

    async def kill(self) -> None:
        """`kill -9`: nothing is finished, nothing is given back."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    def _port(self, log: bytes) -> int:
        events = [json.loads(line) for line in log.splitlines() if b'"listening"' in line]
        return next(int(event["port"]) for event in events if event["listener"] == "public")


@dataclass
class Fleet:
    """`unavailable` counts the answers that told a client to try again."""

    issuer: FakeIssuer
    servers: list[ServerProcess]
    client: aiohttp.ClientSession
    storage: Storage
    """The same database, opened by the test as one more server would."""
    unavailable: int = 0
    _numbers: "count[int]" = field(default_factory=count)

    async def person(self) -> "Person":
        """Somebody new, with a tenant of their own."""
        person = Person(self, f"person-{next(self._numbers)}", "", "")
        me = (await person.call("GET", "/users/me")).body
        person.id, person.tenant_id = me["id"], me["personal_tenant_id"]
        return person

    async def call(self, method: str, path: str, bearer: str, **body: Any) -> Reply:
        """By the next server; again, as clients do, when it says that it cannot now."""
        for _ in range(_TRIES):
            reply = await self.call_once(method, path, bearer, **body)
            if reply.status != 503:
                return reply
            self.unavailable += 1
            await asyncio.sleep(_WAIT_S)
        return reply

    async def call_once(
        self, method: str, path: str, bearer: str, *, headers: Mapping[str, str] | None = None, **body: Any
    ) -> Reply:
        server = self.servers[next(self._numbers) % len(self.servers)]
        sent = {"Authorization": f"Bearer {bearer}", **(headers or {})}
        async with self.client.request(method, f"{server.url}{API}{path}", headers=sent, **body) as answer:
            return Reply(answer.status, await answer.json(content_type=None))


@dataclass
class Person:
    fleet: Fleet
    subject: str
    id: str
    tenant_id: str

    def bearer(self) -> str:
        return self.fleet.issuer.access_token(self.subject)

    async def call(self, method: str, path: str, **body: Any) -> Reply:
        return await self.fleet.call(method, path, self.bearer(), **body)

    async def done(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        reply = await self.call(method, path, **body)
        assert reply.status < 300, reply.body
        return dict(reply.body)

    async def token(self, **fields: Any) -> dict[str, Any]:
        """A new registration token, as it is answered."""
        return await self.done("POST", "/registration-tokens", json={"label": "lab", **fields})

    async def uses(self, token: Mapping[str, Any]) -> int:
        return int((await self.done("GET", f"/registration-tokens/{token['id']}"))["uses"])

    async def devices(self, **query: str) -> list[dict[str, Any]]:
        """All of them, page by page."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            body = await self.done("GET", "/devices", params={"limit": "200", **query, **cursor})
            found += body["items"]
            if body["next_cursor"] is None:
                return found
            cursor = {"cursor": body["next_cursor"]}

    async def audit(self) -> tuple[list[AuditEvent], list[Fault]]:
        """All events of the tenant, and what is wrong with their chain."""
        tenant_id, storage = TenantId(self.tenant_id), self.fleet.storage
        page = AuditPage(tenant_id=tenant_id, limit=100_000, is_newest_first=False)
        events = list(await storage.read(lambda view: view.audit.page(page)))
        head = await storage.read(lambda view: view.audit.head(tenant_id))
        key = audit_key(SERVER_KEY)

        async def in_order() -> AsyncIterator[AuditEvent]:
            for event in events:
                yield event

        return events, await verify({key.id: key.key}, in_order(), head)


@asynccontextmanager
async def running_fleet(
    database: Path | str, folder: Path, size: int, **settings: str
) -> AsyncIterator[Fleet]:
    """`database` is the file of SQLite, or the address of another one; `settings` beyond the needed ones."""
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(FakeIssuer.start(audience=AUDIENCE))
        variables = environment(
            issuer.url,
            database,
            LISTEN="127.0.0.1:0",
            PRIVATE_LISTEN="127.0.0.1:0",
            SERVER_KEY=base64.b64encode(SERVER_KEY).decode(),
            **settings,
        )
        servers = [ServerProcess(variables, folder / f"server-{number}.log") for number in range(size)]
        for server in servers:
            stack.push_async_callback(server.stop)
        await asyncio.gather(*(server.start() for server in servers))
        client = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))
        )
        yield Fleet(issuer, servers, client, await open_storage(stack, _location(database)))


def _location(database: Path | str) -> DatabaseLocation:
    return SqliteFile(database) if isinstance(database, Path) else PostgresAddress(database)
