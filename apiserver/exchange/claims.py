"""What a JWT of ours says: the words that who signs and who verifies must agree on."""

from dataclasses import dataclass
from typing import Literal

from common.jwt import Claims

TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 section 2.1

SubjectKind = Literal["device", "registration", "service"]

PREFIXES: dict[SubjectKind, str] = {
    "device": "device:",
    "registration": "registration-token:",
    "service": "service-token:",
}
"""What stands before the id in `sub`."""


@dataclass(frozen=True, slots=True)
class OwnClaims:
    """Of a JWT that was verified. `scopes` None: not narrowed. `all` is what it says, word by word.

    `credential` is the id of the secret that it was made of.
    """

    kind: SubjectKind
    id: str
    credential: str
    audience: str
    scopes: frozenset[str] | None
    all: Claims
