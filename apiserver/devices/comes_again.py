"""A device that is known comes again: it keeps what it is, and gets a new token beside the one it has."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apiserver.devices import refusals
from apiserver.devices.device import Device, DeviceState, DeviceTokenId, rejoin
from apiserver.devices.keys import PublicKey
from apiserver.devices.names import with_suffix
from apiserver.idempotency import secret_already_used
from apiserver.ids import new_id
from apiserver.networks.allocate import allocate
from apiserver.storage.contracts import OvertakenError, Transaction
from apiserver.storage.records import StoredSecret
from apiserver.tokens.secret import Secret, SecretKind, hash_of, mint
from common.randomness import Randomness

# Whoever asks again and again, a thief of the registration token among them, pushes out the oldest one that
# nobody has used, never the one in use.
_MOST_UNUSED = 8
_PREFIX = "dtk"


def minted_token(now: datetime, randomness: Randomness) -> tuple[DeviceTokenId, Secret]:
    """A new device token and its id."""
    token_id = DeviceTokenId(new_id(_PREFIX, now, randomness))
    return token_id, mint(SecretKind.DEVICE, token_id.removeprefix(f"{_PREFIX}_"), randomness)


def stored(token_id: DeviceTokenId, secret: Secret, now: datetime) -> StoredSecret:
    return StoredSecret(token_id, hash_of(secret), now)


async def come_again(
    transaction: Transaction,
    device: Device,
    public_key: PublicKey | None,
    token: StoredSecret,
    randomness: Randomness,
) -> Device:
    """The device as it is then. The token in use holds until the new one is used.

    `public_key`: that of the request. Whether a new one may be taken is the caller's to know. Raises
    `ProblemError` for a device that was revoked.
    """
    if device.state is DeviceState.REVOKED:
        raise refusals.device_was_revoked()
    tokens = await transaction.devices.tokens_of(device.id)
    changed = await _brought_back(transaction, device, public_key, token.created_at, randomness)
    if changed != device and not await transaction.devices.update(changed, former_version=device.version):
        raise OvertakenError
    if device.state is DeviceState.EXPIRED:
        # Its silence begins anew.
        await transaction.devices.seen(device.id, token.created_at)
    await _add_token(transaction, device, token, tokens)
    return changed


async def check_secret_is_unused(transaction: Transaction, device: Device) -> None:
    """Before a token is shown in clear to whoever repeats the request of a device without a key.

    Raises `ProblemError` when the first one has arrived: a thief of the request could take the device over.
    """
    tokens = await transaction.devices.tokens_of(device.id)
    if any(token.first_used_at is not None for token in tokens):
        raise secret_already_used()


async def _brought_back(
    transaction: Transaction,
    device: Device,
    public_key: PublicKey | None,
    now: datetime,
    randomness: Randomness,
) -> Device:
    changed = device
    if device.state is DeviceState.EXPIRED:
        changed = rejoin(device, now)
        if await transaction.devices.is_name_taken(device.tenant_id, device.name):
            changed = replace(changed, name=with_suffix(device.name, randomness) or device.name)
    if public_key is not None and public_key != device.public_key:
        changed = replace(changed, public_key=public_key, version=device.version + 1)
    if changed.public_key is not None and changed.ipv4 is None:
        addresses = await allocate(transaction, device.tenant_id, randomness)
        if addresses is None:
            raise refusals.no_address_left()
        changed = replace(changed, ipv4=addresses.ipv4, ipv6=addresses.ipv6)
    return changed


async def _add_token(
    transaction: Transaction, device: Device, token: StoredSecret, former: Sequence[StoredSecret]
) -> None:
    unused = [secret for secret in former if secret.first_used_at is None]
    for secret in unused[: max(0, len(unused) - _MOST_UNUSED + 1)]:
        await transaction.devices.revoke_token(secret.id, token.created_at)
    await transaction.devices.add_token(device.id, token)
