"""`doorward keys`: the signing keys of an API server, by its private listener."""

import json
from pathlib import Path

import pytest

from apiserver.signing.key import LEAD
from cli.errors import ExitCode
from tests.cli.conftest import Machine
from tests.cli.real_api import RealApi
from tests.fakes.device_provider import Canned, DeviceProvider


@pytest.fixture
def listener(api: RealApi, monkeypatch: pytest.MonkeyPatch) -> str:
    """The private one, which the commands are told by their environment."""
    url = f"http://127.0.0.1:{api.server.private.port}"
    monkeypatch.setenv("DOORWARD_PRIVATE_SERVER", url)
    return url


def states(machine: Machine) -> list[str]:
    listed = machine.run("keys", "list", "--json")
    assert listed.code == ExitCode.SUCCESS, listed.err
    return [key["state"] for key in json.loads(listed.out)["items"]]


def test_the_keys_are_listed(machine: Machine, listener: str) -> None:
    result = machine.run("keys", "list")

    assert (result.code, result.err) == (ExitCode.SUCCESS, "")
    assert "signing" in result.out
    assert states(machine) == ["signing"]


def test_the_listener_may_be_named(machine: Machine, listener: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOORWARD_PRIVATE_SERVER")

    assert machine.run("keys", "list", "--server", listener).code == ExitCode.SUCCESS


def test_a_rotation_shows_when_the_new_key_signs(machine: Machine, listener: str) -> None:
    result = machine.run("keys", "rotate")

    assert result.code == ExitCode.SUCCESS
    assert (machine.clock.now() + LEAD).strftime("%Y-%m-%d %H:%M:%S") in result.out
    assert states(machine) == ["signing", "pending"]


def test_a_second_rotation_is_refused_with_the_reason(machine: Machine, listener: str) -> None:
    machine.run("keys", "rotate")

    result = machine.run("keys", "rotate")

    assert result.code == ExitCode.ERROR
    assert "A new key waits for its time already." in result.err


def test_a_compromised_key_is_withdrawn(machine: Machine, listener: str) -> None:
    result = machine.run("keys", "rotate", "--compromised", "--yes", "--json")

    assert result.code == ExitCode.SUCCESS
    assert sorted(key["state"] for key in json.loads(result.out)["items"]) == ["signing", "withdrawn"]


def test_no_login_is_needed_nor_sent(machine: Machine, provider: DeviceProvider, folder: Path) -> None:
    key = {
        "kid": "x",
        "state": "signing",
        "created_at": "2026-01-02T03:04:05Z",
        "signs_from": "2026-01-02T03:04:05Z",
    }
    provider.instead["/signing-keys"] = Canned(200, json.dumps({"items": [key]}).encode())

    assert machine.run("keys", "list", "--server", provider.url).code == ExitCode.SUCCESS
    (asked,) = provider.received
    assert "Authorization" not in asked.headers
    assert not folder.exists()


def test_another_listener_is_told_apart(machine: Machine, api: RealApi) -> None:
    result = machine.run("keys", "list", "--server", api.url)

    assert result.code == ExitCode.ERROR
    assert "it must be the PRIVATE_LISTEN address of the API server" in result.err


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ("http://127.0.0.1:1", ExitCode.UNREACHABLE),
        ("http://10.0.0.1:9082", ExitCode.USAGE),
        ("x", ExitCode.USAGE),
    ],
)
def test_a_listener_that_cannot_be_asked(machine: Machine, server: str, code: ExitCode) -> None:
    assert machine.run("keys", "list", "--server", server).code == code
