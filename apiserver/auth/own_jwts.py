"""From a JWT of ours to its caller: what it was made of is looked up with each request.

It is never the first use of the secret that was exchanged for it: a JWT goes to third parties, and proves
nothing of where the secret is.
"""

from dataclasses import dataclass

from apiserver.auth.look_up import Holder, LookUp
from apiserver.auth.secrets_presented import Noted
from apiserver.exchange.own_jwts import OwnJwts
from common.clock import Clock


@dataclass(frozen=True)
class OwnJwtAuthenticator:
    jwts: OwnJwts
    look_up: LookUp
    clock: Clock
    noted: Noted

    async def holder(self, presented_token: str, audience: str) -> Holder:
        """Raises `InvalidTokenError`, and `ProblemError` for what has ended since it was signed."""
        claims = await self.jwts.verify(presented_token, audience, self.clock.now())
        caller = await self.look_up.by_jwt(claims)
        self.noted.note(caller)
        return caller
