"""`doorward enroll` that ends at every point there is, and is repeated: one device, whose token works."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.errors import ExitCode
from tests.cli.conftest import Machine
from tests.cli.real_api import RealApi
from tests.cli.test_processes import PATIENCE_S, process
from tests.fakes.relay import Relay
from tests.fakes.waiting import until

# The steps on the way, by what is in the bytes that are held back.
REGISTRATION_SENT = b"POST /api/v1/devices"
REGISTRATION_ANSWERED = b"device_token"
PROOF_SENT = b"GET /api/v1/devices/me"
PROOF_ANSWERED = b"registered_at"

ENROLL = ("enroll", "--name", "laptop", "--no-fingerprint")


def content(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "device.json").read_text()))


@contextmanager
def relay_to(api: RealApi) -> Iterator[Relay]:
    opening = Relay.to(api.port)
    relay = api.run(opening.__aenter__())
    try:
        yield relay
    finally:
        api.run(opening.__aexit__(None, None, None))


@pytest.fixture
def relay(api: RealApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Between the command and the server."""
    with relay_to(api) as relay:
        monkeypatch.setenv("DOORWARD_SERVER", f"http://127.0.0.1:{relay.port}")
        yield relay


@pytest.fixture(params=["by token", "by token without a key"])
def arguments(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return ENROLL if request.param == "by token" else (*ENROLL, "--no-key")


@pytest.fixture
def token(api: RealApi, monkeypatch: pytest.MonkeyPatch) -> str:
    """For a single use, in the environment: a second device would be refused."""
    token = api.registration_token(max_uses=1)
    monkeypatch.setenv("DOORWARD_TOKEN", token)
    return token


def ends_well(machine: Machine, api: RealApi, arguments: tuple[str, ...]) -> None:
    result = machine.run(*arguments)

    assert (result.code, result.err) == (ExitCode.SUCCESS, "")
    assert [device["name"] for device in api.devices()] == ["laptop"]
    assert machine.run("status").code == ExitCode.SUCCESS


@pytest.mark.parametrize("step", [REGISTRATION_SENT, REGISTRATION_ANSWERED, PROOF_SENT, PROOF_ANSWERED])
def test_killed_while_the_network_is_asked(
    machine: Machine, api: RealApi, relay: Relay, token: str, arguments: tuple[str, ...], step: bytes
) -> None:
    relay.hold(step)

    with process("cli", *arguments) as killed:
        api.run(until(lambda: relay.is_holding))
        killed.kill()
        killed.wait(PATIENCE_S)
    relay.release()

    ends_well(machine, api, arguments)


@pytest.mark.parametrize("number", [1, 2])
def test_killed_while_the_disk_is_written(
    machine: Machine,
    api: RealApi,
    folder: Path,
    token: str,
    arguments: tuple[str, ...],
    number: int,
) -> None:
    with process("tests.cli.killed", str(number), *arguments) as killed:
        assert killed.wait(PATIENCE_S) == -signal.SIGKILL

    assert (folder / "device.json.new").exists()
    assert (folder / "device.json").exists() == (number == 2)
    ends_well(machine, api, arguments)
    assert {path.name for path in folder.iterdir()} == {"device.json", "device.lock"}


def test_key_and_idempotency_key_are_on_disk_before_anything_is_sent(
    api: RealApi, relay: Relay, token: str, folder: Path
) -> None:
    relay.hold(REGISTRATION_SENT)

    with process("cli", *ENROLL):
        api.run(until(lambda: relay.is_holding))
        (attempt,) = content(folder)["attempts"].values()
    relay.release()

    assert set(attempt) >= {"private_key", "idempotency_key"}
    assert api.devices() == []


def test_the_device_token_is_on_disk_before_it_is_used(
    api: RealApi, relay: Relay, token: str, folder: Path
) -> None:
    relay.hold(PROOF_SENT)

    with process("cli", *ENROLL):
        api.run(until(lambda: relay.is_holding))
        (device,) = content(folder)["devices"].values()
        assert content(folder)["attempts"] == {}
    relay.release()

    assert device["id"] == api.devices()[0]["id"]


def test_ctrl_c_says_that_it_goes_on(machine: Machine, api: RealApi, relay: Relay, token: str) -> None:
    relay.hold(REGISTRATION_ANSWERED)

    with process("cli", *ENROLL) as interrupted:
        api.run(until(lambda: relay.is_holding))
        interrupted.send_signal(signal.SIGINT)
        out, err = interrupted.communicate(timeout=PATIENCE_S)
    relay.release()

    assert (interrupted.returncode, out) == (ExitCode.CANCELLED, "")
    assert err == "Cancelled. Run the same command again: it goes on from here.\n"
    ends_well(machine, api, ENROLL)


def test_two_at_once_are_one_device(api: RealApi, relay: Relay, token: str) -> None:
    relay.hold(REGISTRATION_SENT)

    with process("cli", *ENROLL) as first, process("cli", *ENROLL) as second:
        api.run(until(lambda: relay.is_holding))
        relay.release()
        printed = [running.communicate(timeout=PATIENCE_S) for running in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0), printed
    assert sum("already enrolled" in out for out, _ in printed) == 1
    assert len(api.devices()) == 1


def test_another_token_does_not_take_the_device_over(
    machine: Machine, api: RealApi, relay: Relay, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.hold(REGISTRATION_ANSWERED)
    with process("cli", *ENROLL) as killed:
        api.run(until(lambda: relay.is_holding))
        killed.kill()
    relay.release()

    monkeypatch.setenv("DOORWARD_TOKEN", api.registration_token())
    result = machine.run(*ENROLL)

    assert result.code == ExitCode.ERROR
    assert "`doorward enroll --force` makes a new key." in result.err
    assert machine.run(*ENROLL, "--force").code == ExitCode.SUCCESS
    assert len(api.devices()) == 2


def test_a_repetition_under_another_name_is_the_same_device(
    machine: Machine, api: RealApi, relay: Relay, token: str
) -> None:
    relay.hold(REGISTRATION_ANSWERED)
    with process("cli", *ENROLL) as killed:
        api.run(until(lambda: relay.is_holding))
        killed.kill()
    relay.release()

    result = machine.run("enroll", "--name", "other", "--no-fingerprint")

    assert result.code == ExitCode.SUCCESS
    assert " as laptop.\n" in result.out
    assert len(api.devices()) == 1
