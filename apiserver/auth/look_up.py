"""From a credential of ours to whoever has it: looked up and judged, and nothing is written.

An unknown secret is refused without a reason. Who holds a right one is told why it does not do: it is theirs.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from aiohttp import hdrs

from apiserver.auth.principal import DeviceCaller, RegistrationTokenCaller, ServiceCaller
from apiserver.auth.scopes import ALL_DEVICE_SCOPES, DeviceScope
from apiserver.devices.device import Device, DeviceState
from apiserver.exchange.claims import OwnClaims
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import StoredSecret
from apiserver.tenants.tenants import Role
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
class LookUp:
    """All methods raise `InvalidTokenError` for what is not known, and `ProblemError` for what does not do.

    Whether a registration token may be used now is decided where it is spent, what the owner of a service
    token may still do in the tenant where it acts.
    """

    storage: Storage
    clock: Clock

    async def by_secret(self, presented: PresentedSecret) -> Holder:
        match presented.kind:
            case SecretKind.DEVICE:
                device, token = await self._device(f"dtk_{presented.public_id}", presented)
                return DeviceCaller(device, token)
            case SecretKind.REGISTRATION:
                found = await self._registration_token(f"rts_{presented.public_id}", presented)
                return RegistrationTokenCaller(*found)
            case SecretKind.SERVICE:
                return await self._service(f"{SERVICE_TOKEN_PREFIX}{presented.public_id}", presented)
            case _:
                raise InvalidTokenError("kind_of_secret")

    async def by_jwt(self, claims: OwnClaims) -> Holder:
        """By what a verified JWT was made of: it has ended when that has, the very secret included."""
        match claims.kind:
            case "device":
                device, token = await self._device(claims.credential)
                _check_same(device.id, claims)
                return DeviceCaller(device, token, _device_scopes(claims), by_jwt=True)
            case "registration":
                registration_token, secret = await self._registration_token(claims.credential)
                _check_same(registration_token.id, claims)
                return RegistrationTokenCaller(registration_token, secret)
            case "service":
                caller = await self._service(claims.credential)
                _check_same(caller.token.id, claims)
                return _narrowed(caller, claims)

    async def _device(
        self, token_id: str, presented: PresentedSecret | None = None
    ) -> tuple[Device, StoredSecret]:
        found = await self.storage.read(lambda view: view.devices.by_token(token_id))
        if found is None or not _is(found[1].hash, presented):
            raise InvalidTokenError("unknown_secret")
        _check_device(*found)
        return found

    async def _registration_token(
        self, secret_id: str, presented: PresentedSecret | None = None
    ) -> tuple[RegistrationToken, StoredSecret]:
        found = await self.storage.read(lambda view: view.registration_tokens.by_secret(secret_id))
        if found is None or not _is(found[1].hash, presented):
            raise InvalidTokenError("unknown_secret")
        _check_registration_token(*found)
        return found

    async def _service(self, token_id: str, presented: PresentedSecret | None = None) -> ServiceCaller:
        found = await self.storage.read(lambda view: _with_owner(view, ServiceTokenId(token_id)))
        if found is None or not _is(found[0].secret_hash, presented):
            raise InvalidTokenError("unknown_secret")
        _check_service_token(found[0], self.clock.now())
        return ServiceCaller(*found)


def _is(stored_hash: bytes, presented: PresentedSecret | None) -> bool:
    """Whether it is the secret of the row. A JWT has none: our signature says that there was one."""
    return presented is None or matches(stored_hash, presented)


def _check_same(found_id: str, claims: OwnClaims) -> None:
    if found_id != claims.id:
        raise InvalidTokenError("unknown_subject")


def _device_scopes(claims: OwnClaims) -> frozenset[DeviceScope]:
    if claims.scopes is None:
        return ALL_DEVICE_SCOPES
    return frozenset(scope for scope in DeviceScope if scope.value in claims.scopes)


def _narrowed(caller: ServiceCaller, claims: OwnClaims) -> ServiceCaller:
    scopes = frozenset(scope for scope in caller.scopes if scope.value in (claims.scopes or ()))
    return replace(caller, token=replace(caller.token, scopes=scopes))


async def _with_owner(
    view: Transaction, token_id: ServiceTokenId
) -> tuple[ServiceToken, User, Role | None] | None:
    token = await view.service_tokens.by_id(token_id)
    if token is None or (owner := await view.users.by_id(token.owner_id)) is None:
        return None
    membership = await view.tenants.membership(token.tenant_id, owner.id)
    return token, owner, None if membership is None else membership.role


def _check_service_token(token: ServiceToken, now: datetime) -> None:
    """Raises `ProblemError` for one that was revoked or has expired."""
    if (refusal := _REFUSED_SERVICES.get(token.state(now))) is not None:
        code, detail = refusal
        raise ProblemError(code, detail, headers=_CHALLENGE)


def _check_registration_token(token: RegistrationToken, secret: StoredSecret) -> None:
    """Raises `ProblemError` for a secret that was replaced. The token itself is judged where it is spent."""
    if secret.revoked_at is not None and token.revoked_at is None:
        raise _replaced("registration token")


def _check_device(device: Device, token: StoredSecret) -> None:
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
