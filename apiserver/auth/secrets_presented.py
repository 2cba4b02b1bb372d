"""From a secret of ours to its caller: a registration token or a device token, looked up and judged.

An unknown secret is refused without a reason. Who holds a right one is told why it does not do: it is theirs.
"""

from dataclasses import dataclass

from aiohttp import hdrs

from apiserver.auth.principal import DeviceCaller, RegistrationTokenCaller
from apiserver.devices.device import Device, DeviceState
from apiserver.devices.last_seen import LastSeen
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import StoredSecret
from apiserver.tokens.secret import PresentedSecret, matches
from common.clock import Clock
from common.jwt import InvalidTokenError
from common.problems import ProblemCode, ProblemError

_CHALLENGE: dict[str, str] = {hdrs.WWW_AUTHENTICATE: 'Bearer error="invalid_token"'}
_REFUSED_STATES = {
    DeviceState.REVOKED: ProblemError(
        ProblemCode.DEVICE_REVOKED,
        "This device was revoked. To come back it needs a new key.",
        headers=_CHALLENGE,
    ),
    DeviceState.EXPIRED: ProblemError(
        ProblemCode.DEVICE_EXPIRED, "This device has expired. Register it again.", headers=_CHALLENGE
    ),
    DeviceState.SUSPENDED: ProblemError(
        ProblemCode.DEVICE_SUSPENDED, "This device is suspended. Somebody who manages it can resume it."
    ),
}


@dataclass(frozen=True)
class SecretAuthenticator:
    storage: Storage
    clock: Clock
    last_seen: LastSeen

    async def registration_token(self, presented: PresentedSecret) -> RegistrationTokenCaller:
        """Raises `InvalidTokenError` for an unknown secret and `ProblemError` for one that was replaced."""
        found = await self.storage.read(
            lambda view: view.registration_tokens.by_secret(f"rts_{presented.public_id}")
        )
        if found is None or not matches(found[1].hash, presented):
            raise InvalidTokenError("unknown_secret")
        token, secret = found
        if secret.revoked_at is not None and token.revoked_at is None:
            raise _replaced("registration token")
        return RegistrationTokenCaller(token, secret)

    async def device(self, presented: PresentedSecret) -> DeviceCaller:
        """As `registration_token`; a device that has ended or is suspended is told so."""
        found = await self.storage.read(lambda view: view.devices.by_token(f"dtk_{presented.public_id}"))
        if found is None or not matches(found[1].hash, presented):
            raise InvalidTokenError("unknown_secret")
        device, token = found
        if (refusal := _REFUSED_STATES.get(device.state)) is not None:
            raise ProblemError(refusal.code, refusal.detail, headers=refusal.headers)
        if token.revoked_at is not None:
            raise _replaced("device token")
        if token.first_used_at is None:
            await self._use_first(device, token)
        self.last_seen.note(device.id, self.clock.now())
        return DeviceCaller(device)

    async def _use_first(self, device: Device, token: StoredSecret) -> None:
        """The first use is the proof that the answer arrived: what it replaces ends only now."""
        now = self.clock.now()

        async def use(transaction: Transaction) -> None:
            await transaction.devices.use_token(device.id, token, now)

        await self.storage.write(use)


def _replaced(what: str) -> ProblemError:
    return ProblemError(
        ProblemCode.INVALID_TOKEN,
        f"This {what} was replaced by a newer one, which has been used.",
        cause="replaced_secret",
        headers=_CHALLENGE,
    )
