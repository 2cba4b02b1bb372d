"""The credentials on disk: the user's alone from the first byte, never half written, never a traceback."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.errors import ExitCode
from cli.keep import folder_of
from tests.cli.conftest import Machine
from tests.fakes.device_provider import DeviceProvider


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def damaged(folder: Path, body: bytes) -> Path:
    folder.mkdir(0o700, parents=True)
    path = folder / "credentials.json"
    path.write_bytes(body)
    path.chmod(0o600)
    return path


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    former = os.umask(request.param)
    yield
    os.umask(former)


def test_files_and_folders_are_the_users_alone(umask: None, logged_in: Machine, folder: Path) -> None:
    logged_in.clock.advance(hours=1)
    logged_in.run("token")

    assert {path.name: mode(path) for path in folder.iterdir()} == {
        "credentials.json": 0o600,
        "credentials.lock": 0o600,
    }
    assert mode(folder) == 0o700
    assert mode(folder.parent) == 0o700


@pytest.mark.parametrize("shared_mode", [0o640, 0o604, 0o620, 0o660])
@pytest.mark.parametrize("command", ["token", "login"])
def test_a_file_that_others_can_read_is_refused(
    logged_in: Machine, folder: Path, shared_mode: int, command: str
) -> None:
    path = folder / "credentials.json"
    path.chmod(shared_mode)

    result = logged_in.run(command)

    assert (result.code, result.out) == (ExitCode.ERROR, "")
    assert result.err.startswith(f"Error: {path} can be read by other users")
    assert f"chmod 600 {path}" in result.err


@pytest.mark.parametrize("command", ["token", "login"])
def test_a_folder_that_others_can_change_is_refused(logged_in: Machine, folder: Path, command: str) -> None:
    folder.chmod(0o770)

    result = logged_in.run(command)

    assert result.code == ExitCode.ERROR
    assert f"Run `chmod 700 {folder}`." in result.err


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"logins": {"x": 1}}',
        b"\xff\x00",
        b'{"logins": ' + b"[" * 100_000,
        b'{"logins": {"x": {"access_token": "a\\nb"}}}',
    ],
)
def test_a_damaged_file_is_a_sentence(machine: Machine, folder: Path, body: bytes) -> None:
    path = damaged(folder, body)

    result = machine.run("token")

    assert (result.code, result.out) == (ExitCode.ERROR, "")
    assert result.err == (
        f"Error: {path} is damaged. Remove it (rm {path}) and run `doorward login` again.\n"
    )


@pytest.mark.parametrize("command", ["login", "logout", "whoami"])
def test_a_damaged_file_is_left_to_its_owner(machine: Machine, folder: Path, command: str) -> None:
    path = damaged(folder, b"{")

    assert "is damaged" in machine.run(command).err
    assert path.read_bytes() == b"{"


def test_a_pipe_in_the_place_of_the_file_does_not_block(machine: Machine, folder: Path) -> None:
    folder.mkdir(0o700, parents=True)
    os.mkfifo(folder / "credentials.json", 0o600)

    assert "is not a file" in machine.run("token").err


def test_a_folder_in_the_place_of_the_file_is_a_sentence(machine: Machine, folder: Path) -> None:
    (folder / "credentials.json").mkdir(0o700, parents=True)
    folder.chmod(0o700)

    assert machine.run("token").code == ExitCode.ERROR


def test_a_file_in_the_place_of_the_folder_is_told_before_the_login(
    machine: Machine, provider: DeviceProvider, folder: Path
) -> None:
    folder.parent.mkdir(0o700)
    folder.write_text("")

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert str(folder) in result.err
    assert provider.received == []


def test_a_lock_that_cannot_be_taken_is_told_before_the_login(
    machine: Machine, provider: DeviceProvider, folder: Path
) -> None:
    (folder / "credentials.lock").mkdir(0o700, parents=True)

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert f"{folder / 'credentials.lock'} cannot be used: Is a directory." in result.err
    assert provider.received == []


def test_what_a_crash_left_behind_is_replaced(logged_in: Machine, folder: Path) -> None:
    (folder / "credentials.json.new").write_text("half")
    logged_in.clock.advance(hours=1)

    assert logged_in.run("token").out == "access-2\n"
    assert not (folder / "credentials.json.new").exists()


def test_somebodys_link_is_not_written_through(logged_in: Machine, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    (folder / "credentials.json.new").symlink_to(target)
    logged_in.clock.advance(hours=1)

    assert logged_in.run("token").out == "access-2\n"
    assert target.read_text() == "untouched"


def test_after_a_logout_no_token_is_on_the_disk(logged_in: Machine, folder: Path) -> None:
    logged_in.run("logout")

    left = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"access-1" not in left
    assert b"refresh-1" not in left


def test_the_folder_is_the_users_configuration_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/alice/.config")

    assert folder_of({}) == Path("/home/alice/.config/doorward")
    assert folder_of({"DOORWARD_CONFIG_DIR": "/elsewhere"}) == Path("/elsewhere")
