"""From a JWT of ours to its caller: what it was made of is looked up with each request.

So it ends here with its device, its registration token, and the very secret that was exchanged for it. It is
never the first use of that secret: a JWT goes to third parties, and proves nothing of where the secret is.
"""

from dataclasses import dataclass, replace

from apiserver.auth.principal import DeviceCaller, RegistrationTokenCaller, ServiceCaller
from apiserver.auth.scopes import ALL_DEVICE_SCOPES, DeviceScope
from apiserver.auth.secrets_presented import (
    Holder,
    check_device,
    check_registration_token,
    check_service_token,
    with_owner,
)
from apiserver.devices.device import DeviceId
from apiserver.exchange.own_jwts import OwnClaims, OwnJwts
from apiserver.last_seen import LastSeen
from apiserver.storage.contracts import Storage
from apiserver.tokens.service_token import ServiceTokenId
from common.clock import Clock
from common.jwt import InvalidTokenError


@dataclass(frozen=True)
class OwnJwtAuthenticator:
    jwts: OwnJwts
    storage: Storage
    clock: Clock
    last_seen: LastSeen[DeviceId]
    last_used: LastSeen[ServiceTokenId]

    async def holder(self, presented_token: str, audience: str) -> Holder:
        """Raises `InvalidTokenError`, and `ProblemError` for what has ended since it was signed."""
        claims = await self.jwts.verify(presented_token, audience, self.clock.now())
        match claims.kind:
            case "device":
                return await self._device(claims)
            case "registration":
                return await self._registration_token(claims)
            case "service":
                return await self._service_token(claims)

    async def _device(self, claims: OwnClaims) -> DeviceCaller:
        found = await self.storage.read(lambda view: view.devices.by_token(claims.credential))
        if found is None or found[0].id != claims.id:
            raise InvalidTokenError("unknown_subject")
        check_device(*found)
        self.last_seen.note(found[0].id, self.clock.now())
        return DeviceCaller(*found, _device_scopes(claims))

    async def _registration_token(self, claims: OwnClaims) -> RegistrationTokenCaller:
        found = await self.storage.read(lambda view: view.registration_tokens.by_secret(claims.credential))
        if found is None or found[0].id != claims.id:
            raise InvalidTokenError("unknown_subject")
        check_registration_token(*found)
        return RegistrationTokenCaller(*found, by_jwt=True)

    async def _service_token(self, claims: OwnClaims) -> ServiceCaller:
        token_id, now = ServiceTokenId(claims.id), self.clock.now()
        found = await self.storage.read(lambda view: with_owner(view, token_id))
        if found is None:
            raise InvalidTokenError("unknown_subject")
        token, owner = found
        check_service_token(token, now)
        self.last_used.note(token.id, now)
        scopes = frozenset(scope for scope in token.scopes if scope.value in (claims.scopes or ()))
        return ServiceCaller(replace(token, scopes=scopes), owner)


def _device_scopes(claims: OwnClaims) -> frozenset[DeviceScope]:
    if claims.scopes is None:
        return ALL_DEVICE_SCOPES
    return frozenset(scope for scope in DeviceScope if scope.value in claims.scopes)
