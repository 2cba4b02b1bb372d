"""Requests that may be repeated: the same `Idempotency-Key` of the same caller makes one thing, once.

What is kept is which thing a key made and a hash of the request, never an answer: answers hold secrets.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from apiserver.audit.trail import Actor
from apiserver.storage.contracts import OvertakenError, Transaction
from common.problems import ProblemCode, ProblemError

_HEADER = "Idempotency-Key"
KEY_FORM = "[!-~]{1,255}"
_FORM = re.compile(KEY_FORM)


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """A request with a key; `caller` keeps the keys of different callers apart."""

    caller: str
    key: str
    request_hash: bytes

    async def former_resource(self, transaction: Transaction) -> str | None:
        """The id of what this request made before; None at the first time.

        Raises `ProblemError` when the key was used for another request.
        """
        former = await transaction.idempotency_keys.find(self.caller, self.key)
        if former is None:
            return None
        if former.request_hash != self.request_hash:
            raise ProblemError(
                ProblemCode.IDEMPOTENCY_KEY_REUSED,
                "This Idempotency-Key was sent with another request. Take a new key for a new request.",
            )
        return former.resource_id

    async def remember(self, transaction: Transaction, resource_id: str, now: datetime) -> None:
        """Raises `OvertakenError` when the same request was done by another server meanwhile."""
        is_first = await transaction.idempotency_keys.add(
            self.caller, self.key, request_hash=self.request_hash, resource_id=resource_id, now=now
        )
        if not is_first:
            raise OvertakenError


def repeatable_request(request: web.Request, body: bytes, actor: Actor) -> RepeatableRequest | None:
    """None where the client sends no key; raises `ProblemError` for one of another form."""
    keys = request.headers.getall(_HEADER, [])
    if not keys:
        return None
    if len(keys) > 1 or not _FORM.fullmatch(keys[0]):
        raise ProblemError(
            ProblemCode.BAD_REQUEST, "Idempotency-Key is one line of 1 to 255 printable ASCII characters."
        )
    said = b"\0".join([request.method.encode(), request.path.encode(), body])
    return RepeatableRequest(f"{actor.kind}:{actor.id}", keys[0], hashlib.sha256(said).digest())


def secret_already_used() -> ProblemError:
    """For a repeated request whose secret has arrived: a new one would lock out who uses it."""
    return ProblemError(
        ProblemCode.SECRET_ALREADY_USED,
        "This request was done before, and the secret that it answered is in use.",
    )
