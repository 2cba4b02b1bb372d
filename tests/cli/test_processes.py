"""Several processes on one file of credentials: one refresh, nothing lost, signals at the wrong moment."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.errors import ExitCode
from tests.cli.conftest import Machine
from tests.fakes.device_provider import DeviceProvider

PATIENCE_S = 20
CHECKOUT = Path(__file__).parents[2]


@contextmanager
def process(*command: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=CHECKOUT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        try:
            yield running
        finally:
            running.kill()


def expire(machine: Machine, provider: DeviceProvider) -> None:
    """Logs in so that the access token is due, by the real clock too."""
    provider.tokens = {"expires_in": 1}
    assert machine.run("login").code == ExitCode.SUCCESS
    provider.tokens = {}
    machine.clock.advance(hours=1)


def test_two_processes_at_expiry_make_one_refresh(machine: Machine, provider: DeviceProvider) -> None:
    expire(machine, provider)
    provider.refresh_gate = threading.Event()

    with process("cli", "token") as first:
        assert provider.refresh_arrived.wait(PATIENCE_S)
        with process("tests.cli.announcing", "token") as second:
            assert second.stderr is not None
            # It has read the old token, while the first one's refresh token is on its way.
            assert second.stderr.readline() == "looked\n"
            provider.refresh_gate.set()
            printed = [running.communicate(timeout=PATIENCE_S)[0] for running in (first, second)]

    assert printed == ["access-2\n", "access-2\n"]
    assert provider.refreshes == 1
    assert machine.run("whoami").code == ExitCode.SUCCESS


def test_a_short_lived_token_of_another_process_is_taken_too(
    machine: Machine, provider: DeviceProvider
) -> None:
    expire(machine, provider)
    provider.tokens = {"expires_in": 30}
    provider.refresh_gate = threading.Event()

    with process("cli", "token") as first:
        assert provider.refresh_arrived.wait(PATIENCE_S)
        with process("tests.cli.announcing", "token") as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "looked\n"
            provider.refresh_gate.set()
            printed = [running.communicate(timeout=PATIENCE_S)[0] for running in (first, second)]

    assert printed == ["access-2\n", "access-2\n"]
    assert provider.refreshes == 1


def test_a_logout_waits_for_a_refresh_and_wins(machine: Machine, provider: DeviceProvider) -> None:
    expire(machine, provider)
    provider.refresh_gate = threading.Event()

    with process("cli", "token") as refreshing:
        assert provider.refresh_arrived.wait(PATIENCE_S)
        with process("cli", "logout") as logout:
            provider.refresh_gate.set()
            refreshing.communicate(timeout=PATIENCE_S)
            assert logout.wait(PATIENCE_S) == ExitCode.SUCCESS

    assert provider.revoked == ["refresh-2"]
    assert machine.run("token").code == ExitCode.NOT_LOGGED_IN


def test_ctrl_c_waits_until_the_new_refresh_token_is_saved(
    machine: Machine, provider: DeviceProvider, folder: Path
) -> None:
    expire(machine, provider)
    provider.refresh_gate = threading.Event()

    with process("cli", "token") as interrupted:
        assert provider.refresh_arrived.wait(PATIENCE_S)
        interrupted.send_signal(signal.SIGINT)
        provider.refresh_gate.set()
        out, err = interrupted.communicate(timeout=PATIENCE_S)

    assert (interrupted.returncode, out) == (ExitCode.CANCELLED, "")
    assert err.endswith("Cancelled.\n")
    kept = json.loads((folder / "credentials.json").read_text())
    assert kept["logins"][provider.url]["refresh_token"] == "refresh-2"


def test_a_process_that_is_killed_leaves_no_lock(machine: Machine, provider: DeviceProvider) -> None:
    expire(machine, provider)
    provider.rotates = False
    provider.refresh_gate = threading.Event()

    with process("cli", "token") as killed:
        assert provider.refresh_arrived.wait(PATIENCE_S)
        killed.kill()
        killed.wait(PATIENCE_S)
    provider.refresh_gate.set()

    assert machine.run("token").code == ExitCode.SUCCESS


def test_a_name_that_the_encoding_lacks_is_still_printed(
    logged_in: Machine, provider: DeviceProvider
) -> None:
    provider.user = {"name": "Zoë 山"}

    with process("cli", "whoami", environment={"PYTHONIOENCODING": "ascii"}) as whoami:
        out, err = whoami.communicate(timeout=PATIENCE_S)

    assert (whoami.returncode, err) == (ExitCode.SUCCESS, "")
    assert "Zo\\xeb" in out
