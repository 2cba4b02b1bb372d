"""Service tokens, as the administrator who makes and ends them sees them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from cli.labels import labelled
from cli.replies import Told
from cli.user_api import UserApi
from common.randomness import Randomness, token_urlsafe

_PATH: Final = "/api/v1/service-tokens"
_ID: Final = re.compile(r"svt_[0-9A-Za-z]{22}")

ServiceSecret = Annotated[str, msgspec.Meta(pattern=r"\Adws_[0-9A-Za-z]{71}\Z")]


class ServiceToken(msgspec.Struct, frozen=True):
    id: str
    tenant_id: str
    owner_id: str
    label: str
    scopes: tuple[str, ...]
    state: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None


class MintedServiceToken(ServiceToken, frozen=True, kw_only=True):
    """With its secret, which is shown this once."""

    token: ServiceSecret

    def __repr__(self) -> str:
        return f"MintedServiceToken({self.id!r}, ...)"


class AskedServiceToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a new token shall be; what is left out is the server's to say."""

    label: str
    scopes: tuple[str, ...]
    tenant_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class ServiceTokens:
    """The service tokens of one tenant, the personal one when `tenant_id` is None. Raises `CliError`."""

    api: UserApi
    tenant_id: str | None

    def create(self, asked: AskedServiceToken, randomness: Randomness) -> Told[MintedServiceToken]:
        key = token_urlsafe(randomness)
        return self.api.ask(MintedServiceToken, "POST", _PATH, asked, idempotency_key=key)

    def each(self) -> Iterator[Told[ServiceToken]]:
        return self.api.each(ServiceToken, _PATH, {"tenant_id": self.tenant_id})

    def find(self, id_or_label: str) -> Told[ServiceToken]:
        """The token with this id, or the only one with this label."""
        if _ID.fullmatch(id_or_label):
            return self.api.ask(ServiceToken, "GET", _path(id_or_label))
        listed_by = "doorward service-token list"
        return labelled(self.each(), id_or_label, kind="service token", listed_by=listed_by)

    def revoke(self, token: ServiceToken) -> Told[ServiceToken]:
        return self.api.ask(ServiceToken, "POST", f"{_path(token.id)}/revoke")


def _path(token_id: str) -> str:
    return f"{_PATH}/{quote(token_id, safe='')}"
