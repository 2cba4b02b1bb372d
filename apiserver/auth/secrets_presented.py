"""From a secret of ours to its caller: a registration, device or service token, looked up and judged.

An unknown secret is refused without a reason. Who holds a right one is told why it does not do: it is theirs.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from aiohttp import hdrs

from apiserver.auth.principal import DeviceCaller, RegistrationTokenCaller, ServiceCaller
from apiserver.devices.device import Device, DeviceId, DeviceState
from apiserver.last_seen import LastSeen
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import StoredSecret
from apiserver.tenants.users import User
from apiserver.tokens.registration_token import RegistrationToken
from apiserver.tokens.secret import PresentedSecret, SecretKind, matches
from apiserver.tokens.service_token import (
    SERVICE_TOKEN_PREFIX,
    ServiceToken,
    ServiceTokenId,
    ServiceTokenState,
)
from common.clock import Clock
from common.jwt import InvalidTokenError
from common.problems import ProblemCode, ProblemError

Holder: TypeAlias = DeviceCaller | RegistrationTokenCaller | ServiceCaller

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
_REFUSED_SERVICES = {
    ServiceTokenState.REVOKED: (
        ProblemCode.SERVICE_TOKEN_REVOKED,
        "This service token was revoked. Ask an administrator of the tenant for a new one.",
    ),
    ServiceTokenState.EXPIRED: (
        ProblemCode.SERVICE_TOKEN_EXPIRED,
        "This service token has expired. Ask an administrator of the tenant for a new one.",
    ),
}


@dataclass(frozen=True)
class SecretAuthenticator:
    storage: Storage
    clock: Clock
    last_seen: LastSeen[DeviceId]
    last_used: LastSeen[ServiceTokenId]

    async def holder(self, presented: PresentedSecret) -> Holder:
        """Whoever has this secret. Raises as the methods for each kind do."""
        match presented.kind:
            case SecretKind.REGISTRATION:
                return await self.registration_token(presented)
            case SecretKind.DEVICE:
                return await self.device(presented)
            case SecretKind.SERVICE:
                return await self.service_token(presented)
            case _:
                raise InvalidTokenError("kind_of_secret")

    async def registration_token(self, presented: PresentedSecret) -> RegistrationTokenCaller:
        """Raises `InvalidTokenError` for an unknown secret and `ProblemError` for one that was replaced."""
        found = await self.storage.read(
            lambda view: view.registration_tokens.by_secret(f"rts_{presented.public_id}")
        )
        if found is None or not matches(found[1].hash, presented):
            raise InvalidTokenError("unknown_secret")
        check_registration_token(*found)
        return RegistrationTokenCaller(*found)

    async def device(self, presented: PresentedSecret) -> DeviceCaller:
        """As `registration_token`; a device that has ended or is suspended is told so."""
        found = await self.storage.read(lambda view: view.devices.by_token(f"dtk_{presented.public_id}"))
        if found is None or not matches(found[1].hash, presented):
            raise InvalidTokenError("unknown_secret")
        device, token = found
        check_device(device, token)
        if token.first_used_at is None:
            await self._use_first(device, token)
        self.last_seen.note(device.id, self.clock.now())
        return DeviceCaller(device, token)

    async def service_token(self, presented: PresentedSecret) -> ServiceCaller:
        """As `registration_token`; one that was revoked or has expired is told so.

        Whether the owner is still in the tenant is looked up where it acts, in the transaction of the deed.
        """
        token_id = ServiceTokenId(f"{SERVICE_TOKEN_PREFIX}{presented.public_id}")
        found = await self.storage.read(lambda view: with_owner(view, token_id))
        if found is None or not matches(found[0].secret_hash, presented):
            raise InvalidTokenError("unknown_secret")
        token, owner = found
        now = self.clock.now()
        check_service_token(token, now)
        if token.last_used_at is None:
            await self._use_service_first(token)
        else:
            self.last_used.note(token.id, now)
        return ServiceCaller(token, owner)

    async def _use_service_first(self, token: ServiceToken) -> None:
        """At once: whoever repeats the request that made it gets no new secret from now on."""
        now = self.clock.now()
        if not await self.storage.write(
            lambda transaction: transaction.service_tokens.use_first(token.id, token.secret_hash, now)
        ):
            raise InvalidTokenError("replaced_secret")

    async def _use_first(self, device: Device, token: StoredSecret) -> None:
        """The first use is the proof that the answer arrived: what it replaces ends only now."""
        now = self.clock.now()

        async def use(transaction: Transaction) -> None:
            await transaction.devices.use_token(device.id, token, now)

        await self.storage.write(use)


async def with_owner(view: Transaction, token_id: ServiceTokenId) -> tuple[ServiceToken, User] | None:
    token = await view.service_tokens.by_id(token_id)
    owner = token and await view.users.by_id(token.owner_id)
    return (token, owner) if token and owner else None


def check_service_token(token: ServiceToken, now: datetime) -> None:
    """Raises `ProblemError` for one that was revoked or has expired."""
    if (refusal := _REFUSED_SERVICES.get(token.state(now))) is not None:
        code, detail = refusal
        raise ProblemError(code, detail, headers=_CHALLENGE)


def check_registration_token(token: RegistrationToken, secret: StoredSecret) -> None:
    """Raises `ProblemError` for a secret that was replaced. The token itself is judged where it is spent."""
    if secret.revoked_at is not None and token.revoked_at is None:
        raise _replaced("registration token")


def check_device(device: Device, token: StoredSecret) -> None:
    """Raises `ProblemError` for a device that has ended or is suspended, or a secret that was replaced."""
    if (refusal := _REFUSED_STATES.get(device.state)) is not None:
        raise ProblemError(refusal.code, refusal.detail, headers=refusal.headers)
    if token.revoked_at is not None:
        raise _replaced("device token")


def _replaced(what: str) -> ProblemError:
    return ProblemError(
        ProblemCode.INVALID_TOKEN,
        f"This {what} was replaced by a newer one, which has been used.",
        cause="replaced_secret",
        headers=_CHALLENGE,
    )
