"""Login transactions: what must be remembered between `/login/start` and `/login/end`, one per tab.

Each lives in an encrypted cookie of its own, named by a hash of its state. So the back button, a second tab
and a double click each find their own; and a callback in a browser that did not start it finds nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from aiohttp import web

from bff.session.seal import Sealer
from common.clock import Clock
from common.randomness import Randomness, token_urlsafe

LIFETIME = timedelta(minutes=10)
MOST_AT_ONCE = 5

_PURPOSE = "login-transaction"
_RESTARTED = "r."
_STATE_ID = re.compile(r"[0-9a-f]{32}")


class LoginTransaction(msgspec.Struct, frozen=True, array_like=True):
    """One login that is under way."""

    state: str
    nonce: str
    verifier: str
    started_at: datetime
    return_to: str
    failure_to: str | None
    max_age_s: int | None
    acr_values: str | None

    def __repr__(self) -> str:
        return "LoginTransaction(***)"


def new_transaction(
    randomness: Randomness,
    now: datetime,
    *,
    return_to: str,
    failure_to: str | None,
    asked: Mapping[str, str],
    is_restart: bool = False,
) -> LoginTransaction:
    """`asked` holds the parameters that are passed through to the provider and checked again at the end."""
    max_age = asked.get("max_age")
    return LoginTransaction(
        state=(_RESTARTED if is_restart else "") + token_urlsafe(randomness),
        nonce=token_urlsafe(randomness),
        verifier=token_urlsafe(randomness, 48),
        started_at=now,
        return_to=return_to,
        failure_to=failure_to,
        max_age_s=int(max_age) if max_age is not None else None,
        acr_values=asked.get("acr_values"),
    )


def step_up_asked(transaction: LoginTransaction) -> dict[str, str]:
    """What a login that is started once more must ask for again, or the step-up would be lost."""
    asked = {} if transaction.max_age_s is None else {"max_age": str(transaction.max_age_s)}
    return asked if transaction.acr_values is None else asked | {"acr_values": transaction.acr_values}


def is_restart(state: str) -> bool:
    """Whether this login was already started once more by us: a second time would be a loop."""
    return state.startswith(_RESTARTED)


def state_id(state: str) -> str:
    return hashlib.sha256(b"doorward/login-state/v1" + state.encode()).hexdigest()[:32]


def login_cookie_prefix(*, is_secure: bool) -> str:
    return "__Host-doorward_login_" if is_secure else "doorward_login_"


@dataclass(frozen=True)
class TransactionCookies:
    """Writes, finds and drops transaction cookies."""

    sealer: Sealer
    clock: Clock
    is_secure: bool

    def add(self, request: web.Request, response: web.StreamResponse, transaction: LoginTransaction) -> None:
        """Set the cookie of a new transaction; the oldest ones go, so that cookies never pile up to a 431."""
        self._drop_too_many(request, response, keep=MOST_AT_ONCE - 1)
        name = self._name(transaction.state)
        sealed = self.sealer.seal(_PURPOSE, name, msgspec.msgpack.encode(transaction))
        response.set_cookie(
            name,
            base64.urlsafe_b64encode(sealed).rstrip(b"=").decode(),
            max_age=int(LIFETIME.total_seconds()),
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="Lax",
        )

    def find(self, request: web.Request, state: str) -> LoginTransaction | None:
        """The transaction of this state, if this browser started it less than ten minutes ago."""
        name = self._name(state)
        transaction = self._open(name, request.cookies.get(name, ""))
        if transaction is None or not hmac.compare_digest(transaction.state, state):
            return None
        return transaction

    def drop(self, request: web.Request, response: web.StreamResponse, state: str) -> None:
        """The transaction is over. Tabs that all started at once may have left too many others."""
        self._drop_too_many(request, response, keep=MOST_AT_ONCE)
        self._drop_cookie(response, self._name(state))

    def is_ours(self, cookie_name: str) -> bool:
        """Whether the name could be one of ours. Only `is_one` names can be set and dropped."""
        return cookie_name.startswith(self.name_prefix)

    def is_one(self, cookie_name: str) -> bool:
        """Whether the name is exactly of our form: others, planted, may not even be valid names."""
        state_part = cookie_name.removeprefix(self.name_prefix)
        return self.is_ours(cookie_name) and _STATE_ID.fullmatch(state_part) is not None

    @property
    def name_prefix(self) -> str:
        return login_cookie_prefix(is_secure=self.is_secure)

    def _name(self, state: str) -> str:
        return self.name_prefix + state_id(state)

    def _drop_cookie(self, response: web.StreamResponse, name: str) -> None:
        response.del_cookie(name, path="/", secure=self.is_secure, httponly=True, samesite="Lax")

    def _drop_too_many(self, request: web.Request, response: web.StreamResponse, *, keep: int) -> None:
        """Drop unreadable cookies and the oldest ones beyond `keep`."""
        found = {
            name: self._open(name, value) for name, value in request.cookies.items() if self.is_one(name)
        }
        usable = sorted((t.started_at, name) for name, t in found.items() if t is not None)
        oldest = [name for _, name in usable[: max(0, len(usable) - keep)]]
        for name in [name for name, transaction in found.items() if transaction is None] + oldest:
            self._drop_cookie(response, name)

    def _open(self, name: str, value: str) -> LoginTransaction | None:
        try:
            sealed = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            return None
        opened = self.sealer.open(_PURPOSE, name, sealed)
        if opened is None:
            return None
        try:
            transaction = msgspec.msgpack.decode(opened, type=LoginTransaction)
        except msgspec.MsgspecError:
            return None  # sealed by another release, during a deploy
        return transaction if self.clock.now() - transaction.started_at < LIFETIME else None
