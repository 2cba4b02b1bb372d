"""The API as the device itself: with its device token it may look at itself, and leave."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

import msgspec

from cli.client import Client
from cli.replies import Credential, Told, failure, told

_PATH: Final = "/api/v1/devices/me"


class OwnDevice(msgspec.Struct, frozen=True):
    """What a device is told of itself."""

    id: str
    tenant_id: str
    name: str
    state: str
    registered_at: datetime
    public_key: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    taints: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}


@dataclass(frozen=True)
class OwnDeviceApi:
    """Raises `CliError`; a refusal carries the server's code."""

    client: Client
    server: str

    def me(self, device_token: str) -> Told[OwnDevice]:
        answer = self.client.call("GET", f"{self.server}{_PATH}", device_token)
        return told(answer, self.server, OwnDevice, Credential.DEVICE)

    def leave(self, device_token: str) -> None:
        answer = self.client.call("DELETE", f"{self.server}{_PATH}", device_token)
        if answer.status != HTTPStatus.NO_CONTENT:
            raise failure(answer, self.server, Credential.DEVICE)
