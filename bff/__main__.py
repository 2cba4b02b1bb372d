"""`python -m bff`: the agent as a process."""

import structlog

from bff.app import build_app, build_private_app, front_of, open_door, open_parts, private_front_of
from bff.proxy.limits import Limits
from bff.settings import read_settings, unsafe_settings
from common.clock import SystemClock
from common.env import read_environment
from common.logs import configure_logs
from common.randomness import SystemRandomness
from common.serve import Listener, run_server, serve_until_stopped

log = structlog.get_logger(__name__)


async def main() -> None:
    clock, randomness = SystemClock(), SystemRandomness()
    configure_logs(debug=False)
    settings, secrets = read_settings(read_environment(), randomness)
    configure_logs(debug=settings.debug)
    for sentence in unsafe_settings(settings):
        log.warning("unsafe_setting", what=sentence)
    async with (
        open_parts(settings, secrets, clock, randomness) as parts,
        open_door(settings, parts, Limits()) as door,
    ):
        public = Listener(
            "public",
            settings.listen,
            build_app(settings, parts, door),
            ends_with_client=True,
            front=front_of(settings, door),
            # Sessions in memory are known to one process only.
            shares_port=secrets.session_store is not None,
        )
        private = Listener(
            "private",
            settings.private_listen,
            build_private_app(settings, parts),
            front=private_front_of(settings, door),
        )
        await serve_until_stopped([private, public])


if __name__ == "__main__":
    run_server(main)
