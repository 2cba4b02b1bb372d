"""`python -m bench.storm_provider PORT`: the tests' provider as a process of its own, with a way to steer it.

It prints its address, serves `PORT` to whoever measures, and revokes a family of tokens on reuse as most
providers do.
"""

import asyncio
import sys

import uvloop
from aiohttp import web

from bench.peers.doorward import CLIENT, CLIENT_SECRET
from tests.fakes.issuer import FakeIssuer

ISSUER = web.AppKey("issuer", FakeIssuer)


async def tell(request: web.Request) -> web.Response:
    """Its address, and how it was asked for tokens so far."""
    issuer = request.app[ISSUER]
    grants = [form.get("grant_type") for form in issuer.token_requests]
    refreshes = [
        seconds
        for seconds, grant in zip(issuer.token_times_s, grants, strict=False)
        if grant == "refresh_token"
    ]
    return web.json_response({"url": issuer.url, "refresh_times_s": refreshes})


async def switch(request: web.Request) -> web.Response:
    """How long tokens live from now on, and how long it thinks before it gives one."""
    issuer, wanted = request.app[ISSUER], await request.json()
    issuer.expires_in_s, issuer.token_delay_s = wanted["expires_in_s"], wanted["token_delay_s"]
    return web.json_response({})


async def consent(request: web.Request) -> web.Response:
    wanted = await request.json()
    return web.json_response(request.app[ISSUER].authorize(wanted["address"], sub=wanted["sub"]))


async def serve(port: int) -> None:
    async with FakeIssuer.start(client_id=CLIENT, client_secret=CLIENT_SECRET) as issuer:
        app = web.Application()
        app[ISSUER] = issuer
        app.add_routes([web.get("/", tell), web.post("/switch", switch), web.post("/consent", consent)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
