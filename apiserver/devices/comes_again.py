"""A device that is known comes again: it keeps what it is, and gets a new token beside the one it has."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apiserver.devices import refusals
from apiserver.devices.device import Device, DeviceState, DeviceTokenId, WrongStateError, rejoin
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
NAMES_TRIED = 5
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
    token: StoredSecret,
    randomness: Randomness,
    *,
    new_key: PublicKey | None = None,
    name_pattern: str | None = None,
) -> Device:
    """The device as it is then. The token in use holds until the new one is used.

    Whether a new key may be taken is the caller's to know; that of a request which is repeated may be the one
    that was given up since. `name_pattern` is for a name that has become another's. Raises `ProblemError` for
    a device that has ended for ever.
    """
    if device.state is DeviceState.REVOKED:
        raise refusals.device_was_revoked()
    tokens = await transaction.devices.tokens_of(device.id)
    changed = device
    if device.state is DeviceState.EXPIRED:
        changed = await _brought_back(transaction, device, token.created_at, randomness, name_pattern)
    if new_key is not None and new_key != device.public_key:
        changed = replace(changed, public_key=new_key, version=device.version + 1)
    changed = await _with_addresses(transaction, changed, randomness)
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
    Of a device that has expired that is not known any more.
    """
    if device.state is DeviceState.EXPIRED:
        raise refusals.device_has_expired()
    tokens = await transaction.devices.tokens_of(device.id)
    if any(token.first_used_at is not None for token in tokens):
        raise secret_already_used()


async def _brought_back(
    transaction: Transaction,
    device: Device,
    now: datetime,
    randomness: Randomness,
    name_pattern: str | None,
) -> Device:
    try:
        back = rejoin(device, now)
    except WrongStateError:
        raise refusals.device_has_expired() from None
    name = device.name
    for _ in range(NAMES_TRIED):
        if not await transaction.devices.is_name_taken(device.tenant_id, name):
            return replace(back, name=name)
        other = with_suffix(device.name, randomness, name_pattern)
        if other is None:
            break
        name = other
    raise refusals.name_taken()


async def _with_addresses(transaction: Transaction, device: Device, randomness: Randomness) -> Device:
    if device.public_key is None or device.ipv4 is not None:
        return device
    addresses = await allocate(transaction, device.tenant_id, randomness)
    if addresses is None:
        raise refusals.no_address_left()
    return replace(device, ipv4=addresses.ipv4, ipv6=addresses.ipv6)


async def _add_token(
    transaction: Transaction, device: Device, token: StoredSecret, former: Sequence[StoredSecret]
) -> None:
    unused = [secret for secret in former if secret.first_used_at is None]
    for secret in unused[: max(0, len(unused) - _MOST_UNUSED + 1)]:
        await transaction.devices.revoke_token(secret.id, token.created_at)
    await transaction.devices.add_token(device.id, token)
