"""The demo's own folder: secrets, logs and data, for the person who started it and nobody else."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.demo.errors import DemoError


@dataclass(frozen=True)
class Folder:
    path: Path

    def prepare(self) -> None:
        """Make the folders. Everything in them is private, whatever the person's umask."""
        for folder in (self.path, self.logs, self._secrets, self.home):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def home(self) -> Path:
        """Stands in for HOME and its kin, so that no part writes into the person's own."""
        return self.path / "home"

    @property
    def database(self) -> Path:
        return self.path / "doorward.db"

    @property
    def provider_config(self) -> Path:
        return self.path / "provider.json"

    @property
    def provider_data(self) -> Path:
        return self.path / "provider-data.json"

    @property
    def certificates(self) -> Path:
        return self.path / "caddy"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def secret_file(self, name: str) -> Path:
        return self._secrets / name

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """The secret of that name: made at the first start, the same ever after."""
        path = self.secret_file(name)
        if not path.exists():
            write_private(path, make())
        return path.read_text()

    def ports(self) -> dict[str, int]:
        """Those of the last start; none at the first or when the file is damaged."""
        try:
            kept = json.loads(self._ports.read_text())
            return {str(name): int(port) for name, port in kept.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def keep_ports(self, ports: dict[str, int]) -> None:
        write_private(self._ports, json.dumps(ports))

    @contextmanager
    def alone(self, note: str) -> Iterator[None]:
        """Hold the folder. Raises DemoError with the other one's `note` when a demo already runs in it."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # The system lets go of it when this process ends, however it ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = os.read(descriptor, 200).decode(errors="replace")
            os.close(descriptor)
            raise DemoError(
                f"A demo already runs in {self.path} ({running}): use it, or press Ctrl-C in its terminal."
            ) from None
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, note.encode())
            yield
        finally:
            os.close(descriptor)

    @property
    def _secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def _ports(self) -> Path:
        return self.path / "ports.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
