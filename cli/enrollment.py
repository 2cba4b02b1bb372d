"""This machine becomes a device, once, however often it is interrupted and repeated.

Key and Idempotency-Key are on disk before anything is sent: whatever was lost on the way, the same request
goes out again, and the server answers it with the same device. The device token is on disk before it is
used: its first use ends the tokens of earlier answers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from cli.client import Client
from cli.device_keep import Attempt, DeviceKeep, KeptDevice, LockedDeviceKeep
from cli.device_keys import NotSealedToUsError, new_private_key, public_key_of, unsealed
from cli.errors import CliError, RefusalError, UnreachableError
from cli.own_device import OwnDevice, OwnDeviceApi
from cli.replies import Credential, Told, expect, makes_no_sense
from cli.user_api import UserApi
from common.randomness import Randomness, token_urlsafe

_PATH: Final = "/api/v1/devices"
_DEVICE_TOKEN: Final = re.compile(r"dwd_[0-9A-Za-z]{1,200}")
_ID: Final = re.compile(r"[a-z]{3}_[0-9A-Za-z]{1,100}")

# The device may come in again with its key: it was silent for too long, or the server knows a newer token.
_MAY_COME_AGAIN: Final = frozenset({"device_expired", "invalid_token"})
# No repetition will ever be answered: only a new key helps.
_NEEDS_NEW_KEY: Final = frozenset(
    {"key_in_use", "device_revoked", "secret_already_used", "idempotency_key_reused"}
)
_FORCE: Final = "`doorward enroll --force` makes a new key."


class NewDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a registration. The private key is not in it, and never leaves this machine."""

    name: str
    public_key: str | None = None
    fingerprint: str | None = None
    tenant_id: str | None = None


class Registered(msgspec.Struct, frozen=True):
    """The server's answer; of the two tokens the sealed one wherever a public key was sent."""

    id: str
    tenant_id: str
    name: str
    device_token_id: str
    device_token: str | None = None
    sealed_device_token: str | None = None

    def __repr__(self) -> str:
        return f"Registered({self.id!r}, ...)"


Register = Callable[[NewDevice, str], Registered]
"""Sends a registration with this Idempotency-Key. Raises `CliError`."""


@dataclass(frozen=True)
class AskedEnrollment:
    """What the person asked for."""

    name: str
    fingerprint: str | None
    tenant_id: str | None
    has_key: bool
    is_forced: bool


@dataclass(frozen=True)
class Enrolled:
    """`told` is None when the server could not be asked about a device that was enrolled before."""

    device: KeptDevice
    told: Told[OwnDevice] | None
    is_new: bool


def by_token(client: Client, server: str, registration_token: str) -> Register:
    def register(device: NewDevice, idempotency_key: str) -> Registered:
        answer = client.call(
            "POST", f"{server}{_PATH}", registration_token, device, idempotency_key=idempotency_key
        )
        return expect(answer, server, Registered, Credential.REGISTRATION_TOKEN)

    return register


def by_user(api: UserApi) -> Register:
    def register(device: NewDevice, idempotency_key: str) -> Registered:
        return api.ask(Registered, "POST", _PATH, device, idempotency_key=idempotency_key).value

    return register


