"""Caddy, in three ways: plain, with forward-auth, and in front of Doorward."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.base import EXTRAS, Extra, Ground, Peer, Running, run_alone
from bench.processes import Program, free_port, start
from bench.tools import first_line
from bench.traffic import NOTHING_PATH

CADDY = Path(sys.executable).with_name("caddy")

# As many idle connections upstream as the load has: with the default of 32 half of them would be made anew.
_CONFIG = """{{
	admin off
	persist_config off
	auto_https off
	skip_install_trust
	storage file_system "{folder}"
	default_bind 127.0.0.1
}}
http://:{port} {{
{before}	reverse_proxy {upstream} {{
		transport http {{
			keepalive 2m
			keepalive_idle_conns_per_host 512
			compression off
		}}
	}}
}}
"""

_FORWARD_AUTH = """	forward_auth {upstream} {{
		uri {path}
		transport http {{
			keepalive 2m
			keepalive_idle_conns_per_host 512
			compression off
		}}
	}}
"""


def _fault() -> str | None:
    return None if CADDY.exists() else "no caddy beside Python (make demo)"


def _program(ground: Ground, name: str, upstream: str, before: str = "") -> Program:
    port = free_port()
    config = ground.folder / f"{name}.Caddyfile"
    storage = ground.folder / f"{name}-storage"
    config.write_text(_CONFIG.format(folder=storage, port=port, upstream=upstream, before=before))
    command: list[str | Path] = [CADDY, "run", "--adapter", "caddyfile", "--config", config]
    return Program(name, command, port, {"XDG_CONFIG_HOME": str(storage), "XDG_DATA_HOME": str(storage)})


@dataclass(frozen=True)
class CaddyPlain:
    key: str = "caddy"
    label: str = "Caddy, plain reverse_proxy"
    passes_bearer: bool = False
    extras: frozenset[Extra] = frozenset(EXTRAS)

    def is_available(self) -> str | None:
        return _fault()

    def version(self) -> str:
        return "Caddy " + first_line([CADDY, "version"]).partition(" ")[0]

    def run(self, ground: Ground) -> AbstractAsyncContextManager[Running]:
        return run_alone(ground, _program(ground, self.key, ground.upstream))


@dataclass(frozen=True)
class CaddyForwardAuth:
    """The server that it asks says 204 to everything and runs on the other core: only asking is measured."""

    key: str = "caddy-forward-auth"
    label: str = "Caddy, forward_auth to a 204"
    passes_bearer: bool = False
    extras: frozenset[Extra] = frozenset()

    def is_available(self) -> str | None:
        return _fault()

    def version(self) -> str:
        return CaddyPlain().version()

    def run(self, ground: Ground) -> AbstractAsyncContextManager[Running]:
        before = _FORWARD_AUTH.format(upstream=ground.upstream, path=NOTHING_PATH.decode())
        return run_alone(ground, _program(ground, self.key, ground.upstream, before))


@dataclass(frozen=True)
class BehindCaddy:
    """Another peer with Caddy before it, both on the same core."""

    behind: Peer
    extras: frozenset[Extra] = frozenset()

    @property
    def key(self) -> str:
        return f"caddy-{self.behind.key}"

    @property
    def label(self) -> str:
        return f"Caddy before {self.behind.label}"

    @property
    def passes_bearer(self) -> bool:
        return self.behind.passes_bearer

    def is_available(self) -> str | None:
        return _fault() or self.behind.is_available()

    def version(self) -> str:
        return CaddyPlain().version()

    @asynccontextmanager
    async def run(self, ground: Ground) -> AsyncIterator[Running]:
        async with AsyncExitStack() as stack:
            behind = await stack.enter_async_context(self.behind.run(ground))
            program = _program(ground, self.key, f"127.0.0.1:{behind.port}")
            pid = await start(stack, program, ground.cores.server, ground.folder)
            yield Running(program.port, {"caddy": pid, **behind.pids}, behind.cookies)
