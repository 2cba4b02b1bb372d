"""What the storage promises. Every engine keeps all of it; tests/apiserver/storage holds each to it.

Times are given by the caller and come back aware, in UTC. What is not there is None or an empty list, never
an error. Every method may raise `StorageUnavailableError`.
"""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from apiserver.audit.chain import AuditEvent, Checkpoint
from apiserver.devices.device import Device, DeviceId
from apiserver.devices.keys import PublicKey
from apiserver.networks.addresses import AddressPool
from apiserver.signing.key import KeyId, SigningKey
from apiserver.storage.records import (
    AuditPage,
    DevicePage,
    FormerRequest,
    RegistrationTokenPage,
    ServiceTokenPage,
    Step,
    StoredSecret,
)
from apiserver.storage.tenant_contracts import InvitationRepository, TenantRepository, UserRepository
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationToken, RegistrationTokenId
from apiserver.tokens.service_token import ServiceToken, ServiceTokenId

T = TypeVar("T")


class OvertakenError(Exception):
    """Raised inside a unit of work: another server took what it was about to take. It is run again."""


class ConstraintError(Exception):
    """A rule of the schema was broken: a mistake of ours, the next try would fail the same way."""


class RegistrationTokenRepository(Protocol):
    async def add(self, token: RegistrationToken) -> None: ...

    async def by_id(self, token_id: RegistrationTokenId) -> RegistrationToken | None: ...

    async def locked(self, token_id: RegistrationTokenId) -> RegistrationToken | None:
        """As `by_id`; nobody else changes it before this transaction ends."""
        ...

    async def spend(
        self, token_id: RegistrationTokenId, now: datetime, next_allowed_at: datetime | None
    ) -> int | None:
        """Spends one use; None, and nothing spent, where it is revoked, suspended or used up.

        Gives the uses spent so far. Times and rates are the caller's to check, in the same transaction.
        """
        ...

    async def pace(self, token_id: RegistrationTokenId, next_allowed_at: datetime) -> None:
        """Keeps the state of the rate of a locked token, where no use is spent."""
        ...

    async def update(self, token: RegistrationToken, *, former_version: int) -> bool:
        """Writes what people change of it; False when it is another version by now."""
        ...

    async def suspend_of_owner(self, tenant_id: TenantId, owner_id: UserId, now: datetime) -> int:
        """Suspends all that are not, nor revoked; gives their number."""
        ...

    async def suspend_vouching_of_owner(self, tenant_id: TenantId, owner_id: UserId, now: datetime) -> int:
        """As `suspend_of_owner`, those alone that pre-approve their devices or force taints on them."""
        ...

    async def revoke_of_tenant(self, tenant_id: TenantId, now: datetime) -> int:
        """Revokes all that are not; gives their number."""
        ...

    async def page(self, page: RegistrationTokenPage) -> Sequence[RegistrationToken]: ...

    async def add_secret(self, token_id: RegistrationTokenId, secret: StoredSecret) -> None: ...

    async def by_secret(self, secret_id: str) -> tuple[RegistrationToken, StoredSecret] | None: ...

    async def secrets_of(self, token_id: RegistrationTokenId) -> Sequence[StoredSecret]:
        """Those that are not revoked, the oldest first."""
        ...

    async def use_secret(self, token_id: RegistrationTokenId, secret: StoredSecret, now: datetime) -> bool:
        """Whether this was its first use, which revokes all that are older."""
        ...

    async def revoke_secret(self, secret_id: str, now: datetime) -> None: ...


class ServiceTokenRepository(Protocol):
    async def add(self, token: ServiceToken) -> None: ...

    async def by_id(self, token_id: ServiceTokenId) -> ServiceToken | None: ...

    async def page(self, page: ServiceTokenPage) -> Sequence[ServiceToken]: ...

    async def use_first(self, token_id: ServiceTokenId, secret_hash: bytes, now: datetime) -> bool:
        """Whether it still has this secret and is not revoked, and was used now."""
        ...

    async def used(self, token_id: ServiceTokenId, at: datetime) -> None:
        """Notes that it was used; never goes back."""
        ...

    async def replace_secret(self, token_id: ServiceTokenId, secret_hash: bytes) -> bool:
        """Whether it was neither used nor revoked, and has this secret now."""
        ...

    async def revoke(self, token_id: ServiceTokenId, now: datetime) -> bool:
        """Whether it was not revoked, and is now. Of many who do it at once, one is told True."""
        ...

    async def revoke_of_tenant(self, tenant_id: TenantId, now: datetime) -> int:
        """Revokes all that are not; gives their number."""
        ...

    async def revoke_of_owner(self, tenant_id: TenantId, owner_id: UserId, now: datetime) -> int:
        """As `revoke_of_tenant`, those alone that act for this user."""
        ...


