"""`doorward login` as a person sees it, in a real terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from cli.errors import ExitCode
from tests.fakes.device_provider import DeviceProvider, oauth_error

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def impatient_provider(provider: DeviceProvider) -> None:
    provider.code = {"interval": 1}
    provider.polls = [oauth_error("authorization_pending")]


@contextmanager
def terminal(**variables: str) -> Iterator["pexpect.spawn[str]"]:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "cli", "login", "--no-browser"],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables},
        encoding="utf-8",
        timeout=20,
        dimensions=(30, 100),
    )
    try:
        yield child
    finally:
        child.close(force=True)


def read_to_the_end(child: "pexpect.spawn[str]") -> str:
    child.expect(pexpect.EOF)
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
