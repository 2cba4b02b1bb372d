"""aiohttp's hello, for scale: `python -m bench.api.hello PORT`, on uvloop as the servers are."""

import sys

import uvloop
from aiohttp import web


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="Hello, world.")


async def serve(port: int) -> None:
    app = web.Application()
    app.router.add_get("/", hello)
    await web._run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)  # noqa: SLF001 - run_app starts a loop of its own kind


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
