"""A site of somebody else, with pages that a test writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web


@dataclass
class OtherSite:
    """`page` is what it serves, whatever is asked for."""

    port: int
    page: str = ""

    def address(self, host: str = "127.0.0.1") -> str:
        """`127.0.0.1`: another site than the app's. `localhost`: the same site, another origin."""
        return f"http://{host}:{self.port}/"


@asynccontextmanager
async def other_site() -> AsyncIterator[OtherSite]:
    async def serve(_request: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><title>Prizes</title>{site.page}", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site = OtherSite(port=runner.addresses[0][1])
    try:
        yield site
    finally:
        await runner.cleanup()
