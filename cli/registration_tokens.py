"""Registration tokens, as the user who makes and ends them sees them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import quote

import msgspec

from cli.labels import labelled
from cli.replies import Told
from cli.user_api import UserApi
from common.randomness import Randomness, token_urlsafe

DevicesChoice = Literal["keep", "suspend", "revoke"]
CHOICES: Final = ("keep", "suspend", "revoke")

_PATH: Final = "/api/v1/registration-tokens"
_ID: Final = re.compile(r"rgt_[0-9A-Za-z]{22}")

# It is printed inside a command line that people paste into a shell: letters and digits do no harm there.
RegistrationSecret = Annotated[str, msgspec.Meta(pattern=r"\Adwr_[0-9A-Za-z]{71}\Z")]


class RegistrationToken(msgspec.Struct, frozen=True):
    id: str
    tenant_id: str
    label: str
    state: str
    uses: int
    created_at: datetime
    max_uses: int | None = None
    description: str = ""
    owner_id: str = ""
    expires_at: datetime | None = None
    not_before: datetime | None = None
    last_used_at: datetime | None = None
    taints: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    name_pattern: str | None = None
    source_networks: tuple[str, ...] = ()
    pre_approved: bool = False
    ephemeral_s: int | None = None


class MintedToken(RegistrationToken, frozen=True, kw_only=True):
    """With its secret, which is shown this once."""

    token: RegistrationSecret

    def __repr__(self) -> str:
        return f"MintedToken({self.id!r}, ...)"


class AskedToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a new token shall be; what is left out is the server's to say."""

    label: str
    tenant_id: str | None = None
    max_uses: int | None = None
    expires_at: datetime | None = None
    taints: tuple[str, ...] = ()
    pre_approved: bool = False
    ephemeral_s: int | None = None


class EnrolledDevices(msgspec.Struct, frozen=True):
    count: int


class Revocation(msgspec.Struct, frozen=True):
    """`devices`: those that the token enrolled and that the choice is about."""

    id: str
    state: str
    devices: EnrolledDevices


@dataclass(frozen=True)
class RegistrationTokens:
    """The registration tokens of one tenant, the personal one when `tenant_id` is None. Raises `CliError`."""

    api: UserApi
    tenant_id: str | None

    def create(self, asked: AskedToken, randomness: Randomness) -> Told[MintedToken]:
        return self.api.ask(MintedToken, "POST", _PATH, asked, idempotency_key=token_urlsafe(randomness))

    def each(self) -> Iterator[Told[RegistrationToken]]:
        return self.api.each(RegistrationToken, _PATH, {"tenant_id": self.tenant_id})

    def find(self, id_or_label: str) -> Told[RegistrationToken]:
        """The token with this id, or the only one with this label."""
        if _ID.fullmatch(id_or_label):
            return self.api.ask(RegistrationToken, "GET", _path(id_or_label))
        listed_by = "doorward registration-token list"
        return labelled(self.each(), id_or_label, kind="registration token", listed_by=listed_by)

    def rotate(self, token: RegistrationToken) -> Told[MintedToken]:
        """A new secret; the former one holds until the new one is first used."""
        return self.api.ask(MintedToken, "POST", f"{_path(token.id)}/rotate")

    def revoke(self, token: RegistrationToken, devices: DevicesChoice, *, dry_run: bool) -> Told[Revocation]:
        body = {"devices": devices, "dry_run": dry_run}
        return self.api.ask(Revocation, "POST", f"{_path(token.id)}/revoke", body)


def _path(token_id: str) -> str:
    return f"{_PATH}/{quote(token_id, safe='')}"
