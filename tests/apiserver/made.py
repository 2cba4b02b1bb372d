"""Tenants, registration tokens and the like, made straight in the storage: what a test needs to begin."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from apiserver.audit.chain import audit_key
from apiserver.audit.trail import Actor, Auditor
from apiserver.devices.device import Device, DeviceId
from apiserver.devices.lifecycle import DeviceLifecycle
from apiserver.ids import new_id
from apiserver.networks.addresses import AddressPool
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import StoredSecret
from apiserver.tenants.tenants import DeviceApproval, Role, Tenant, TenantId, TenantKind
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationToken, RegistrationTokenId
from apiserver.tokens.secret import SecretKind, hash_of, mint
from common.randomness import SystemRandomness
from tests.apiserver.builders import a_token

RANDOMNESS = SystemRandomness()


@dataclass(frozen=True)
class MadeToken:
    """A registration token and its only secret."""

    id: RegistrationTokenId
    secret: str


async def make_token(
    storage: Storage, tenant_id: str, owner_id: str, now: datetime, **fields: Any
) -> MadeToken:
    """`fields` are those of `RegistrationToken`."""
    token_id = RegistrationTokenId(new_id("rgt", now, RANDOMNESS))
    token = a_token(
        **{"id": token_id, "tenant_id": tenant_id, "owner_id": owner_id, "created_at": now, **fields}
    )
    secret = await storage.write(lambda transaction: _added(transaction, token, now))
    return MadeToken(token_id, secret)


async def _added(transaction: Transaction, token: RegistrationToken, now: datetime) -> str:
    await transaction.registration_tokens.add(token)
    return await add_secret(transaction, token.id, now)


async def add_secret(transaction: Transaction, token_id: RegistrationTokenId, now: datetime) -> str:
    """One more secret of a registration token, as a rotation gives it."""
    secret_id = new_id("rts", now, RANDOMNESS)
    secret = mint(SecretKind.REGISTRATION, secret_id.removeprefix("rts_"), RANDOMNESS)
    await transaction.registration_tokens.add_secret(token_id, StoredSecret(secret_id, hash_of(secret), now))
    return secret.reveal()


async def token_of(storage: Storage, token_id: RegistrationTokenId) -> RegistrationToken:
    """As it is kept now."""
    token = await storage.read(lambda view: view.registration_tokens.by_id(token_id))
    assert token is not None
    return token


async def change_token(storage: Storage, token_id: RegistrationTokenId, **fields: Any) -> None:
    """What people may change of it (`RegistrationTokenRepository.update`)."""

    async def change(transaction: Transaction) -> None:
        token = await transaction.registration_tokens.locked(token_id)
        assert token is not None
        changed = replace(token, version=token.version + 1, **fields)
        assert await transaction.registration_tokens.update(changed, former_version=token.version)

    await storage.write(change)


async def make_tenant(
    storage: Storage,
    now: datetime,
    *,
    approval: DeviceApproval = DeviceApproval.AUTOMATIC,
    members: dict[str, Role],
) -> str:
    """A shared tenant with these members, by their user ids."""
    tenant = Tenant(
        TenantId(new_id("ten", now, RANDOMNESS)), "Shared", TenantKind.PRIVATE, None, now, approval
    )

    async def make(transaction: Transaction) -> None:
        await transaction.tenants.add(tenant)
        for user_id, role in members.items():
            await transaction.tenants.add_member(tenant.id, UserId(user_id), role, joined_at=now)

    await storage.write(make)
    return tenant.id


async def make_pool(storage: Storage, tenant_id: str, ipv4: str, ipv6: str = "fd00::/64") -> None:
    """An address pool of another size than usual."""
    pool = AddressPool(IPv4Network(ipv4), IPv6Network(ipv6))
    assert await storage.write(lambda transaction: transaction.addresses.add(TenantId(tenant_id), pool))


async def expire_device(storage: Storage, device_id: str, now: datetime) -> None:
    """As the janitor does it after a silence, which has passed; any device becomes ephemeral here."""
    lifecycle = DeviceLifecycle(storage, Auditor(audit_key(bytes(32)), RANDOMNESS), RANDOMNESS)

    async def made_ephemeral(transaction: Transaction) -> int:
        device = await transaction.devices.locked(DeviceId(device_id))
        assert device is not None
        silence_s = device.ephemeral_s or 3600
        ephemeral = replace(device, ephemeral_s=silence_s)
        assert await transaction.devices.update(ephemeral, former_version=device.version)
        return silence_s

    silence = timedelta(seconds=await storage.write(made_ephemeral))
    assert await lifecycle.expire(DeviceId(device_id), Actor("server", "janitor", now), by=now + silence)


async def device_of(storage: Storage, device_id: str) -> Device:
    """As it is kept now."""
    device = await storage.read(lambda view: view.devices.by_id(DeviceId(device_id)))
    assert device is not None
    return device
