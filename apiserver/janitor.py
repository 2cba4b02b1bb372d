"""What leaves by itself: devices that have run out expire, what has ended is removed after its keeping time.

Every server does it each minute, in small steps. What two of them want to do at once is done by one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry, Counter

from apiserver.audit.trail import Actor
from apiserver.devices.device import DeviceId
from apiserver.devices.lifecycle import DeviceLifecycle
from apiserver.last_seen import WRITE_INTERVAL, LastSeen
from apiserver.signing.rotation import SigningKeys
from apiserver.storage.contracts import LeftoverRepository, Storage, Transaction
from common.clock import Clock

INTERVAL = timedelta(minutes=1)
PATIENCE = 3 * WRITE_INTERVAL
"""How much later than its silence a device leaves: what another server heard of it may not be written yet."""

LONGEST_LISTENING = timedelta(hours=1)
"""A server takes a silence for one that it listened to, or to so much of it: while none ran, nobody did."""

_STEP = 100

log = structlog.get_logger(__name__)

Removal = Callable[[LeftoverRepository, datetime, int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Keeping:
    """`docs/operation.md` has the same table."""

    what: str
    kept: timedelta
    remove: Removal


KEEPING = (
    Keeping("ended_devices", timedelta(days=30), lambda old, *of: old.remove_ended_devices(*of)),
    Keeping("revoked_device_tokens", timedelta(days=30), lambda old, *of: old.remove_device_tokens(*of)),
    Keeping(
        "revoked_registration_token_secrets",
        timedelta(days=30),
        lambda old, *of: old.remove_registration_token_secrets(*of),
    ),
    Keeping("ended_invitations", timedelta(days=30), lambda old, *of: old.remove_invitations(*of)),
    Keeping("ended_service_tokens", timedelta(days=30), lambda old, *of: old.remove_service_tokens(*of)),
    Keeping("idempotency_keys", timedelta(hours=24), lambda old, *of: old.remove_idempotency_keys(*of)),
)


class Janitor:
    def __init__(
        self,
        storage: Storage,
        lifecycle: DeviceLifecycle,
        last_seen: LastSeen[DeviceId],
        signing_keys: SigningKeys,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._storage = storage
        self._lifecycle = lifecycle
        self._last_seen = last_seen
        self._signing_keys = signing_keys
        self._clock = clock
        self._listening_since = clock.monotonic()
        self._expired = Counter(
            "apiserver_expired_devices", "Devices that left by themselves", registry=registry
        )
        self._removed = Counter(
            "apiserver_removed", "What was removed after its keeping time", ["what"], registry=registry
        )

    async def keep_clean(self) -> None:
        """For `Tasks.keep_running`."""
        while True:
            await asyncio.sleep(INTERVAL.total_seconds())
            await self.clean()

    async def clean(self) -> None:
        """All that is due now."""
        done = {"expired_devices": await self._expire_devices()}
        for keeping in KEEPING:
            done[keeping.what] = await self._remove(keeping)
        done["signing_keys"] = await self._signing_keys.remove_ended()
        self._removed.labels("signing_keys").inc(done["signing_keys"])
        if any(done.values()):
            log.info("cleaned", **done)

    async def _expire_devices(self) -> int:
        # What this server heard counts at once.
        await self._last_seen.write()
        expired = 0
        while due := await self._due_devices():
            done = [device_id for device_id in due if await self._expire(device_id)]
            expired += len(done)
            if not done:
                break
        self._expired.inc(expired)
        return expired

    async def _due_devices(self) -> Sequence[DeviceId]:
        """Some of those that seem to have run out. Whether they have is decided in a transaction for each."""
        by, listened = self._clock.now() - PATIENCE, self._clock.monotonic() - self._listening_since

        async def look(view: Transaction) -> Sequence[DeviceId]:
            due = list(await view.leftovers.overdue_devices(by, _STEP))
            for ephemeral_s in await view.leftovers.ephemeral_times():
                if listened >= min(ephemeral_s, LONGEST_LISTENING.total_seconds()):
                    since = by - timedelta(seconds=ephemeral_s)
                    due += await view.leftovers.silent_devices(ephemeral_s, since, _STEP)
            return due

        return await self._storage.read(look)

    async def _expire(self, device_id: DeviceId) -> bool:
        now = self._clock.now()
        return await self._lifecycle.expire(device_id, Actor("server", "janitor", now), by=now - PATIENCE)

    async def _remove(self, keeping: Keeping) -> int:
        before = self._clock.now() - keeping.kept

        async def remove(transaction: Transaction) -> int:
            return await keeping.remove(transaction.leftovers, before, _STEP)

        removed = 0
        while step := await self._storage.write(remove):
            removed += step
        self._removed.labels(keeping.what).inc(removed)
        return removed
