"""`python -m apiserver`: serves until SIGTERM. With a command: `apiserver.commands`."""

import sys

from apiserver.app import build_app, build_private_app, open_parts
from apiserver.commands import read_command, run_command
from apiserver.settings import read_database, read_settings
from common.env import read_environment
from common.logs import configure_logs
from common.serve import Listener, faults_told, run_server, serve_until_stopped


async def serve() -> None:
    settings, secrets = read_settings(read_environment())
    configure_logs(debug=settings.debug)
    async with open_parts(settings, secrets) as parts:
        await serve_until_stopped(
            [
                Listener("public", settings.listen, build_app(settings, parts)),
                Listener("private", settings.private_listen, build_private_app(settings, parts)),
            ]
        )


def main() -> None:
    command = read_command(sys.argv[1:])
    if command.name is None:
        run_server(serve)
        return
    with faults_told():
        database = read_database(read_environment())
    raise SystemExit(run_command(command.name, command.path, database))


if __name__ == "__main__":
    main()
