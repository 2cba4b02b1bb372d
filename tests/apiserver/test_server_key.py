"""The server's key beside an SQLite database: made once, private, the same for all servers."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from apiserver.server_key import kept_server_keys
from common.env import SettingsError
from common.randomness import SystemRandomness
from tests.apiserver.server import api_server
from tests.fakes.issuer import FakeIssuer

KEY = bytes(range(32))


class Meeting:
    """Randomness for servers that all found no key, before any of them makes one."""

    def __init__(self, servers: int) -> None:
        self._barrier = Barrier(servers)

    def token_bytes(self, length: int) -> bytes:
        self._barrier.wait(timeout=10)
        return SystemRandomness().token_bytes(length)


def kept(database: Path) -> tuple[bytes, ...]:
    return kept_server_keys(database, SystemRandomness())


def write_key(database: Path, text: str, mode: int = 0o600) -> None:
    path = Path(f"{database}.key")
    path.write_text(text)
    path.chmod(mode)


def fault_of(database: Path) -> str:
    with pytest.raises(SettingsError) as refused:
        kept(database)
    (fault,) = refused.value.faults
    return fault


def test_it_is_made_once_and_kept(database: Path) -> None:
    (key,) = kept(database)

    assert len(key) == 32
    assert kept(database) == (key,)


def test_only_its_owner_may_use_it_and_nothing_else_is_left(database: Path) -> None:
    kept(database)

    (path,) = database.parent.iterdir()
    assert path.name == "doorward.db.key"
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_may_hold_several_of_which_the_first_comes_first(database: Path) -> None:
    other = bytes(range(1, 33))
    write_key(database, f"{base64.b64encode(other).decode()},\n{base64.b64encode(KEY).decode()}\n")

    assert kept(database) == (other, KEY)


def test_servers_that_start_at_once_find_the_same(database: Path) -> None:
    meeting = Meeting(3)
    with ThreadPoolExecutor() as servers:
        found = set(servers.map(kept_server_keys, [database] * 3, [meeting] * 3))

    assert found == {kept(database)}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_one_that_others_may_use_is_refused_with_the_remedy(database: Path, mode: int) -> None:
    write_key(database, base64.b64encode(KEY).decode(), mode)

    path = f"{database}.key"
    assert fault_of(database) == f"{path} can be used by others on this machine: chmod 600 {path}"


@pytest.mark.parametrize("text", ["", "changeme", "ключ", f"{base64.b64encode(KEY).decode()} short"])
def test_one_that_holds_no_key_is_refused_and_not_repeated(database: Path, text: str) -> None:
    write_key(database, text)

    fault = fault_of(database)
    assert fault.startswith(f"{database}.key holds no key: ")
    assert "changeme" not in fault


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "cannot be used (No such file or directory)" in fault_of(tmp_path / "nowhere" / "doorward.db")


async def test_a_server_without_a_configured_key_makes_it(issuer: FakeIssuer, database: Path) -> None:
    async with api_server(issuer, database) as server:
        assert server.parts.server_keys == kept(database)
        assert server.parts.server_keys[0].hex() not in repr(server.parts)
        assert repr(server.parts.server_keys[0]) not in repr(server.parts)


async def test_a_server_with_a_configured_key_makes_none(issuer: FakeIssuer, database: Path) -> None:
    async with api_server(issuer, database, SERVER_KEY=base64.b64encode(KEY).decode()) as server:
        assert server.parts.server_keys == (KEY,)

    assert kept(database) != (KEY,)
