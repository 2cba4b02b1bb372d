"""A usable access token for a server, refreshed without being asked."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cli import provider
from cli.answers import Provider, Tokens
from cli.client import Client
from cli.errors import NotLoggedInError, TokenRefusedError, UnreachableError
from cli.interrupts import interrupts_deferred
from cli.keep import Credentials, Keep, LockedKeep
from common.clock import Clock

MIN_VALIDITY: Final = timedelta(seconds=60)

# `expires_in` is only recommended (RFC 6749 section 5.1). Too short costs a refresh, too long a refusal.
ASSUMED_LIFETIME_S: Final = 300

T = TypeVar("T")


def is_fresh(credentials: Credentials, now: datetime) -> bool:
    """Whether the access token is good for another minute."""
    return credentials.expires_at - now >= MIN_VALIDITY


def credentials_of(tokens: Tokens, whose: Provider, asked_at: datetime, former: str | None) -> Credentials:
    """What is kept of a token answer. A provider that does not rotate sends no new refresh token."""
    lifetime_s = ASSUMED_LIFETIME_S if tokens.expires_in is None else tokens.expires_in
    return Credentials(
        provider=whose,
        access_token=tokens.access_token,
        expires_at=asked_at + timedelta(seconds=lifetime_s),
        refresh_token=tokens.refresh_token or former,
    )


@dataclass(frozen=True)
class Access:
    """Gives out access tokens. Raises `NotLoggedInError` where only a new login helps."""

    keep: Keep
    client: Client
    clock: Clock

    def fresh(self, server: str) -> Credentials:
        """Credentials whose access token is good for a minute, or at all while the provider is away."""
        seen = self._stored(self.keep, server)
        return seen if is_fresh(seen, self.clock.now()) else self._refreshed(server, seen)

    def use(self, server: str, call: Callable[[str], T]) -> T:
        """The call's result. A token that the server refuses is refreshed once, whatever the clock says.

        A laptop's clock may be wrong, and keys may have been changed: only the server knows.
        """
        seen = self.fresh(server)
        try:
            return call(seen.access_token)
        except TokenRefusedError:
            renewed = self._refreshed(server, seen)
        return call(renewed.access_token)

    def _stored(self, keep: Keep, server: str) -> Credentials:
        stored = keep.credentials(server)
        if stored is None:
            raise NotLoggedInError(
                f"You are not logged in to {server}.", f"Run `{keep.login_command(server)}`."
            )
        return stored

    def _refreshed(self, server: str, seen: Credentials) -> Credentials:
        """Credentials that are newer than those seen: another process's, or ours.

        Most providers revoke the whole login when a rotated refresh token is used twice. So the file is
        read again under the lock, and what another process brought meanwhile is taken, however short-lived.
        """
        with self.keep.locked() as keep:
            current = self._stored(keep, server)
            now = self.clock.now()
            if current.access_token != seen.access_token and current.expires_at > now:
                return current
            if current.refresh_token is None:
                return self._without_refresh(keep, server, current)
            try:
                return self._refresh(keep, server, current, current.refresh_token)
            except UnreachableError:
                if current.expires_at > now:
                    return current
                raise

    def _refresh(
        self, keep: LockedKeep, server: str, current: Credentials, refresh_token: str
    ) -> Credentials:
        asked_at = self.clock.now()
        try:
            # From here until it is saved, the new refresh token exists in this process alone.
            with interrupts_deferred():
                tokens = provider.refresh(self.client, current.provider, refresh_token)
                renewed = credentials_of(tokens, current.provider, asked_at, refresh_token)
                keep.put(server, renewed)
        except provider.OAuthRefusalError as refusal:
            if refusal.error != "invalid_grant":
                raise
            keep.drop(server)
            raise self._expired(keep, server) from None
        return renewed

    def _without_refresh(self, keep: LockedKeep, server: str, current: Credentials) -> Credentials:
        if current.expires_at > self.clock.now():
            return current
        keep.drop(server)
        raise self._expired(keep, server)

    def _expired(self, keep: Keep, server: str) -> NotLoggedInError:
        return NotLoggedInError(f"Your login has expired: run `{keep.login_command(server)}`.")
