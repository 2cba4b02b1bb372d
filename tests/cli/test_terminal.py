"""What a person sees in a real terminal: logging in, a secret that is shown once, and what is asked."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from cli.errors import ExitCode
from tests.apiserver.callers import holder
from tests.cli.conftest import Machine
from tests.cli.real_api import RealApi
from tests.fakes.device_provider import Canned, DeviceProvider, oauth_error

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def impatient_provider(provider: DeviceProvider) -> None:
    provider.code = {"interval": 1}
    provider.polls = [oauth_error("authorization_pending")]


@contextmanager
def terminal(*arguments: str, columns: int = 100, **variables: str) -> Iterator["pexpect.spawn[str]"]:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "cli", *(arguments or ("login", "--no-browser"))],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables},
        encoding="utf-8",
        timeout=20,
        dimensions=(30, columns),
        # A shell without job control starts what it puts in the background, CI perhaps, deaf to Ctrl-C; who
        # sits at a terminal has a shell that does not.
        preexec_fn=_hear_ctrl_c,
    )
    try:
        yield child
    finally:
        child.close(force=True)


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def read_to_the_end(child: "pexpect.spawn[str]") -> str:
    child.expect(pexpect.EOF)
    child.wait()
    return str(child.before)


def interrupt(child: "pexpect.spawn[str]") -> str:
    """Ctrl-C until it is heard, as a person would: between a prompt and its reading one can get lost."""
    for _ in range(10):
        child.sendintr()
        if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=2) == 0:
            break
    child.wait()
    return str(child.before)


def test_a_panel_a_spinner_and_colours(provider: DeviceProvider) -> None:
    with terminal() as child:
        shown = read_to_the_end(child)

        assert child.exitstatus == ExitCode.SUCCESS
        assert "╭" in shown
        assert "╰" in shown
        assert "WDJB-MJHT" in shown
        assert "⠋" in shown
        assert "Waiting for you to confirm (10:00 left)" in shown
        assert "Waiting for you to confirm (9:59 left)" in shown
        assert "\x1b[1;36m" in shown
        assert f"Logged in to {provider.url} as Alice." in shown


def test_no_color_is_heeded(provider: DeviceProvider) -> None:
    provider.polls = []

    with terminal(NO_COLOR="1") as child:
        shown = read_to_the_end(child)

        assert child.exitstatus == ExitCode.SUCCESS
        assert "╭" in shown
        assert "36m" not in shown


def test_ctrl_c_cancels_and_gives_the_cursor_back(provider: DeviceProvider) -> None:
    provider.code = {"interval": 60}

    with terminal() as child:
        child.expect("Waiting for you to confirm")
        child.sendintr()
        shown = read_to_the_end(child)

        assert child.exitstatus == ExitCode.CANCELLED
        assert "Login cancelled." in shown
        assert "Traceback" not in shown
        assert shown.rindex("\x1b[?25h") >= 0


@pytest.fixture
def alice(api: RealApi, folder: Path) -> RealApi:
    """A server at which alice is logged in here."""
    api.log_in(folder)
    return api


def test_a_secret_is_shown_once_with_the_line_that_uses_it(alice: RealApi) -> None:
    with terminal("registration-token", "create", "--label", "laptop", "--single-use", columns=60) as child:
        shown = read_to_the_end(child)

        assert child.exitstatus == ExitCode.SUCCESS
        assert "╭" in shown
        assert "The token is shown this once. On the machine that joins:" in shown
        # Never broken, however narrow the terminal is: it is there to be copied.
        line = rf"\r\ndoorward enroll --server {re.escape(alice.url)} --token dwr_[0-9A-Za-z]{{71}}\r\n"
        assert re.search(line, shown)


def test_a_service_token_is_shown_once_on_a_line_of_its_own(alice: RealApi) -> None:
    asked = ("service-token", "create", "--label", "ci", "--scope", "devices:read")
    with terminal(*asked, columns=60) as child:
        shown = read_to_the_end(child)

        assert child.exitstatus == ExitCode.SUCCESS
        assert "The token is shown this once." in shown
        assert re.search(r"\r\ndws_[0-9A-Za-z]{71}\r\n", shown)


class TestConfirmation:
    @pytest.fixture
    def token(self, alice: RealApi) -> str:
        """The label of a token that has enrolled two devices."""
        secret = alice.registration_token(label="lab")
        for name in ("one", "two"):
            alice.run(holder(alice.server, secret).done("POST", "/devices", {"name": name}))
        return "lab"

    @pytest.mark.parametrize(("said", "states"), [("y", {"suspended"}), ("n", {"active"}), ("", {"active"})])
    def test_a_revocation_names_the_count_and_asks(
        self, alice: RealApi, token: str, said: str, states: set[str]
    ) -> None:
        with terminal("registration-token", "revoke", token, "--devices", "suspend") as child:
            child.expect_exact(
                "Revoke the registration token lab, and suspend the 2 devices that it enrolled?"
            )
            child.sendline(said)
            shown = read_to_the_end(child)

            assert child.exitstatus == (ExitCode.SUCCESS if said == "y" else ExitCode.CANCELLED)
            assert ("Nothing was changed." in shown) == (said != "y")
        assert {device["state"] for device in alice.devices()} == states

    def test_yes_is_not_asked(self, alice: RealApi, token: str) -> None:
        with terminal("registration-token", "revoke", token, "--devices", "revoke", "--yes") as child:
            read_to_the_end(child)

            assert child.exitstatus == ExitCode.SUCCESS
        assert alice.devices() == []

    def test_a_service_token_is_not_revoked_by_mistake(self, alice: RealApi) -> None:
        alice.done("POST", "/service-tokens", {"label": "ci", "scopes": ["devices:read"]})
        with terminal("service-token", "revoke", "ci") as child:
            child.expect_exact("Revoke the service token ci?")
            child.sendline("n")
            read_to_the_end(child)

            assert child.exitstatus == ExitCode.CANCELLED
        assert [item["state"] for item in alice.done("GET", "/service-tokens")["items"]] == ["active"]

    def test_a_device_is_not_revoked_by_mistake(self, alice: RealApi, token: str) -> None:
        with terminal("device", "revoke", "one") as child:
            child.expect_exact("for ever?")
            shown = interrupt(child)

            assert child.exitstatus == ExitCode.CANCELLED
            assert "Traceback" not in shown
        assert len(alice.devices()) == 2


def test_a_question_cannot_steer_the_terminal(provider: DeviceProvider, logged_in: Machine) -> None:
    device = {
        "id": "dev_0000000000000000000001",
        "tenant_id": "ten_0000000000000000000001",
        "name": "\x1b]0;owned\x07\x1b[2Jweb",
        "state": "active",
        "owner_id": "usr_0000000000000000000001",
        "registered_at": "2026-01-02T03:04:05Z",
    }
    provider.instead[f"/api/v1/devices/{device['id']}"] = Canned(body=json.dumps(device).encode())

    with terminal("device", "revoke", device["id"]) as child:
        child.expect_exact("Shut web (dev_0000000000000000000001) out for ever?")
        asked = str(child.before) + str(child.after)
        child.sendline("n")
        read_to_the_end(child)

    assert "owned" not in asked
    assert "\x1b[2J" not in asked
