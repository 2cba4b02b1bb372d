"""Signing keys over time: the first one, the next one, an emergency, and the end of each.

All of them are read and changed under one lock, so servers that start or rotate at once agree.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from apiserver.errors import StorageUnavailableError
from apiserver.signing.es256 import KeyPair, new_pair
from apiserver.signing.key import (
    LEAD,
    LOOK_INTERVAL,
    KeyId,
    KeyState,
    SigningKey,
    signing_at,
    state_of,
)
from apiserver.signing.ring import NO_KEYS, OpenKeys, open_keys, sealed_row
from apiserver.signing.sealing import KeySealer
from apiserver.storage.contracts import Storage, Transaction
from common.clock import Clock
from common.problems import ProblemCode, ProblemError

_UNKNOWN_KEY_COOL_DOWN_S = 1.0

log = structlog.get_logger(__name__)


class SigningKeys:
    """The keys of this deployment, as this server knows them. A `look` comes first."""

    def __init__(self, storage: Storage, sealer: KeySealer, clock: Clock) -> None:
        self._storage = storage
        self.sealer = sealer
        self._clock = clock
        self._known = NO_KEYS
        # What was read before a change must not be taken after it: a withdrawn key would sign on.
        self._turn = asyncio.Lock()
        self._told_unopened: tuple[KeyId, ...] = ()
        self._looked_for_unknown_at: float | None = None

    @property
    def known(self) -> OpenKeys:
        """The same object until a look finds other keys."""
        return self._known

    def signer(self) -> KeyPair:
        """The key that signs now. Raises `LookupError` before the first look."""
        pair = self._known.signer(self._clock.now())
        if pair is None:
            raise LookupError("no signing key is open")
        return pair

    async def look(self) -> None:
        """Learns which keys there are. Where none of them can sign here, one is made that does so at once."""
        async with self._turn:
            self._take(await self._storage.read(lambda view: view.signing_keys.all()))
            if self._known.signer(self._clock.now()) is None:
                await self._make_first()

    async def keep_looking(self) -> None:
        """Sleep, then look: for `Tasks.keep_running`, after a first look."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL.total_seconds())
            # Readiness tells of it. What is known stays, and signs.
            with suppress(StorageUnavailableError):
                await self.look()

    async def verifier(self, key_id: KeyId) -> KeyPair | None:
        """The key that a JWT names. One that is not known may have been made by another server just now."""
        pair = self._known.verifier(key_id)
        if pair is None and self._may_look_for_unknown():
            await self.look()
            pair = self._known.verifier(key_id)
        return pair

    async def rotate(self) -> None:
        """The next key: published now, signs later. Raises `ProblemError` while there is one already."""
        now, pair = self._clock.now(), new_pair()
        row = sealed_row(pair, self.sealer, now=now, signs_from=now + LEAD)

        async def add(transaction: Transaction) -> Sequence[SigningKey]:
            rows = await transaction.signing_keys.locked()
            if any(state_of(key, rows, now) is KeyState.PENDING for key in rows):
                # Each key of the set is fetched and kept by everybody who verifies: the set stays small.
                raise _pending_already()
            await transaction.signing_keys.add(row)
            return [*rows, row]

        async with self._turn:
            self._take(await self._storage.write(add))
        log.info("signing_key_added", kid=row.id, signs_from=row.signs_from.isoformat())

    async def replace_compromised(self) -> None:
        """One new key that signs at once. All others are withdrawn: whoever took one could take them all."""
        now, pair = self._clock.now(), new_pair()
        row = sealed_row(pair, self.sealer, now=now, signs_from=now)

        async def replace(transaction: Transaction) -> tuple[Sequence[SigningKey], Sequence[KeyId]]:
            rows = await transaction.signing_keys.locked()
            withdrawn = [key.id for key in rows if key.withdrawn_at is None]
            for key_id in withdrawn:
                await transaction.signing_keys.withdraw(key_id, now)
            await transaction.signing_keys.add(row)
            return await transaction.signing_keys.all(), withdrawn

        async with self._turn:
            rows, withdrawn = await self._storage.write(replace)
            self._take(rows)
        log.warning("signing_keys_withdrawn", kid=row.id, withdrawn=list(withdrawn))

    async def remove_ended(self) -> int:
        """Those whose last token is gone; gives their number."""
        now = self._clock.now()
        if not self._known.ended(now):
            return 0

        async def remove(transaction: Transaction) -> Sequence[KeyId]:
            rows = await transaction.signing_keys.locked()
            ended = open_keys(rows, self.sealer, self._known).ended(now)
            for key_id in ended:
                await transaction.signing_keys.remove(key_id)
            return ended

        ended = await self._storage.write(remove)
        await self.look()
        return len(ended)

    async def _make_first(self) -> None:
        now, pair = self._clock.now(), new_pair()
        row = sealed_row(pair, self.sealer, now=now, signs_from=now)

        async def add(transaction: Transaction) -> Sequence[SigningKey]:
            rows = await transaction.signing_keys.locked()
            # Another server may have been faster; then its key is everyone's.
            if signing_at(open_keys(rows, self.sealer, self._known).usable, now) is not None:
                return rows
            await transaction.signing_keys.add(row)
            return [*rows, row]

        rows = await self._storage.write(add)
        self._take(rows)
        if row in rows:
            log.info("signing_key_made", kid=row.id)

    def _take(self, rows: Sequence[SigningKey]) -> None:
        if tuple(rows) != self._known.rows:
            self._known = open_keys(rows, self.sealer, self._known)
        if self._known.unopened != self._told_unopened:
            self._told_unopened = self._known.unopened
            self._tell_unopened()

    def _tell_unopened(self) -> None:
        if self._told_unopened:
            log.warning(
                "signing_keys_not_opened",
                kids=list(self._told_unopened),
                reason="They were sealed under another SERVER_KEY: their tokens are refused, and another key "
                "signs. Put the former SERVER_KEY behind the new one to go on without a break.",
            )

    def _may_look_for_unknown(self) -> bool:
        # Made-up ids must not be a way to ask the storage with each request.
        now, last = self._clock.monotonic(), self._looked_for_unknown_at
        if last is not None and now - last < _UNKNOWN_KEY_COOL_DOWN_S:
            return False
        self._looked_for_unknown_at = now
        return True


def _pending_already() -> ProblemError:
    return ProblemError(
        ProblemCode.WRONG_STATE,
        "A new key waits for its time already. Rotate again once it signs; if a key has leaked, say that "
        "it is compromised.",
    )
