"""The credentials on disk: one file, readable by its owner alone, written only under a lock."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import platformdirs

from cli.addresses import DEFAULT_SERVER
from cli.answers import Provider, Secret, decode
from cli.errors import CliError
from cli.locks import only_one
from cli.private_files import Renewal, read_private, replace_private

_RENEWAL: Final = Renewal(end="doorward logout", begin="doorward login")


class Credentials(msgspec.Struct, frozen=True):
    """A login at one server. The provider is kept too: a refresh asks no server where to send the token."""

    provider: Provider
    access_token: Secret
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    refresh_token: Secret | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.provider.issuer!r}, ...)"


class _Content(msgspec.Struct, frozen=True):
    last_server: str | None = None
    logins: dict[str, Credentials] = {}


def folder_of(environment: Mapping[str, str]) -> Path:
    """Where the credentials are: `DOORWARD_CONFIG_DIR`, or the user's configuration folder."""
    chosen = environment.get("DOORWARD_CONFIG_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_config_dir("doorward"))


class Keep:
    """Reads without the lock, since the file is only ever replaced whole; writes are `LockedKeep`'s."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "credentials.json"

    def last_server(self) -> str | None:
        """The server of the last login; a logout does not forget it."""
        return self._read().last_server

    def credentials(self, server: str) -> Credentials | None:
        return self._read().logins.get(server)

    def login_command(self, server: str) -> str:
        """What to type in order to log in to this server."""
        is_default = server == (self.last_server() or DEFAULT_SERVER)
        return "doorward login" if is_default else f"doorward login --server {server}"

    def ensure_writable(self) -> None:
        """Raises `CliError` when a login could not be kept, before a person is sent through one."""
        with self.locked():
            pass

    @contextmanager
    def locked(self) -> Iterator["LockedKeep"]:
        """Keeps every other process from writing. Never hold it while a person is waited for."""
        with only_one(self._folder / "credentials.lock"):
            yield LockedKeep(self._folder)

    def _read(self) -> _Content:
        body = read_private(self._path, _RENEWAL)
        if body is None:
            return _Content()
        content = decode(body, _Content)
        if content is None:
            raise CliError(
                f"{self._path} is damaged.", f"Remove it (rm {self._path}) and run `doorward login` again."
            )
        return content


class LockedKeep(Keep):
    """What only the holder of the lock may do: `Keep.locked` gives it out."""

    def put(self, server: str, credentials: Credentials) -> None:
        """A refreshed login: the last server stays what it was."""
        content = self._read()
        self._write(_Content(content.last_server, {**content.logins, server: credentials}))

    def put_new(self, server: str, credentials: Credentials) -> None:
        """A new login: its server becomes the default one."""
        self._write(_Content(server, {**self._read().logins, server: credentials}))

    def drop(self, server: str) -> Credentials | None:
        """Forgets the login and gives back what it was."""
        content = self._read()
        dropped = content.logins.get(server)
        if dropped is not None:
            others = {other: login for other, login in content.logins.items() if other != server}
            self._write(_Content(content.last_server, others))
        return dropped

    def _write(self, content: _Content) -> None:
        replace_private(self._path, msgspec.json.format(msgspec.json.encode(content)))
