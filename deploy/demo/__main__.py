"""`python -m deploy.demo`: what `make demo` runs once everything is installed."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from rich.console import Console

from common.randomness import SystemRandomness
from deploy.demo.errors import DemoError
from deploy.demo.folder import Folder
from deploy.demo.parts import ROOT, Plan, write_provider_config
from deploy.demo.ports import choose_ports
from deploy.demo.running import Demo, shown
from deploy.demo.secrets_kept import keep_secrets
from deploy.demo.welcome import Screen


def main() -> int:
    options = _options()
    # Files of the parts too are for their owner alone: the database, Caddy's keys, the logs.
    os.umask(0o077)
    screen = Screen(Console(highlight=False, emoji=False))
    try:
        return 0 if _run(options, screen) else 1
    except DemoError as error:
        screen.problem(str(error), [])
        return 1
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description="Everything on this machine.")
    parser.add_argument(
        "--port", default=os.environ.get("PORT") or "8080", help="of the site; default: PORT, else 8080"
    )
    parser.add_argument("--data", type=Path, default=ROOT / ".demo", help="folder for data, secrets and logs")
    parser.add_argument(
        "--console", type=Path, default=ROOT / "console" / "dist", help="folder of the built console"
    )
    return parser.parse_args()


def _run(options: argparse.Namespace, screen: Screen) -> bool:
    port = _port(options.port)
    console = options.console.resolve()
    if not (console / "index.html").exists():
        raise DemoError(f"The console is not built in {shown(console)}: `make demo` builds it.")
    folder = Folder(options.data.resolve())
    folder.prepare()
    with folder.alone(f"http://localhost:{port}, process {os.getpid()}"):
        ports = choose_ports(port, folder.ports())
        folder.keep_ports(ports.as_dict())
        secrets = keep_secrets(folder, SystemRandomness())
        plan = Plan(folder, ports, console)
        write_provider_config(plan, secrets)
        return asyncio.run(Demo(plan, secrets, screen).run())


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise DemoError(f"PORT is {text!r}: it must be a number, such as PORT=9000 make demo")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
