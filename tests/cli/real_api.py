"""The real API server for the command line: in a loop of its own, because the command blocks this one."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog

from apiserver.devices.device import DeviceId, expire
from apiserver.storage.contracts import Transaction
from apiserver.tenants.tenants import DeviceApproval, Role, TenantId
from cli.answers import Provider
from cli.keep import Credentials, Keep
from tests.apiserver.callers import Caller, shared_tenant, user
from tests.apiserver.server import AUDIENCE, ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

PATIENCE_S = 20

T = TypeVar("T")


@dataclass(frozen=True)
class RealApi:
    server: ApiServer
    issuer: FakeIssuer
    clock: FakeClock
    _loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        port = self.server.public.port
        assert port is not None
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of what has to run beside the server."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def user(self, name: str) -> Caller:
        return user(self.server, self.issuer, name)

    def done(self, method: str, path: str, body: Any = None, *, by: str = "alice") -> Any:
        """What the API answers this user, without the command line."""
        return self.run(self.user(by).done(method, path, body))

    def registration_token(self, **fields: Any) -> str:
        """The secret of a new one of alice's."""
        body = {"label": "of the test", **fields}
        return str(self.done("POST", "/registration-tokens", body)["token"])

    def devices(self, by: str = "alice", **query: str) -> list[dict[str, Any]]:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        items: list[dict[str, Any]] = self.done("GET", f"/devices?{parameters}", by=by)["items"]
        return items

    def shared_tenant(self, roles: dict[str, Role], approval: DeviceApproval) -> TenantId:
        """One called Shared, with these members."""
        members = {self.user(name): role for name, role in roles.items()}
        return self.run(shared_tenant(self.server, members, approval=approval))

    def expire(self, device_id: str) -> None:
        """As happens to an ephemeral device that is silent for too long."""

        async def work(transaction: Transaction) -> None:
            device = await transaction.devices.locked(DeviceId(device_id))
            assert device is not None
            now = self.clock.now()
            await transaction.devices.free_addresses(device.id)
            await transaction.devices.revoke_all_tokens(device.id, now)
            assert await transaction.devices.update(expire(device, now), former_version=device.version)

        self.run(self.server.parts.storage.write(work))

    def log_in(self, folder: Path, name: str = "alice") -> None:
        """As after `doorward login`, which the agent would be needed for."""
        endpoint = f"{self.issuer.url}/token"
        provider = Provider(
            token_endpoint=endpoint, client_id="doorward-cli", issuer=self.issuer.url, scopes=()
        )
        expires_at = self.clock.now() + timedelta(days=1)
        token = self.issuer.access_token(name, exp=int(expires_at.timestamp()))
        with Keep(folder).locked() as keep:
            keep.put_new(self.url, Credentials(provider, token, expires_at))


@contextmanager
def real_api(database: Path, clock: FakeClock) -> Iterator[RealApi]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE_S)

    async def start() -> RealApi:
        issuer = await stack.enter_async_context(FakeIssuer.start(audience=AUDIENCE, clock=clock))
        server = await stack.enter_async_context(api_server(issuer, database, clock))
        return RealApi(server, issuer, clock, loop)

    # What it logs would stand in the middle of what the command prints.
    with structlog.testing.capture_logs():
        try:
            yield run(start())
        finally:
            run(stack.aclose())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
