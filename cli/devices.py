"""Devices of a tenant, as the user who looks after them sees them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from cli.errors import CliError
from cli.replies import Told
from cli.user_api import UserApi

DeviceDeed = Literal["approve", "suspend", "resume", "revoke"]

STATES: Final = ("pending", "active", "suspended", "quarantined", "revoked", "expired")

_PATH: Final = "/api/v1/devices"
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_ID: Final = re.compile(r"dev_[0-9A-Za-z]{22}")


class Device(msgspec.Struct, frozen=True):
    id: str
    tenant_id: str
    name: str
    state: str
    owner_id: str
    registered_at: datetime
    registration_token_id: str | None = None
    state_reason: str | None = None
    public_key: str | None = None
    fingerprint: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    taints: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    evidence: Mapping[str, Any] | None = None
    approved_at: datetime | None = None
    expires_at: datetime | None = None
    last_seen_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Devices:
    """The devices of one tenant, the personal one when `tenant_id` is None. Raises `CliError`."""

    api: UserApi
    tenant_id: str | None

    def each(
        self, *, state: str | None = None, registration_token_id: str | None = None
    ) -> Iterator[Told[Device]]:
        """The newest first; without a state those that have not ended."""
        query = {
            "tenant_id": self.tenant_id,
            "state": state,
            "registration_token_id": registration_token_id,
        }
        return self.api.each(Device, _PATH, query)

    def find(self, id_or_name: str) -> Told[Device]:
        """The device with this id, or the one that has this name now."""
        if _ID.fullmatch(id_or_name):
            return self.api.ask(Device, "GET", _path(id_or_name))
        for device in self._named(id_or_name):
            # Names are told apart without case: one tenant has `web` or `Web`, never both.
            if device.value.name.lower() == id_or_name.lower():
                return device
        raise CliError(
            f"There is no device {id_or_name} that you may see.",
            "Look at `doorward device list`; --tenant names another tenant than your own, and one that has "
            "ended is found by its id.",
        )

    def _named(self, name: str) -> Iterator[Told[Device]]:
        # What no device can be called is not asked for: the server would speak of the form of its query.
        if _NAME.fullmatch(name):
            yield from self.api.each(Device, _PATH, {"tenant_id": self.tenant_id, "name": name})

    def do(self, deed: DeviceDeed, device: Device) -> Told[Device]:
        return self.api.ask(Device, "POST", f"{_path(device.id)}/{deed}")

    def rename(self, device: Device, name: str) -> Told[Device]:
        return self.api.ask(Device, "PATCH", _path(device.id), {"name": name})


def _path(device_id: str) -> str:
    return f"{_PATH}/{quote(device_id, safe='')}"
