"""The access token of a session, refreshed before it expires, once over all processes and machines.

Most providers revoke the whole family of tokens when a rotated refresh token is used twice. So within a
process all who need a refresh share one task, and between processes a lease in the store decides who asks
the provider; the others wait for the result. The task is tied to no client: one that leaves cannot stop it
between the provider's answer and our store.

The holder notes "sent" before it sends. One that dies before the note is taken over unseen. After the note
nobody can know whether the provider has rotated: one more try is made, and `invalid_grant` ends the session.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import jwt

from bff.events import Events
from bff.login.id_token import verify_id_token
from bff.login.provider import GrantRefusedError, Provider, ProviderUnavailableError, TokenAnswer
from bff.session.grants import Grants
from bff.session.hot import HotReader, read_hot
from bff.session.record import SealedTokens, SessionKey, Tokens, session_key
from bff.session.sessions import BrowserSession, Rest, Sessions
from bff.session.store import Lease, StoreUnavailableError
from common.clock import Clock
from common.http import EXCHANGE_TIME_S
from common.issuer import IssuerUnavailableError
from common.jwt import InvalidTokenError
from common.randomness import Randomness, token_urlsafe
from common.tasks import Tasks

LEASE_LIFETIME = timedelta(seconds=3)
# Once sent, the lease outlives an outage of the store: another agent that took it over meanwhile would send a
# refresh token that the provider has already rotated.
SENT_LEASE_LIFETIME = timedelta(seconds=12)
# How long a request waits for a refresh that it could do without.
PATIENCE_S = 2.0
_RENEWALS_A_LIFE = 4
# Looking is cheap, since all who wait look together; the lease is tried for each session alone.
_LOOK_AGAIN_S = 0.02
_LOOKS_A_TRY = 5
# How long new tokens are kept for a store that is away. Longer than the lease: it counts until somebody else
# takes one, which those who wait in this process do not.
_LONGEST_SAVE_S = 60.0
# Short: the first who comes when the store is back should be the one who has the tokens.
_SAVE_PAUSE_S = 0.1
# A waiter gives up a little after a living holder must have.
_LONGEST_WAIT_S = EXCHANGE_TIME_S + LEASE_LIFETIME.total_seconds() + 1


class NoRefreshTokenError(Exception):
    """The provider gave this session no refresh token: it ends with its access token."""


class SessionEndedError(Exception):
    """The session is over: the browser has to log in again."""


def is_refresh_due(tokens: SealedTokens, now: datetime) -> bool:
    return now >= tokens.bearer_refresh_at


def is_bearer_usable(tokens: SealedTokens, now: datetime) -> bool:
    return now < tokens.bearer_expires_at


@dataclass(frozen=True, repr=False)
class Former:
    """What a refresh keeps where the provider's answer leaves it out."""

    refresh_token: str
    grants: Grants


def tokens_of(
    answer: TokenAnswer, now: datetime, provider: Provider, *, id_token: str, former: Former | None
) -> Tokens:
    """What is kept of a token answer; what it leaves out stays as it was (RFC 6749 section 6)."""
    is_access_token = provider.bearer == "access_token"
    return Tokens(
        bearer=answer.access_token if is_access_token else id_token,
        issued_at=now,
        expires_at=now + timedelta(seconds=answer.expires_in_s) if is_access_token else expiry_of(id_token),
        access_token=answer.access_token,
        refresh_token=answer.refresh_token or (former.refresh_token if former else None),
        id_token=id_token,
        grants=provider.grant_rules.grants_of(
            scope=answer.scope,
            access_token=answer.access_token,
            id_token=id_token,
            before=former.grants if former else None,
        ),
    )


def expiry_of(verified_id_token: str) -> datetime:
    """When an ID token ends that was verified before it was kept."""
    claims = jwt.decode(verified_id_token, options={"verify_signature": False})
    return datetime.fromtimestamp(claims["exp"], UTC)


