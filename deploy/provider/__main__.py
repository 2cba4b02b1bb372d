"""`python -m deploy.provider CONFIG.json`: serves the development provider until SIGTERM or SIGINT."""

import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from common.clock import SystemClock
from common.randomness import SystemRandomness
from deploy.provider.app import build_provider
from deploy.provider.config import Config, ConfigurationError, read_config

USAGE = "usage: python -m deploy.provider CONFIG.json"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        config = read_config(Path(arguments[0]))
        app = build_provider(config, clock=SystemClock(), randomness=SystemRandomness())
    except ConfigurationError as error:
        print("The development provider does not start:", file=sys.stderr)
        print("\n".join(f"- {fault}" for fault in error.faults), file=sys.stderr)
        return 2
    return asyncio.run(serve(config, app))


async def serve(config: Config, app: web.Application) -> int:
    # No access log: it would hold codes and login hints.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.listen_host, config.listen_port).start()
    except OSError as error:
        print(f"Port {config.listen_port} cannot be used: {error.strerror}.", file=sys.stderr)
        await runner.cleanup()
        return 1
    print(f"The development provider listens on {config.issuer}", flush=True)
    await _asked_to_stop()
    await runner.cleanup()
    return 0


async def _asked_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