class DeviceRepository(Protocol):
    async def add(self, device: Device) -> bool:
        """False, and nothing written, when its key, its name or an address of its is a live device's."""
        ...

    async def by_id(self, device_id: DeviceId) -> Device | None: ...

    async def locked(self, device_id: DeviceId) -> Device | None:
        """As `by_id`; nobody else changes it before this transaction ends."""
        ...

    async def by_public_key(self, public_key: PublicKey) -> Device | None:
        """Of any tenant and state, locked as by `locked`."""
        ...

    async def live_with_fingerprint(self, tenant_id: TenantId, fingerprint: str) -> Device | None:
        """The oldest one."""
        ...

    async def is_name_taken(self, tenant_id: TenantId, name: str) -> bool: ...

    async def update(self, device: Device, *, former_version: int) -> bool:
        """Writes all but when it was last seen; False when it is another version by now."""
        ...

    async def seen(self, device_id: DeviceId, at: datetime) -> None:
        """Never goes back, and is no new version."""
        ...

    async def free_addresses(self, device_id: DeviceId) -> None:
        """Lets others have its addresses: for a device that ends."""
        ...

    async def page(self, page: DevicePage) -> Sequence[Device]: ...

    async def add_token(self, device_id: DeviceId, token: StoredSecret) -> None: ...

    async def by_token(self, token_id: str) -> tuple[Device, StoredSecret] | None: ...

    async def tokens_of(self, device_id: DeviceId) -> Sequence[StoredSecret]:
        """Those that are not revoked, the oldest first."""
        ...

    async def use_token(self, device_id: DeviceId, token: StoredSecret, now: datetime) -> bool:
        """Whether this was its first use, which revokes all that are older."""
        ...

    async def revoke_token(self, token_id: str, now: datetime) -> None: ...

    async def revoke_all_tokens(self, device_id: DeviceId, now: datetime) -> None: ...


class DeviceSet(Protocol):
    """Live devices that belong together, in the order of their ids.

    What is done to them is done in steps, each in a unit of its own: there may be a million. A step that is
    shorter than it might be is the last one.
    """

    async def count(self) -> int: ...

    async def count_awake(self) -> int:
        """How many `suspend` would suspend, step by step."""
        ...

    async def suspend(self, reason: str, step: Step) -> Sequence[DeviceId]:
        """Suspends those that are not; gives them in order."""
        ...

    async def revoke(self, reason: str, now: datetime, step: Step) -> Sequence[DeviceId]:
        """Revokes them, with their tokens, and frees their addresses; gives them in order."""
        ...


class DeviceSets(Protocol):
    def of_registration_token(self, tenant_id: TenantId, token_id: RegistrationTokenId) -> DeviceSet:
        """The tenant is the token's."""
        ...

    def of_owner(self, tenant_id: TenantId, owner_id: UserId) -> DeviceSet: ...

    def of_tenant(self, tenant_id: TenantId) -> DeviceSet: ...


class AddressPoolRepository(Protocol):
    async def add(self, tenant_id: TenantId, pool: AddressPool) -> bool:
        """False, and nothing written, when the tenant has one."""
        ...

    async def locked(self, tenant_id: TenantId) -> AddressPool | None:
        """Nobody else takes an address of it before this transaction ends."""
        ...

    async def set_next_host(self, tenant_id: TenantId, next_host: int) -> None: ...

    async def take_freed(self, tenant_id: TenantId) -> tuple[str, str] | None:
        """The IPv4 and IPv6 address that some device had, which are free no more; under the pool's lock."""
        ...


