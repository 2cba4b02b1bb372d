"""The devices that wait for their users: what each was given, what was decided, how often it asks."""
# mypy: disable-error-code="import-untyped", allow-subclassing-any

from dataclasses import dataclass, field
from enum import Enum, auto

from authlib.oauth2.rfc8628 import DeviceCredentialMixin

from common.clock import Clock
from common.randomness import Randomness
from deploy.provider.memory import ExpiringTable
from deploy.provider.vault import Authorization

# RFC 8628 section 6.1: no vowels, so that no words come out; 8 of 20 letters are 34 bits.
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_LENGTH = 8
SLOW_DOWN_BY_S = 5


class Decision(Enum):
    PENDING = auto()
    APPROVED = auto()
    DENIED = auto()


@dataclass(eq=False)
class DeviceCredential(DeviceCredentialMixin):
    """One device that waits for its user."""

    device_code: str = field(repr=False)
    user_code: str
    client_id: str
    scope: str
    resource: str | None
    interval_s: int
    expires_at: float
    clock: Clock = field(repr=False)
    decision: Decision = Decision.PENDING
    authorization: Authorization | None = None
    _last_asked_at: float | None = None

    def approve(self, authorization: Authorization) -> None:
        self.decision = Decision.APPROVED
        self.authorization = authorization

    def deny(self) -> None:
        self.decision = Decision.DENIED

    def is_asked_too_soon(self) -> bool:
        """Note that the device asks now. When it did not wait its interval, the interval grows for good."""
        now = self.clock.monotonic()
        too_soon = self._last_asked_at is not None and now - self._last_asked_at < self.interval_s
        self._last_asked_at = now
        if too_soon:
            self.interval_s += SLOW_DOWN_BY_S
        return too_soon

    def get_client_id(self) -> str:
        return self.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_user_code(self) -> str:
        return self.user_code

    def is_expired(self) -> bool:
        return self.clock.monotonic() >= self.expires_at


class DeviceCredentials:
    """The waiting devices, found by either code.

    A device code is known for twice its lifetime, so that a device that comes late is told so.
    """

    def __init__(self, clock: Clock, lifetime_s: int) -> None:
        self._by_device_code: ExpiringTable[DeviceCredential] = ExpiringTable(clock, 2 * lifetime_s)
        self._by_user_code: ExpiringTable[DeviceCredential] = ExpiringTable(clock, lifetime_s)

    def add(self, credential: DeviceCredential) -> None:
        self._by_device_code.put(credential.device_code, credential)
        self._by_user_code.put(credential.user_code, credential)

    def of_device(self, device_code: str) -> DeviceCredential | None:
        return self._by_device_code.get(device_code)

    def waiting_for(self, typed_user_code: str) -> DeviceCredential | None:
        """The device of a user code as people type it, while nobody has decided yet."""
        credential = self._by_user_code.get(_plain_user_code(typed_user_code))
        return credential if credential is not None and credential.decision is Decision.PENDING else None

    def remove(self, credential: DeviceCredential) -> None:
        self._by_device_code.remove(credential.device_code)
        self._by_user_code.remove(credential.user_code)


def new_user_code(randomness: Randomness) -> str:
    number = int.from_bytes(randomness.token_bytes(16), "big")
    letters = ""
    for _ in range(USER_CODE_LENGTH):
        number, letter = divmod(number, len(USER_CODE_LETTERS))
        letters += USER_CODE_LETTERS[letter]
    return _with_hyphen(letters)


def _plain_user_code(typed: str) -> str:
    return _with_hyphen("".join(letter for letter in typed.upper() if letter in USER_CODE_LETTERS))


def _with_hyphen(letters: str) -> str:
    half = USER_CODE_LENGTH // 2
    return f"{letters[:half]}-{letters[half:]}"
