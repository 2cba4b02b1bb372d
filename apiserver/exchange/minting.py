"""JWTs of ours, signed: at most five minutes, and never longer than what they were made of."""

from dataclasses import dataclass
from datetime import datetime

import jwt

from apiserver.bounded import Bounded
from apiserver.exchange.claims import TOKEN_TYPE
from apiserver.exchange.subject import Subject
from apiserver.signing.es256 import ALGORITHM
from apiserver.signing.key import LONGEST_LIFE, KeyId
from apiserver.signing.rotation import SigningKeys
from common.clock import Clock
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness, token_urlsafe

_JTI_BYTES = 16
MOST_TOKENS = 20_000
"""Some twenty megabytes. For whose JWT had to make room, another one is signed."""


@dataclass(frozen=True, slots=True)
class Minted:
    text: str
    issued_at: datetime
    expires_at: datetime
    signed_by: KeyId


@dataclass(frozen=True)
class Minter:
    """`issuer` is the `iss` of all of them."""

    issuer: str
    keys: SigningKeys
    clock: Clock
    randomness: Randomness

    def mint(self, subject: Subject, audience: str) -> Minted:
        """Raises `ProblemError` when less than a second is left of what it would be made of."""
        # Claims have whole seconds: both ends are cut, so that none of them comes later than it is.
        issued_at = self.clock.now().replace(microsecond=0)
        expires_at = _end_of(subject, issued_at)
        if expires_at <= issued_at:
            raise ProblemError(ProblemCode.INVALID_TOKEN, "What was presented is about to expire.")
        pair = self.keys.signer()
        claims = {
            "iss": self.issuer,
            "aud": audience,
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": token_urlsafe(self.randomness, _JTI_BYTES),
            **claims_of(subject),
        }
        headers = {"typ": TOKEN_TYPE, "kid": pair.id}
        text = jwt.encode(claims, pair.private, algorithm=ALGORITHM, headers=headers)
        return Minted(text, issued_at, expires_at, pair.id)


class MintedOnce:
    """The table in front of the minter, for credentials that are presented with each request.

    The state of the credential is looked up each time; only the signature is spared. One that was handed out
    before is given again while it says the same and more than half of its life is left.
    """

    def __init__(self, minter: Minter, most: int = MOST_TOKENS) -> None:
        self._minter = minter
        # By hash: a copy of the memory has no secret to use.
        self._minted: Bounded[tuple[bytes, str], tuple[Subject, Minted]] = Bounded(most)

    def mint(self, subject: Subject, audience: str, presented_hash: bytes) -> Minted:
        """As `Minter.mint`."""
        known = self._minted.get((presented_hash, audience))
        if known is not None and self._is_good(*known, subject):
            return known[1]
        minted = self._minter.mint(subject, audience)
        self._minted.put((presented_hash, audience), (subject, minted))
        return minted

    def _is_good(self, former: Subject, minted: Minted, subject: Subject) -> bool:
        now = self._minter.clock.now()
        half_of_life = (minted.expires_at - minted.issued_at) / 2
        return (
            claims_of(former) == claims_of(subject)
            # A clock that was put back: nobody would believe it yet, and later it would hold for too long.
            and minted.issued_at <= now
            and minted.expires_at - now > half_of_life
            and (subject.ends_at is None or minted.expires_at <= subject.ends_at)
            and minted.signed_by == self._minter.keys.signer().id
        )


def claims_of(subject: Subject) -> dict[str, object]:
    """What is told of the subject; docs/token-exchange.md has the same table."""
    claims: dict[str, object] = {
        "kind": subject.kind,
        "sub": subject.sub,
        "owner": subject.owner,
        "user": subject.user,
        "tenant": subject.tenant,
        "taints": list(subject.taints),
        "credential": subject.credential,
    }
    return claims if subject.scopes is None else {**claims, "scope": " ".join(subject.scopes)}


def _end_of(subject: Subject, issued_at: datetime) -> datetime:
    longest = issued_at + LONGEST_LIFE
    return longest if subject.ends_at is None else min(longest, subject.ends_at.replace(microsecond=0))
