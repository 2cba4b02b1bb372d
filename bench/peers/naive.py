"""The proxy that one writes first: aiohttp's server and its client, for scale."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import aiohttp

from bench.peers.base import Extra, Ground, Running, run_alone
from bench.processes import free_port, python_program


@dataclass(frozen=True)
class Naive:
    key: str = "naive"
    label: str = "aiohttp server and ClientSession, no sessions"
    passes_bearer: bool = False
    extras: frozenset[Extra] = frozenset({"idle"})

    def is_available(self) -> str | None:
        return None

    def version(self) -> str:
        return f"aiohttp {aiohttp.__version__}"

    def run(self, ground: Ground) -> AbstractAsyncContextManager[Running]:
        port = free_port()
        program = python_program(self.key, "bench.peers.naive_server", port, str(port), ground.upstream)
        return run_alone(ground, program)
