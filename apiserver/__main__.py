"""`python -m apiserver`: serves until SIGTERM."""

from apiserver.app import build_app, build_private_app, open_parts
from apiserver.settings import read_settings
from common.env import read_environment
from common.logs import configure_logs
from common.serve import Listener, run_server, serve_until_stopped


async def main() -> None:
    settings, secrets = read_settings(read_environment())
    configure_logs(debug=settings.debug)
    async with open_parts(settings, secrets) as parts:
        await serve_until_stopped(
            [
                Listener("public", settings.listen, build_app(settings, parts)),
                Listener("private", settings.private_listen, build_private_app(parts)),
            ]
        )


if __name__ == "__main__":
    run_server(main)
