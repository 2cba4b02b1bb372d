"""In place of Doorward's private listeners: keeps what a proxy asked, and answers what a test wants."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from common.identity import IDENTITY_HEADERS
from tests.fakes.backend import Seen

EMPTY = dict.fromkeys(IDENTITY_HEADERS, "")


@dataclass
class Checker:
    """`headers` and `status` are what it answers. `jwt`: a good one, for those that need one."""

    address: str = ""
    jwt: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    asked: list[Seen] = field(default_factory=list)

    def lets_pass(self, **headers: str) -> None:
        """With the JWT, as somebody."""
        self.answers(200, Authorization=f"Bearer {self.jwt}", **headers)

    def answers(self, status: int, /, **headers: str) -> None:
        """Every identity header, empty but for those given: names with underscores for hyphens."""
        self.status = status
        self.headers = EMPTY | {name.replace("_", "-"): value for name, value in headers.items()}

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.append(Seen(request.method, request.raw_path, list(request.headers.items()), body))
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def run_checker() -> AsyncIterator[Checker]:
    checker = Checker()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", checker.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        checker.address = f"127.0.0.1:{runner.addresses[0][1]}"
        yield checker
    finally:
        await runner.cleanup()
