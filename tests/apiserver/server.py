"""The real API server on loopback ports, for tests."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from apiserver.app import Parts, build_app, build_private_app, open_parts
from apiserver.settings import read_settings
from common.clock import Clock
from common.serve import make_runner
from tests.apiserver.documented import documented_refusals
from tests.fakes.issuer import FakeIssuer

ME = "/api/v1/users/me"
AUDIENCE = "doorward-api"

Client = TestClient[web.Request, web.Application]


class RealRunner(TestServer):
    """Runs the application as `python -m apiserver` does."""

    async def _make_runner(self, **_options: Any) -> web.AppRunner:
        return make_runner(self.app, drain_time_s=0.1)


@dataclass(frozen=True)
class ApiServer:
    public: Client
    private: Client
    parts: Parts

    async def get_me(self, token: str) -> ClientResponse:
        return await self.public.get(ME, headers={"Authorization": f"Bearer {token}"})

    async def me(self, token: str) -> dict[str, Any]:
        """The user whom this token signs in."""
        answer = await self.get_me(token)
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


def environment(issuer_url: str, database: Path | str, **more: str) -> Mapping[str, str]:
    """`database` is the file of SQLite, or the address of another one."""
    return {
        "OIDC_PROVIDER": issuer_url,
        "OIDC_AUDIENCE": AUDIENCE,
        "DATABASE_URL": f"sqlite:///{database}" if isinstance(database, Path) else database,
        **more,
    }


@asynccontextmanager
async def api_server(
    issuer: FakeIssuer, database: Path | str, clock: Clock | None = None, **more: str
) -> AsyncIterator[ApiServer]:
    settings, secrets = read_settings(environment(issuer.url, database, **more))
    async with open_parts(settings, secrets, clock=clock) as parts:
        app = build_app(settings, parts)
        with documented_refusals(app):
            async with (
                TestClient(RealRunner(app)) as public,
                TestClient(RealRunner(build_private_app(settings, parts))) as private,
            ):
                yield ApiServer(public, private, parts)
