"""The people who may sign in, and the check of their passwords."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from common.clock import Clock
from deploy.provider.memory import ExpiringTable

ATTEMPTS = 5
ATTEMPTS_FORGOTTEN_AFTER_S = 60


class TooManyAttemptsError(Exception):
    """Too many wrong passwords for this name lately; even the right one is not looked at."""


@dataclass(frozen=True)
class User:
    username: str
    password: str = field(repr=False)
    name: str
    email: str
    groups: tuple[str, ...] = ()

    @property
    def sub(self) -> str:
        """Stable over restarts, and not the user name: whoever mixes up the two is to notice."""
        return hashlib.sha256(f"doorward development user {self.username}".encode()).hexdigest()[:24]

    def claims(self, scope: str) -> dict[str, object]:
        """What the granted scopes tell about this user (OpenID Connect Core 5.4), `sub` apart."""
        told: dict[str, object] = {}
        scopes = scope.split()
        if "profile" in scopes:
            told |= {"name": self.name, "preferred_username": self.username}
        if "email" in scopes:
            told |= {"email": self.email, "email_verified": True}
        if "groups" in scopes:
            told |= {"groups": list(self.groups)}
        return told


class Users:
    def __init__(self, users: Iterable[User], clock: Clock) -> None:
        self._users = {user.username: user for user in users}
        self._wrong_attempts: ExpiringTable[int] = ExpiringTable(clock, ATTEMPTS_FORGOTTEN_AFTER_S)

    def authenticate(self, username: str, presented_password: str) -> User | None:
        """The user of this name and password, else None. Raises TooManyAttemptsError."""
        wrong_attempts = self._wrong_attempts.get(username) or 0
        if wrong_attempts >= ATTEMPTS:
            raise TooManyAttemptsError
        user = self._users.get(username)
        # An unknown name costs the same comparison, so that the time does not tell which names exist.
        password = "" if user is None else user.password
        is_right = hmac.compare_digest(password.encode(), presented_password.encode())
        if user is None or not is_right:
            self._wrong_attempts.put(username, wrong_attempts + 1)
            return None
        self._wrong_attempts.remove(username)
        return user