@dataclass(frozen=True)
class Enrollment:
    """One run of `doorward enroll`. Others wait for it."""

    api: OwnDeviceApi
    keep: DeviceKeep
    randomness: Randomness

    @property
    def server(self) -> str:
        return self.api.server

    def run(self, asked: AskedEnrollment, register: Register) -> Enrolled:
        """Raises `CliError`; then the same command goes on where this one ended."""
        with self.keep.locked() as keep:
            former = None if asked.is_forced else keep.device(self.server)
            if former is not None and (enrolled := self._still_enrolled(former)) is not None:
                return enrolled
            attempt, registered = self._registered(keep, former, asked, register)
            device = self._opened(attempt, registered)
            keep.put_device(self.server, device)
            return Enrolled(device, self._proven(device), is_new=True)

    def _still_enrolled(self, device: KeptDevice) -> Enrolled | None:
        try:
            return Enrolled(device, self.api.me(device.device_token), is_new=False)
        except UnreachableError:
            # What is on disk holds: a machine that starts without a network is enrolled all the same.
            return Enrolled(device, None, is_new=False)
        except RefusalError as refusal:
            if refusal.code in _MAY_COME_AGAIN:
                return None
            remedy = _FORCE if refusal.code in _NEEDS_NEW_KEY else refusal.remedy
            raise RefusalError(
                f"This machine is enrolled as {device.name}, but {refusal.sentence}",
                remedy,
                code=refusal.code,
            ) from None

    def _registered(
        self, keep: LockedDeviceKeep, former: KeptDevice | None, asked: AskedEnrollment, register: Register
    ) -> tuple[Attempt, Registered]:
        begun = keep.attempt(self.server)
        key = begun.private_key if begun else former.private_key if former else None
        attempt = self._attempt(asked, key)
        if (
            begun is not None
            and msgspec.structs.replace(attempt, idempotency_key=begun.idempotency_key) == begun
        ):
            attempt = begun
        try:
            return attempt, self._sent(keep, attempt, register)
        except RefusalError as refusal:
            if refusal.code not in _NEEDS_NEW_KEY:
                raise
            if not asked.is_forced:
                raise RefusalError(refusal.sentence, _FORCE, code=refusal.code) from None
        attempt = self._attempt(asked, None)
        return attempt, self._sent(keep, attempt, register)

    def _attempt(self, asked: AskedEnrollment, key: str | None) -> Attempt:
        return Attempt(
            name=asked.name,
            idempotency_key=token_urlsafe(self.randomness),
            private_key=(key or new_private_key(self.randomness)) if asked.has_key else None,
            fingerprint=asked.fingerprint,
            tenant_id=asked.tenant_id,
        )

    def _sent(self, keep: LockedDeviceKeep, attempt: Attempt, register: Register) -> Registered:
        keep.put_attempt(self.server, attempt)
        key = attempt.private_key
        device = NewDevice(
            name=attempt.name,
            public_key=None if key is None else public_key_of(key),
            fingerprint=attempt.fingerprint,
            tenant_id=attempt.tenant_id,
        )
        return register(device, attempt.idempotency_key)

    def _opened(self, attempt: Attempt, registered: Registered) -> KeptDevice:
        """What is kept. A token in clear in the place of a sealed one is not taken: others have read it."""
        token, sealed = registered.device_token, registered.sealed_device_token
        if attempt.private_key is not None:
            token = None
            if sealed is not None:
                token = self._unsealed(sealed, attempt.private_key, registered)
        ids = (registered.id, registered.tenant_id, registered.device_token_id)
        if token is None or not _DEVICE_TOKEN.fullmatch(token) or not all(map(_ID.fullmatch, ids)):
            raise makes_no_sense(self.server)
        return KeptDevice(
            id=registered.id,
            tenant_id=registered.tenant_id,
            name=registered.name,
            device_token_id=registered.device_token_id,
            device_token=token,
            private_key=attempt.private_key,
        )

    def _unsealed(self, sealed: str, private_key: str, registered: Registered) -> str:
        try:
            return unsealed(sealed, private_key, registered.id, registered.device_token_id)
        except NotSealedToUsError:
            raise CliError(
                f"{self.server} sent a device token that does not open with this machine's key.",
                "Nothing is kept of it. Ask the operator what changes the answers on their way.",
            ) from None

    def _proven(self, device: KeptDevice) -> Told[OwnDevice]:
        """The first use: from now on no earlier device token of this device holds."""
        try:
            return self.api.me(device.device_token)
        except UnreachableError as fault:
            raise UnreachableError(
                f"This machine is enrolled as {device.name}, but {fault.sentence}",
                "Try `doorward status` later.",
            ) from None


def leave(api: OwnDeviceApi, keep: DeviceKeep) -> KeptDevice | None:
    """Ends the device and forgets it here; what it was, None when this machine is no device.

    A device that the server does not know any more is forgotten too. Raises `CliError`; then nothing is.
    """
    with keep.locked() as locked:
        device = locked.device(api.server)
        if device is None:
            return None
        try:
            api.leave(device.device_token)
        except RefusalError as refusal:
            if refusal.code not in _MAY_COME_AGAIN | {"device_revoked"}:
                raise
        locked.drop(api.server)
    return device
