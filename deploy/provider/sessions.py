"""The browser's own sign-in at the provider: one cookie, so that the second login needs no password."""

from dataclasses import dataclass, field

from common.clock import Clock
from common.randomness import Randomness, token_urlsafe
from deploy.provider.memory import ExpiringTable
from deploy.provider.users import User


@dataclass(eq=False)
class BrowserSession:
    """One browser signed in as one user. `sid` is what ID tokens and logout tokens call it."""

    sid: str
    user: User
    auth_time: int
    cookie: str = field(repr=False)
    client_ids: set[str] = field(default_factory=set)
    is_signed_out: bool = False


class Sessions:
    def __init__(self, clock: Clock, randomness: Randomness, lifetime_s: int) -> None:
        self._clock = clock
        self._randomness = randomness
        self._by_cookie: ExpiringTable[BrowserSession] = ExpiringTable(clock, lifetime_s)

    def find(self, cookie: str | None) -> BrowserSession | None:
        return None if cookie is None else self._by_cookie.get(cookie)

    def sign_in(self, user: User) -> BrowserSession:
        """A new session under a cookie that nobody has seen yet."""
        session = BrowserSession(
            sid=token_urlsafe(self._randomness, 16),
            user=user,
            auth_time=int(self._clock.now().timestamp()),
            cookie=token_urlsafe(self._randomness),
        )
        self._by_cookie.put(session.cookie, session)
        return session

    def confirm(self, session: BrowserSession) -> None:
        """The same user has shown the password again: the same session, later, under another cookie.

        Without the change of cookie, one that was planted before the login would be signed in after it.
        """
        self._by_cookie.remove(session.cookie)
        session.cookie = token_urlsafe(self._randomness)
        session.auth_time = int(self._clock.now().timestamp())
        self._by_cookie.put(session.cookie, session)

    def sign_out(self, session: BrowserSession) -> None:
        session.is_signed_out = True
        self._by_cookie.remove(session.cookie)
