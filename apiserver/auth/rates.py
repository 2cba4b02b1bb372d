"""How often callers may ask: per address without a credential, per token inside its owner with one.

A credential is looked at before its address is counted. A flood of junk from behind a NAT therefore never
shuts out who sends a good one from the same address; what junk costs is a checksum, a signature, or one
look-up by key.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import assert_never

from aiohttp import web

from apiserver.auth.authenticate import Authenticator
from apiserver.auth.principal import (
    Anonymous,
    Caller,
    DeviceCaller,
    RegistrationTokenCaller,
    ServiceCaller,
    UserCaller,
)
from apiserver.tokens.registration_token import TokenState
from common.clock import Clock
from common.problems import ProblemError
from common.rate_limits import ADDRESS, RateLimiter, key_of_address, limit_headers
from common.request_keys import CLIENT_ADDRESS

TOKEN, OWNER = "token", "owner"
RATE_LIMIT_HEADERS: web.RequestKey[dict[str, str]] = web.RequestKey("rate_limit_headers", dict)

_REFUSED_CREDENTIAL = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_DEAD = frozenset({TokenState.REVOKED, TokenState.SUSPENDED, TokenState.EXPIRED})


@dataclass(frozen=True)
class CallerCounts:
    """Every method raises `ProblemError` (429) when a budget is used up.

    `place` parts budgets of tokens and owners: what is asked about at the edge may come here as well.
    """

    limiter: RateLimiter
    clock: Clock
    place: str = ""

    async def stranger(self, request: web.Request) -> None:
        """Counts a request without a credential."""
        await self.limiter.spend(ADDRESS, key_of_address(request[CLIENT_ADDRESS]))

    async def refused(self, request: web.Request, refusal: ProblemError) -> None:
        """Counts a request whose credential was refused."""
        # A 503 is none of the client's doing.
        if refusal.status in _REFUSED_CREDENTIAL:
            await self.stranger(request)

    async def caller(self, request: web.Request, caller: Caller) -> None:
        """Counts a request by whoever made it."""
        owned = self._owned(caller)
        if owned is None:
            await self.stranger(request)
            return
        await self._spend(request, *owned)

    async def user(self, request: web.Request, subject: str) -> None:
        """Counts a request of a user whom nobody looked up, by the `sub` of their JWT."""
        await self._spend(request, f"sub:{subject}", None)

    async def _spend(self, request: web.Request, token: str, owner: str | None) -> None:
        # In this order: what a token is refused takes nothing from its owner's other tokens.
        standings = [await self.limiter.spend(TOKEN, self.place + token)]
        if owner is not None:
            standings.append(await self.limiter.spend(OWNER, self.place + owner))
        request[RATE_LIMIT_HEADERS] = limit_headers(standings)

    def _owned(self, caller: Caller) -> tuple[str, str | None] | None:
        """The token and its owner; None for who has none that is worth anything."""
        match caller:
            case UserCaller():
                # Each refresh brings another JWT, so all of them are the user. Not their owner: who stole a
                # few device tokens could use up its budget, and nobody would be let in to revoke them.
                return caller.user.id, None
            case DeviceCaller():
                return caller.device.id, caller.device.owner_id
            case ServiceCaller():
                return caller.token.id, caller.owner.id
            case RegistrationTokenCaller():
                token = caller.token
                # Whoever found a token that was revoked could use up its owner's budget with it.
                return None if token.state(self.clock.now()) in _DEAD else (token.id, token.owner_id)
            case Anonymous():
                return None
            case _:
                assert_never(caller)


@dataclass(frozen=True)
class CountedCallers:
    """The authenticator, and every request counted for who made it."""

    authenticator: Authenticator
    counts: CallerCounts

    async def caller_of(self, request: web.Request) -> Caller:
        """As `Authenticator.caller_of`. Raises `ProblemError` as well for a budget that is used up."""
        try:
            caller = await self.authenticator.caller_of(request)
        except ProblemError as refusal:
            await self.counts.refused(request, refusal)
            raise
        await self.counts.caller(request, caller)
        return caller
