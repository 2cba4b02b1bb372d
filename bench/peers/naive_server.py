"""`python -m bench.peers.naive_server PORT UPSTREAM`: a proxy in thirty lines of aiohttp."""

import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host"}
CLIENT = web.AppKey("client", aiohttp.ClientSession)
UPSTREAM = web.AppKey("upstream", str)


async def open_client(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as client:
        app[CLIENT] = client
        yield


async def forward(request: web.Request) -> web.StreamResponse:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    headers["X-Forwarded-For"] = request.remote or ""
    body = request.content if request.can_read_body else None
    url = request.app[UPSTREAM] + request.raw_path
    async with request.app[CLIENT].request(
        request.method, url, headers=headers, data=body, allow_redirects=False
    ) as upstream:
        kept = {name: value for name, value in upstream.headers.items() if name.lower() not in _HOP_BY_HOP}
        response = web.StreamResponse(status=upstream.status, headers=kept)
        await response.prepare(request)
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


def main(port: int, upstream: str) -> None:
    app = web.Application()
    app[UPSTREAM] = f"http://{upstream}"
    app.cleanup_ctx.append(open_client)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, keepalive_timeout=120, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