@dataclass(frozen=True)
class Refresher:
    sessions: Sessions
    hot: HotReader
    provider: Provider
    events: Events
    clock: Clock
    randomness: Randomness
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
        except (ProviderUnavailableError, StoreUnavailableError, NoRefreshTokenError, TimeoutError):
            return session

    async def fresh_for(self, cookie: str) -> BrowserSession:
        """As `fresh`, for the data plane, which holds only the cookie. Also raises `StoreUnavailableError`.

        Whoever comes while a refresh is under way shares its result without asking the store.
        """
        running = self._running.get(session_key(cookie))
        if running is not None:
            with suppress(NoRefreshTokenError, TimeoutError):
                async with asyncio.timeout(_LONGEST_WAIT_S):
                    shared = await asyncio.shield(running)
                if is_bearer_usable(shared.record.tokens, self.clock.now()):
                    return shared
        session = await self.sessions.find(cookie)
        if session is None:
            raise SessionEndedError
        return await self.fresh(session)

    async def _refresh_or_end(self, session: BrowserSession) -> BrowserSession:
        try:
            fresh = await self.refresh(session)
        except NoRefreshTokenError:
            return await self._give_up(session, "no_refresh_token")
        if not is_bearer_usable(fresh.record.tokens, self.clock.now()):
            # An ID token that could not be verified for lack of keys: 503 and not somebody's 401.
            raise ProviderUnavailableError("bearer_not_renewed")
        return fresh

    async def refresh(self, session: BrowserSession) -> BrowserSession:
        """Refresh now, or share the refresh that is under way, here or in another process.

        Raises as `fresh` does, and `NoRefreshTokenError`. Whoever waits in vain leaves; the refresh goes on.
        """
        running = self._running.get(session.key)
        if running is None:
            running = self.tasks.start_to_finish("refresh", self._refresh(session))
            self._running[session.key] = running
            running.add_done_callback(lambda _: self._running.pop(session.key, None))
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                return await asyncio.shield(running)
        except TimeoutError:
            raise ProviderUnavailableError("refresh_too_slow") from None

    async def _refresh(self, stale: BrowserSession) -> BrowserSession:
        """Take the lease and refresh, or wait until whoever has it has done so."""
        holder, started = token_urlsafe(self.randomness, 12), self.clock.monotonic()
        looks = 0
        while self.clock.monotonic() - started < _LONGEST_WAIT_S:
            if await self._is_refreshed(stale):
                self.events.refresh_shared()
                return await self._found(stale)
            if looks % _LOOKS_A_TRY == 0:
                lease = await self.sessions.store.take_lease(stale.key, holder, LEASE_LIFETIME)
                if lease is not None:
                    return await self._as_holder(stale, lease)
            looks += 1
            await asyncio.sleep(_LOOK_AGAIN_S)
        raise ProviderUnavailableError("refresh_elsewhere_too_slow")

    async def _is_refreshed(self, stale: BrowserSession) -> bool:
        hot = await read_hot(self.hot, stale.key)
        if hot is None:
            raise SessionEndedError
        return hot.bearer != stale.record.tokens.bearer

    async def _as_holder(self, stale: BrowserSession, lease: Lease) -> BrowserSession:
        """Refresh under the lease. Saving gives it back; so does every other end, here."""
        try:
            # Looked at again: the holder before us may have finished between our look and our lease.
            session = await self._found(stale)
            if session.record.tokens == stale.record.tokens:
                with self._renewed(lease):
                    return await self._refresh_held(session, lease)
        except BaseException as error:
            is_answer = isinstance(error, ProviderUnavailableError) and error.is_answer
            await self._release(lease, was_answered=is_answer)
            raise
        await self._release(lease, was_answered=False)
        return session

    async def _found(self, stale: BrowserSession) -> BrowserSession:
        session = await self.sessions.find(stale.cookie)
        if session is None:
            raise SessionEndedError
        return session

    async def _release(self, lease: Lease, *, was_answered: bool) -> None:
        with suppress(StoreUnavailableError):  # it runs out by itself
            await self.sessions.store.release_lease(lease, was_answered=was_answered)

    async def _refresh_held(self, session: BrowserSession, lease: Lease) -> BrowserSession:
        rest = self.sessions.rest(session)
        if rest is None:
            return await self._give_up(session, "sealed_with_a_lost_key")
        if rest.refresh_token is None:
            raise NoRefreshTokenError
        store = self.sessions.store
        # Looked at twice: a lease that is lost between the two must not send beside the one that has it now.
        if not await store.mark_sent(lease) or not await store.renew_lease(lease, SENT_LEASE_LIFETIME):
            raise ProviderUnavailableError("refresh_lease_lost")
        return await self._ask_provider(session, lease, rest, rest.refresh_token)

    async def _ask_provider(
        self, session: BrowserSession, lease: Lease, rest: Rest, refresh_token: str
    ) -> BrowserSession:
        try:
            answer = await self.provider.refresh(refresh_token)
            id_token = await self._new_id_token(session, answer) or rest.id_token
        except GrantRefusedError as error:
            if error.is_final:
                return await self._refused(session, lease)
            self.events.refresh_failed("provider_refused")
            raise ProviderUnavailableError("refused", is_answer=True) from error
        except InvalidTokenError:
            self.tasks.detach("revoke", self.provider.revoke(answer.refresh_token or refresh_token))
            return await self._give_up(session, "id_token")
        except ProviderUnavailableError as error:
            self.events.refresh_failed(error.cause)
            raise
        now, hot = self.clock.now(), self.sessions.hot_part(session.cookie, session.record.tokens)
        former = Former(refresh_token, hot.grants if hot else Grants())
        tokens = tokens_of(answer, now, self.provider, id_token=id_token, former=former)
        if self.provider.bearer == "id_token" and answer.id_token is None and tokens.expires_at <= now:
            # The old one has gone up for as long as it lasted; asking again would not bring a new one.
            self.tasks.detach("revoke", self.provider.revoke(answer.refresh_token or refresh_token))
            return await self._give_up(session, "no_new_id_token")
        return await self._keep(session, lease, tokens)

    async def _refused(self, session: BrowserSession, lease: Lease) -> BrowserSession:
        found = await self._found(session)
        if found.record.tokens != session.record.tokens:
            # We were paused for longer than the lease: what was refused is no longer the session's token.
            self.events.refresh_failed("lost_race")
            return found
        # The provider may have rotated for a holder that died with the answer.
        return await self._give_up(session, "refresh_lost" if lease.was_sent else "grant_refused")

    async def _keep(self, session: BrowserSession, lease: Lease, tokens: Tokens) -> BrowserSession:
        kept = await self._saved(session, lease, tokens)
        if kept is not None:
            self.events.refreshed()
            return kept
        found = await self.sessions.find(session.cookie)
        if found is not None:
            # We were paused for longer than the lease, and somebody else has refreshed since.
            self.events.refresh_failed("lost_race")
            return found
        # Logged out while the provider answered: the new refresh token must not outlive the session.
        self.events.refresh_failed("session_gone")
        if tokens.refresh_token is not None:
            await self.provider.revoke(tokens.refresh_token)
        raise SessionEndedError

    async def _saved(self, session: BrowserSession, lease: Lease, tokens: Tokens) -> BrowserSession | None:
        """The provider has rotated: what is not saved now is lost, so a store that is away is waited for."""
        ends_at = self.clock.monotonic() + _LONGEST_SAVE_S
        while True:
            try:
                return await self.sessions.save_tokens(session, lease, tokens)
            except StoreUnavailableError:
                if self.clock.monotonic() >= ends_at:
                    raise
            await asyncio.sleep(_SAVE_PAUSE_S)

    @contextmanager
    def _renewed(self, lease: Lease) -> Iterator[None]:
        """Renews the lease while the block runs, so that a slow provider does not cost it."""
        renewing = self.tasks.start("renew_lease", self._keep_renewing(lease))
        try:
            yield
        finally:
            renewing.cancel()

    async def _keep_renewing(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(LEASE_LIFETIME.total_seconds() / _RENEWALS_A_LIFE)
            with suppress(StoreUnavailableError):
                await self.sessions.store.renew_lease(lease, SENT_LEASE_LIFETIME)

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
        if claims["sub"] != session.record.owner.subject:
            raise InvalidTokenError("sub")
        return answer.id_token

    async def _give_up(self, session: BrowserSession, cause: str) -> BrowserSession:
        await self.sessions.end(session.key)
        self.events.session_ended(cause)
        raise SessionEndedError
