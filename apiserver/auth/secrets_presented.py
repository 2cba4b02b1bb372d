"""From a secret of ours to its caller: looked up, judged, and noted as used.

The first use of a device token or a service token is written at once: it proves that the secret arrived.
"""

from dataclasses import dataclass

from apiserver.auth.look_up import Holder, LookUp
from apiserver.auth.principal import DeviceCaller, RegistrationTokenCaller, ServiceCaller
from apiserver.devices.device import DeviceId
from apiserver.last_seen import LastSeen
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tokens.secret import PresentedSecret
from apiserver.tokens.service_token import ServiceTokenId
from common.clock import Clock
from common.jwt import InvalidTokenError


@dataclass(frozen=True)
class Noted:
    """When devices were seen, and service tokens used."""

    clock: Clock
    devices: LastSeen[DeviceId]
    service_tokens: LastSeen[ServiceTokenId]

    def note(self, caller: Holder) -> None:
        match caller:
            case DeviceCaller():
                self.devices.note(caller.device.id, self.clock.now())
            case ServiceCaller():
                self.service_tokens.note(caller.token.id, self.clock.now())
            case RegistrationTokenCaller():
                pass  # noted where it is spent, or made into a JWT


@dataclass(frozen=True)
class SecretAuthenticator:
    look_up: LookUp
    storage: Storage
    clock: Clock
    noted: Noted

    async def holder(self, presented: PresentedSecret) -> Holder:
        """Whoever has this secret. Raises as `LookUp` does."""
        caller = await self.look_up.by_secret(presented)
        match caller:
            case DeviceCaller() if caller.token.first_used_at is None:
                await self._use_device_first(caller)
            case ServiceCaller() if caller.token.last_used_at is None:
                await self._use_service_first(caller)
                return caller
        self.noted.note(caller)
        return caller

    async def made_into_jwt(self, caller: Holder) -> None:
        """To be called for every JWT that is made of a secret.

        Of a registration token that is a use, as of the others: without this the secret that it replaces,
        which leaked perhaps, would hold for ever where all devices join by JWTs.
        """
        match caller:
            case RegistrationTokenCaller() if caller.secret.first_used_at is None:
                await self._use_registration_first(caller)

    async def _use_registration_first(self, caller: RegistrationTokenCaller) -> None:
        now, token_id = self.clock.now(), caller.token.id

        async def use(transaction: Transaction) -> None:
            # Locked first, as by who spends or rotates it: so nobody waits for each other.
            await transaction.registration_tokens.locked(token_id)
            await transaction.registration_tokens.use_secret(token_id, caller.secret, now)

        await self.storage.write(use)

    async def _use_device_first(self, caller: DeviceCaller) -> None:
        """The first use is the proof that the answer arrived: what it replaces ends only now."""
        now = self.clock.now()

        async def use(transaction: Transaction) -> None:
            await transaction.devices.use_token(caller.device.id, caller.token, now)

        await self.storage.write(use)

    async def _use_service_first(self, caller: ServiceCaller) -> None:
        """At once: whoever repeats the request that made it gets no new secret from now on."""
        now, token = self.clock.now(), caller.token
        if not await self.storage.write(
            lambda transaction: transaction.service_tokens.use_first(token.id, token.secret_hash, now)
        ):
            raise InvalidTokenError("replaced_secret")
