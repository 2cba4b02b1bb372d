"""A process that serves as both servers do: `python -m tests.common.tiny_server HOST:PORT`.

`GET /slow` says on standard output that it runs, and answers when the process gets SIGUSR1.
"""

import asyncio
import signal
import sys

from aiohttp import web

from common.env import Environment
from common.logs import configure_logs
from common.serve import Listener, run_server, serve_until_stopped


async def main() -> None:
    configure_logs(debug=False)
    environment = Environment({"LISTEN": sys.argv[1]})
    address = environment.listen("LISTEN", "")
    environment.finish()
    released = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, released.set)

    async def slow(_request: web.Request) -> web.Response:
        print("slow", flush=True)  # noqa: T201 - the test reads it
        await released.wait()
        return web.Response(text="to its end")

    app = web.Application()
    app.router.add_get("/slow", slow)
    await serve_until_stopped([Listener("public", address, app)])


if __name__ == "__main__":
    run_server(main)
