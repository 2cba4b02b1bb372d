"""The device's credentials on disk, in a file apart from the user's login: one may go without the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from cli.answers import Secret, decode
from cli.device_keys import PrivateKey
from cli.errors import CliError
from cli.locks import only_one
from cli.private_files import Renewal, read_private, replace_private

_RENEWAL: Final = Renewal(end="doorward leave", begin="doorward enroll")


class Attempt(msgspec.Struct, frozen=True):
    """A registration that was perhaps sent, and is repeated as it was until its answer is kept."""

    name: str
    idempotency_key: Secret
    private_key: PrivateKey | None = None
    fingerprint: str | None = None
    tenant_id: str | None = None

    def __repr__(self) -> str:
        return f"Attempt({self.name!r}, ...)"


class KeptDevice(msgspec.Struct, frozen=True):
    """What this machine is to one server."""

    id: Secret
    tenant_id: str
    name: str
    device_token_id: Secret
    device_token: Secret
    private_key: PrivateKey | None = None

    def __repr__(self) -> str:
        return f"KeptDevice({self.id!r}, ...)"


_Kept = TypeVar("_Kept", KeptDevice, Attempt)


class _Content(msgspec.Struct, frozen=True):
    last_server: str | None = None
    devices: dict[str, KeptDevice] = {}
    attempts: dict[str, Attempt] = {}


class DeviceKeep:
    """Reads without the lock, since the file is only ever replaced whole; writes are `LockedDeviceKeep`'s."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "device.json"

    def last_server(self) -> str | None:
        """The server of the last enrollment; leaving does not forget it."""
        return self._read().last_server

    def device(self, server: str) -> KeptDevice | None:
        return self._read().devices.get(server)

    def attempt(self, server: str) -> Attempt | None:
        return self._read().attempts.get(server)

    @contextmanager
    def locked(self) -> Iterator["LockedDeviceKeep"]:
        """Keeps every other process from writing."""
        with only_one(self._path.with_suffix(".lock")):
            yield LockedDeviceKeep(self._path.parent)

    def _read(self) -> _Content:
        body = read_private(self._path, _RENEWAL)
        if body is None:
            return _Content()
        content = decode(body, _Content)
        if content is None:
            raise CliError(
                f"{self._path} is damaged.", f"Remove it (rm {self._path}) and run `doorward enroll` again."
            )
        return content


class LockedDeviceKeep(DeviceKeep):
    """What only the holder of the lock may do: `DeviceKeep.locked` gives it out."""

    def put_attempt(self, server: str, attempt: Attempt) -> None:
        content = self._read()
        attempts = {**content.attempts, server: attempt}
        self._write(_Content(content.last_server, content.devices, attempts))

    def put_device(self, server: str, device: KeptDevice) -> None:
        """The attempt has come to its end, in the same step."""
        content = self._read()
        devices = {**content.devices, server: device}
        self._write(_Content(server, devices, _without(content.attempts, server)))

    def drop(self, server: str) -> None:
        """Forgets the device and its key."""
        content = self._read()
        devices, attempts = _without(content.devices, server), _without(content.attempts, server)
        self._write(_Content(content.last_server, devices, attempts))

    def _write(self, content: _Content) -> None:
        replace_private(self._path, msgspec.json.format(msgspec.json.encode(content)))


def _without(kept: dict[str, _Kept], server: str) -> dict[str, _Kept]:
    return {other: value for other, value in kept.items() if other != server}
