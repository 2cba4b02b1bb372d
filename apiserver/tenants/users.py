"""A user: who the provider says it is, never an e-mail address.

Addresses change hands, are unverified at some providers and differ in spelling; issuer and subject do not.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NewType, Self

UserId = NewType("UserId", str)


@dataclass(frozen=True, slots=True)
class Identity:
    """The issuer and its subject: together they are one user, for ever. Both compare exactly."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What the provider tells about a user, to be shown to people; no rule may depend on it.

    None means: not told. It keeps out of representations, since those end up in logs.
    """

    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)

    def completed_by(self, known: Self) -> Self:
        """This profile where it tells something, and what was known before where it does not.

        The tokens of one client may carry a name and those of another none: without this, a user of both
        would be renamed back and forth, with a write each time.
        """
        return replace(self, name=self.name or known.name, email=self.email or known.email)


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    identity: Identity
    profile: Profile
    created_at: datetime