class AuditRepository(Protocol):
    async def locked_head(self, tenant_id: TenantId) -> Checkpoint:
        """The last event of the tenant's chain; nobody else appends before this transaction ends."""
        ...

    async def append(self, event: AuditEvent) -> None:
        """The event that follows the locked head, and is the head from now on."""
        ...

    async def head(self, tenant_id: TenantId) -> Checkpoint | None: ...

    async def page(self, page: AuditPage) -> Sequence[AuditEvent]:
        """An event that cannot be read, since somebody wrote past us, comes back without a MAC."""
        ...

    async def seq_beyond(self, page: AuditPage, skipped: int) -> int | None:
        """The seq of the event that comes after `skipped` ones of the page, filters and limit apart."""
        ...


class IdempotencyKeyRepository(Protocol):
    async def find(self, caller: str, key: str) -> FormerRequest | None: ...

    async def add(
        self, caller: str, key: str, *, request_hash: bytes, resource_id: str, now: datetime
    ) -> bool:
        """False, and nothing written, when the caller has used the key."""
        ...


class SigningKeyRepository(Protocol):
    """Few rows, always read together."""

    async def all(self) -> Sequence[SigningKey]:
        """In the order in which they sign."""
        ...

    async def locked(self) -> Sequence[SigningKey]:
        """As `all`, also when there is none; nobody else changes them before this transaction ends."""
        ...

    async def add(self, key: SigningKey) -> None: ...

    async def withdraw(self, key_id: KeyId, now: datetime) -> None: ...

    async def remove(self, key_id: KeyId) -> None: ...


class LeftoverRepository(Protocol):
    """What nobody needs any more. Nothing here is about a tenant.

    Each removal takes at most `limit`, whose end was before then, and gives their number. Several servers may
    remove at once: each takes what no other one does.
    """

    async def ephemeral_times(self) -> Sequence[int]:
        """The silences, in seconds, after which some live device leaves: few, whatever their number."""
        ...

    async def silent_devices(self, ephemeral_s: int, since: datetime, limit: int) -> Sequence[DeviceId]:
        """Live devices that leave after this silence and were not seen since; suspended ones do not leave."""
        ...

    async def overdue_devices(self, now: datetime, limit: int) -> Sequence[DeviceId]:
        """Live devices whose time has come; suspended ones are never among them."""
        ...

    async def remove_ended_devices(self, before: datetime, limit: int) -> int:
        """With all their tokens."""
        ...

    async def remove_device_tokens(self, before: datetime, limit: int) -> int:
        """Those that were revoked."""
        ...

    async def remove_registration_token_secrets(self, before: datetime, limit: int) -> int:
        """Those that were revoked; their registration token stays."""
        ...

    async def remove_idempotency_keys(self, before: datetime, limit: int) -> int: ...

    async def remove_invitations(self, before: datetime, limit: int) -> int:
        """Those that were accepted or revoked, or have expired."""
        ...

    async def remove_service_tokens(self, before: datetime, limit: int) -> int:
        """Those that were revoked or have expired."""
        ...


class Transaction(Protocol):
    """Reads and writes that belong together."""

    @property
    def users(self) -> UserRepository: ...

    @property
    def tenants(self) -> TenantRepository: ...

    @property
    def invitations(self) -> InvitationRepository: ...

    @property
    def registration_tokens(self) -> RegistrationTokenRepository: ...

    @property
    def service_tokens(self) -> ServiceTokenRepository: ...

    @property
    def devices(self) -> DeviceRepository: ...

    @property
    def device_sets(self) -> DeviceSets: ...

    @property
    def addresses(self) -> AddressPoolRepository: ...

    @property
    def audit(self) -> AuditRepository: ...

    @property
    def idempotency_keys(self) -> IdempotencyKeyRepository: ...

    @property
    def signing_keys(self) -> SigningKeyRepository: ...

    @property
    def leftovers(self) -> LeftoverRepository: ...


Work: TypeAlias = Callable[[Transaction], Coroutine[Any, Any, T]]
"""A unit of work: an async function that awaits nothing but its transaction.

It may be run in another thread, and again from its start: it changes nothing outside its transaction.
"""


class Storage(Protocol):
    async def write(self, work: Work[T]) -> T:
        """All or nothing: what `work` returns comes back once everything is kept durably.

        What it raises is raised here and leaves no trace. Writers may wait for each other, so nothing slow
        and nothing outside belongs inside.
        """
        ...

    async def read(self, work: Work[T]) -> T:
        """One unchanging view for reads. It does not wait for writers nor hold them up; a write fails.

        What was acknowledged before the call is seen.
        """
        ...

    async def ping(self) -> None:
        """Returns when the storage answers."""
        ...
