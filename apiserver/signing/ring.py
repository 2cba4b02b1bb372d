"""The signing keys as this server has them open: which one signs, which ones verify, which are published.

Only keys that the server key opens are among them. Who can write to the database, and nothing more, so gets
no key of their own published: third parties would believe all that it signs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apiserver.signing.es256 import ALGORITHM, KeyPair, pair_of
from apiserver.signing.key import KeyId, SigningKey, is_over, signing_at
from apiserver.signing.sealing import KeySealer


@dataclass(frozen=True, slots=True)
class OpenKeys:
    """All keys at one look. `unopened` are those that no server key opens."""

    rows: tuple[SigningKey, ...]
    pairs: dict[KeyId, KeyPair]

    @property
    def usable(self) -> tuple[SigningKey, ...]:
        return tuple(key for key in self.rows if key.id in self.pairs)

    @property
    def unopened(self) -> tuple[KeyId, ...]:
        return tuple(key.id for key in self.rows if key.id not in self.pairs)

    def signer(self, now: datetime) -> KeyPair | None:
        key = signing_at(self.usable, now)
        return None if key is None else self.pairs[key.id]

    def verifier(self, key_id: KeyId) -> KeyPair | None:
        """The key with this id, unless it was withdrawn."""
        return next(
            (self.pairs[key.id] for key in self.usable if key.id == key_id and key.withdrawn_at is None), None
        )

    def ended(self, now: datetime) -> tuple[KeyId, ...]:
        """Those to be removed.

        With a key that does not open here another server may sign, which has another SERVER_KEY: it neither
        goes nor makes others go until it is withdrawn.
        """
        return tuple(
            key.id
            for key in self.rows
            if (key.withdrawn_at is not None or key.id in self.pairs) and is_over(key, self.usable, now)
        )

    def published(self, now: datetime) -> tuple[KeyPair, ...]:
        """Those whose tokens are to be believed, now or soon."""
        return tuple(
            self.pairs[key.id]
            for key in self.usable
            if key.withdrawn_at is None and not is_over(key, self.usable, now)
        )


NO_KEYS = OpenKeys((), {})


def open_keys(rows: Sequence[SigningKey], sealer: KeySealer, known: OpenKeys) -> OpenKeys:
    """The keys of these rows; what is in `known` is not opened again."""
    pairs: dict[KeyId, KeyPair] = {}
    for row in rows:
        pair = known.pairs.get(row.id) or _opened(row, sealer)
        if pair is not None:
            pairs[row.id] = pair
    return OpenKeys(tuple(rows), pairs)


def sealed_row(pair: KeyPair, sealer: KeySealer, *, now: datetime, signs_from: datetime) -> SigningKey:
    """What is kept of a new key."""
    sealed = sealer.seal(pair.id, pair.as_bytes())
    return SigningKey(pair.id, ALGORITHM, sealed, created_at=now, signs_from=signs_from)


def _opened(row: SigningKey, sealer: KeySealer) -> KeyPair | None:
    # Sealed under its own name, so what opens is the key that is called so.
    private_key = sealer.open(row.id, row.sealed_private_key)
    return None if private_key is None else pair_of(private_key)
