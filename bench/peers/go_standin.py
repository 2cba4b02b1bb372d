"""A stand-in for agents in Go, where a Go toolchain built it: the least that any of them does per request."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import redis.asyncio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.peers.base import BEARER_BYTES, EXTRAS, SESSIONS, Extra, ForwardAuth, Ground, Running
from bench.processes import Program, free_port, start
from bench.tools import GO_STANDIN, SETUP_HINT, first_line

COOKIE = "standin_session"
_HMAC_KEY, _SEAL_KEY = bytes(range(32)), bytes(range(32, 64))
_NONCE_BYTES = 12


@dataclass(frozen=True)
class GoStandin:
    key: str = "go"
    label: str = "Go stand-in, sessions in Redis"
    passes_bearer: bool = True
    extras: frozenset[Extra] = frozenset(EXTRAS)

    def is_available(self) -> str | None:
        return None if GO_STANDIN.exists() else f"no Go toolchain built it ({SETUP_HINT})"

    def version(self) -> str:
        return first_line([GO_STANDIN, "version"])

    @asynccontextmanager
    async def run(self, ground: Ground) -> AsyncIterator[Running]:
        port = free_port()
        settings = {
            "LISTEN": f"127.0.0.1:{port}",
            "UPSTREAM": f"http://{ground.upstream}",
            "REDIS": f"127.0.0.1:{ground.redis_port}",
            "COOKIE_NAME": COOKIE,
            "HMAC_KEY": _HMAC_KEY.hex(),
            "SEAL_KEY": _SEAL_KEY.hex(),
        }
        async with AsyncExitStack() as stack:
            cookies = await _write_sessions(ground.redis_port)
            program = Program(self.key, [GO_STANDIN], port, settings)
            pid = await start(stack, program, ground.cores.server, ground.folder)
            proofs = [f"\r\nAuthorization: Bearer {bearer_of(number)}\r\n" for number in range(SESSIONS)]
            yield Running(port, {self.key: pid}, cookies, ForwardAuth(port, proofs))


async def _write_sessions(redis_port: int) -> list[str]:
    seal = AESGCM(_SEAL_KEY)
    cookies = []
    async with redis.asyncio.Redis(port=redis_port) as client:
        for number in range(SESSIONS):
            # Made from the number: nobody but this machine ever sees them.
            name = base64.urlsafe_b64encode(hashlib.sha256(b"%d" % number).digest()[:24]).decode()
            nonce = number.to_bytes(_NONCE_BYTES, "big")
            sealed = nonce + seal.encrypt(nonce, bearer_of(number).encode(), None)
            await client.set(f"standin:{name}", sealed)
            signature = hmac.digest(_HMAC_KEY, name.encode(), "sha256")
            cookies.append(f"{COOKIE}={name}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")
    return cookies


def bearer_of(number: int) -> str:
    return (f"{number:04}" * BEARER_BYTES)[:BEARER_BYTES]
