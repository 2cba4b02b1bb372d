"""The access token of a session, refreshed before it expires.

One refresh per session at a time: most providers revoke the whole family of tokens when a rotated refresh
token is used twice. It runs as a task of its own, so that a client that leaves cannot stop it between the
provider's answer and our store. This form serves one process; the store's lease will serve many.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bff.events import Events
from bff.login.id_token import verify_id_token
from bff.login.provider import GrantRefusedError, Provider, ProviderUnavailableError, TokenAnswer
from bff.session.record import SealedTokens, SessionKey, Tokens
from bff.session.sessions import BrowserSession, Rest, Sessions
from common.clock import Clock
from common.issuer import IssuerUnavailableError
from common.jwt import InvalidTokenError
from common.tasks import Tasks

# How long a request waits for a refresh that it could do without.
PATIENCE_S = 2.0


class NoRefreshTokenError(Exception):
    """The provider gave this session no refresh token: it ends with its access token."""


class SessionEndedError(Exception):
    """The session is over: the browser has to log in again."""


def is_refresh_due(tokens: SealedTokens, now: datetime) -> bool:
    return now >= tokens.bearer_refresh_at


def is_bearer_usable(tokens: SealedTokens, now: datetime) -> bool:
    return now < tokens.bearer_expires_at


def tokens_of(answer: TokenAnswer, now: datetime, *, id_token: str, refresh_token: str | None) -> Tokens:
    """What is kept of a token answer; what it leaves out stays as it was (RFC 6749 section 6)."""
    return Tokens(
        access_token=answer.access_token,
        issued_at=now,
        expires_at=now + timedelta(seconds=answer.expires_in_s),
        refresh_token=answer.refresh_token or refresh_token,
        id_token=id_token,
    )


@dataclass(frozen=True)
class Refresher:
    sessions: Sessions
    provider: Provider
    events: Events
    clock: Clock
    tasks: Tasks
    _running: dict[SessionKey, "asyncio.Task[BrowserSession]"] = field(default_factory=dict)

    async def fresh(self, session: BrowserSession) -> BrowserSession:
        """The session with an access token that can be used now.

        While the token at hand still lasts, a slow provider is waited for only briefly; the refresh goes on.
        Raises `SessionEndedError`; `ProviderUnavailableError` only when the token at hand has expired.
        """
        if not is_refresh_due(session.record.tokens, self.clock.now()):
            return session
        if not is_bearer_usable(session.record.tokens, self.clock.now()):
            return await self._refresh_or_end(session)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self.refresh(session)
        except (ProviderUnavailableError, NoRefreshTokenError, TimeoutError):
            return session

    async def _refresh_or_end(self, session: BrowserSession) -> BrowserSession:
        try:
            return await self.refresh(session)
        except NoRefreshTokenError:
            return await self._give_up(session, "no_refresh_token")

    async def refresh(self, session: BrowserSession) -> BrowserSession:
        """Refresh now, or share the refresh that is under way; raises `NoRefreshTokenError` as well."""
        running = self._running.get(session.key)
        if running is None:
            running = self.tasks.start("refresh", self._refresh(session))
            self._running[session.key] = running
            running.add_done_callback(lambda _: self._running.pop(session.key, None))
        return await asyncio.shield(running)

    async def _refresh(self, stale: BrowserSession) -> BrowserSession:
        session = await self.sessions.find(stale.cookie)
        if session is None:
            raise SessionEndedError
        if session.record.tokens != stale.record.tokens:
            return session  # somebody else was quicker between the caller's read and ours
        rest = self.sessions.rest(session)
        if rest is None:
            return await self._give_up(session, "sealed_with_a_lost_key")
        if rest.refresh_token is None:
            raise NoRefreshTokenError
        return await self._ask_provider(session, rest, rest.refresh_token)

    async def _ask_provider(self, session: BrowserSession, rest: Rest, refresh_token: str) -> BrowserSession:
        try:
            answer = await self.provider.refresh(refresh_token)
            id_token = await self._new_id_token(session, answer) or rest.id_token
        except GrantRefusedError as error:
            if error.is_final:
                return await self._give_up(session, "grant_refused")
            self.events.refresh_failed("provider_refused")
            raise ProviderUnavailableError("refused") from error
        except InvalidTokenError:
            self.tasks.detach("revoke", self.provider.revoke(answer.refresh_token or refresh_token))
            return await self._give_up(session, "id_token")
        except ProviderUnavailableError as error:
            self.events.refresh_failed(error.cause)
            raise
        return await self._keep(
            session, tokens_of(answer, self.clock.now(), id_token=id_token, refresh_token=refresh_token)
        )

    async def _keep(self, session: BrowserSession, tokens: Tokens) -> BrowserSession:
        kept = await self.sessions.save_tokens(session, tokens)
        if kept is None:
            # Logged out while the provider answered: the new refresh token must not outlive the session.
            if tokens.refresh_token is not None:
                await self.provider.revoke(tokens.refresh_token)
            raise SessionEndedError
        self.events.refreshed()
        return kept

    async def _new_id_token(self, session: BrowserSession, answer: TokenAnswer) -> str | None:
        """OIDC Core 12.2: a refreshed ID token speaks of the same person, or the session must end."""
        if answer.id_token is None:
            return None
        try:
            claims = await verify_id_token(
                answer.id_token,
                self.provider.issuer,
                self.provider.client_id,
                self.clock.now(),
                access_token=answer.access_token,
            )
        except IssuerUnavailableError:
            return None  # the keys are out of reach: the ID token that was verified at login stays
        if claims["sub"] != session.record.user.get("sub"):
            raise InvalidTokenError("sub")
        return answer.id_token

    async def _give_up(self, session: BrowserSession, cause: str) -> BrowserSession:
        await self.sessions.end(session.key)
        self.events.session_ended(cause)
        raise SessionEndedError
