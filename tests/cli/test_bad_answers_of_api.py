"""API servers that answer wrongly: nothing of it is kept, done or drawn on the terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.tokens.secret import SecretKind, mint
from cli.errors import ExitCode
from common.randomness import SystemRandomness
from tests.cli.conftest import Machine, Result
from tests.fakes.device_provider import Canned, DeviceProvider

RANDOMNESS = SystemRandomness()
TOKEN = mint(SecretKind.REGISTRATION, "0" * 22, RANDOMNESS).reveal()
DEVICE_TOKEN = mint(SecretKind.DEVICE, "0" * 22, RANDOMNESS).reveal()


def enroll(machine: Machine, *options: str) -> Result:
    return machine.run("enroll", "--token", TOKEN, *options)


def answer(status: int, **fields: Any) -> Canned:
    return Canned(status, json.dumps(fields).encode())


def registered(**changes: Any) -> Canned:
    fields = {
        "id": "dev_0000000000000000000001",
        "tenant_id": "ten_0000000000000000000001",
        "name": "laptop",
        "state": "active",
        "device_token_id": "dtk_0000000000000000000001",
        **changes,
    }
    return answer(201, **{name: value for name, value in fields.items() if value is not None})


def me(**changes: Any) -> Canned:
    fields = {
        "id": "dev_0000000000000000000001",
        "tenant_id": "ten_0000000000000000000001",
        "name": "laptop",
        "state": "active",
        "registered_at": "2026-01-02T03:04:05Z",
        **changes,
    }
    return answer(200, **fields)


def nothing_is_kept(folder: Path) -> bool:
    return bool(json.loads((folder / "device.json").read_text())["devices"] == {})


def test_a_token_in_clear_in_place_of_a_sealed_one_is_not_taken(
    machine: Machine, provider: DeviceProvider, folder: Path
) -> None:
    provider.instead["/api/v1/devices"] = registered(device_token=DEVICE_TOKEN)

    result = enroll(machine)

    assert result.code == ExitCode.ERROR
    assert nothing_is_kept(folder)
    assert DEVICE_TOKEN not in result.err


@pytest.mark.parametrize("sealed", ["", "AAAA", "A" * 164])
def test_a_token_that_does_not_open_is_not_taken(
    machine: Machine, provider: DeviceProvider, folder: Path, sealed: str
) -> None:
    provider.instead["/api/v1/devices"] = registered(sealed_device_token=sealed)

    result = enroll(machine)

    assert result.code == ExitCode.ERROR
    assert "sent a device token that does not open with this machine's key." in result.err
    assert nothing_is_kept(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"device_token": None},
        {"device_token": "dwd_\r\nHost: elsewhere"},
        {"device_token": "dwr_0"},
        {"device_token": DEVICE_TOKEN, "id": "../users/me"},
        {"device_token": DEVICE_TOKEN, "device_token_id": "dtk_|"},
        {"device_token": DEVICE_TOKEN, "name": 7},
    ],
)
def test_an_answer_that_makes_no_sense_is_not_kept(
    machine: Machine, provider: DeviceProvider, folder: Path, changes: dict[str, Any]
) -> None:
    provider.instead["/api/v1/devices"] = registered(**changes)

    result = enroll(machine, "--no-key")

    assert result.code == ExitCode.ERROR
    assert "is not what a Doorward server says" in result.err
    assert nothing_is_kept(folder)


def test_a_name_cannot_steer_the_terminal(machine: Machine, provider: DeviceProvider) -> None:
    name = "\x1b]0;owned\x07\x1b[2Jlaptop\r\u202e [red]x[/red]"
    provider.instead["/api/v1/devices"] = registered(device_token=DEVICE_TOKEN, name=name)
    provider.instead["/api/v1/devices/me"] = me(name=name, state="\x1b[31mactive", labels={"\x9b": "\x1b[1m"})

    results = [enroll(machine, "--no-key"), machine.run("status"), machine.run("status", "--json")]

    assert "laptop [red]x[/red]" in results[0].out
    for result in results:
        assert result.code == ExitCode.SUCCESS
        assert not set(result.out) & set("\x1b\x07\x9b\r\u202e")


def test_a_server_that_is_too_busy_is_told_apart(machine: Machine, provider: DeviceProvider) -> None:
    provider.instead["/api/v1/devices"] = Canned(429, b"{}", {"Retry-After": "7"})

    result = enroll(machine)

    assert result.code == ExitCode.UNREACHABLE
    assert "Try again in 7 seconds." in result.err


def test_a_server_that_goes_away_after_the_registration(machine: Machine, provider: DeviceProvider) -> None:
    provider.instead["/api/v1/devices"] = registered(device_token=DEVICE_TOKEN)
    provider.instead["/api/v1/devices/me"] = Canned(drops_connection=True)

    result = enroll(machine, "--no-key")

    assert result.code == ExitCode.UNREACHABLE
    assert "This machine is enrolled as laptop, but" in result.err
    assert "Try `doorward status` later." in result.err


def test_a_redirect_does_not_take_the_token_along(machine: Machine, provider: DeviceProvider) -> None:
    provider.instead["/api/v1/devices"] = Canned(307, b"", {"Location": f"{provider.url}/elsewhere"})

    assert enroll(machine).code == ExitCode.ERROR
    assert [request.path for request in provider.received] == ["/api/v1/devices"]


def test_a_damaged_file_is_told_with_its_remedy(machine: Machine, folder: Path) -> None:
    folder.mkdir(0o700, parents=True)
    (folder / "device.json").touch(0o600)

    result = machine.run("status")

    assert result.code == ExitCode.ERROR
    assert f"{folder / 'device.json'} is damaged." in result.err
    assert "doorward enroll" in result.err


def test_a_file_that_others_can_read_is_refused(machine: Machine, folder: Path) -> None:
    folder.mkdir(0o700, parents=True)
    (folder / "device.json").touch()
    (folder / "device.json").chmod(0o644)

    result = machine.run("status")

    assert result.code == ExitCode.ERROR
    assert "then `doorward leave` and `doorward enroll`" in result.err


def test_a_list_whose_page_names_itself_ends(logged_in: Machine, provider: DeviceProvider) -> None:
    provider.instead["/api/v1/devices"] = answer(200, items=[], next_cursor="again")

    assert logged_in.run("device", "list").code == ExitCode.SUCCESS
    assert len(provider.received) == 2


def test_a_secret_that_is_no_secret_is_not_printed_as_a_command(
    logged_in: Machine, provider: DeviceProvider
) -> None:
    provider.instead["/api/v1/registration-tokens"] = answer(
        201,
        id="rgt_0000000000000000000001",
        tenant_id="ten_0000000000000000000001",
        label="x",
        state="active",
        uses=0,
        created_at="2026-01-02T03:04:05Z",
        token="dwr_; rm -rf ~",
    )

    result = logged_in.run("registration-token", "create", "--label", "x")

    assert result.code == ExitCode.ERROR
    assert "rm -rf" not in result.out + result.err
    assert len(provider.received[-1].headers["Idempotency-Key"]) == 43


def test_a_device_that_was_not_asked_for_is_left_alone(logged_in: Machine, provider: DeviceProvider) -> None:
    device = {**json.loads(me(name="other").body), "owner_id": "usr_0000000000000000000001"}
    provider.instead["/api/v1/devices"] = answer(200, items=[device], next_cursor=None)

    result = logged_in.run("device", "revoke", "web")

    assert result.code == ExitCode.ERROR
    assert "There is no device web that you may see." in result.err
    assert [request.method for request in provider.received] == ["GET"]
