"""Rules of the command line that need no server."""

import os
from pathlib import Path

import pytest

from cli.addresses import ensure_named_by, ensure_safe, server_address
from cli.browser import has_graphical_session
from cli.errors import CliError, InvalidServerError
from cli.output import LONGEST_TEXT, clean
from cli.private_files import Renewal, refuse_shared

RENEWAL = Renewal(end="doorward logout", begin="doorward login")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://doorward.example.com", "https://doorward.example.com"),
        ("https://Doorward.Example.COM:443/", "https://doorward.example.com"),
        ("https://example.com:8443/door//", "https://example.com:8443/door"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_server_has_one_spelling(text: str, address: str) -> None:
    assert server_address(text) == address
    assert server_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com",
        "http://10.0.0.1:8080",
        "http://0.0.0.0:8080",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost@example.com",
        "http://localhost\\@example.com",
        "HTTPS://example.com",
        "https://user:word@example.com",
        "https://example.com?x=1",
        "https://example.com#x",
        "https://example.com:99999",
        "https://exämple.com",
        "https://",
        "example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "",
        "https://example.com/\x1b[31m",
    ],
)
def test_what_is_no_safe_server_is_refused(text: str) -> None:
    with pytest.raises(InvalidServerError):
        server_address(text)


@pytest.mark.parametrize(
    "address",
    [
        "https://login.example.com/device?user_code=AB-CD",
        "https://login.example.com/#/device?user_code=AB-CD",
        "http://127.0.0.1:9000/device",
        "http://LOCALHOST/device",
    ],
)
def test_an_endpoint_is_https_or_on_this_machine(address: str) -> None:
    ensure_safe(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://login.example.com/device",
        "http://login.example.com/?http://localhost",
        "http://login.example.com#@localhost/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "-https://example.com",
        "https://example.com/\x1b]0;x\x07",
        "https://example.com/?a b",
        "https://example.com/?a\u202eb",
        "https://user@example.com/",
        "//example.com",
        "",
    ],
)
def test_any_other_endpoint_is_refused(address: str) -> None:
    with pytest.raises(CliError):
        ensure_safe(address)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Alice", "Alice"),
        ("Zoë 山田 👩", "Zoë 山田 👩"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP$q\x1b\\x", "x"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1bcreset", "reset"),
        ("two\nlines\r\tof it", "two lines of it"),
        ("a\u202eb\u2066c\u200bd", "abcd"),
        ("\x00\x07\x08bell", "bell"),
        ("\ud800half", "half"),
        ("end\x1b", "end"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_what_steers_a_terminal_is_taken_out(text: str, kept: str) -> None:
    assert clean(text) == kept


def test_a_long_text_is_cut() -> None:
    assert len(clean("x" * 1_000_000)) == LONGEST_TEXT + len("...")


@pytest.mark.parametrize(
    ("environment", "platform", "has_one"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"SSH_CONNECTION": "a b"}, "linux", False),
        ({"SSH_CONNECTION": "a b", "DISPLAY": "localhost:10"}, "linux", True),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_TTY": "/dev/ttys1"}, "darwin", False),
        ({"CI": "1"}, "darwin", False),
    ],
)
def test_a_browser_needs_a_screen(environment: dict[str, str], platform: str, has_one: bool) -> None:
    assert has_graphical_session(environment, platform) is has_one


def test_the_owner_of_a_file_is_looked_at() -> None:
    def status(owner: int) -> os.stat_result:
        return os.stat_result((0o100600, 1, 1, 1, owner, 0, 2, 0, 0, 0))

    refuse_shared(Path("credentials.json"), status(os.geteuid()), RENEWAL)

    with pytest.raises(CliError, match="belongs to another user"):
        refuse_shared(Path("credentials.json"), status(os.geteuid() + 1), RENEWAL)


def test_a_server_elsewhere_does_not_steer_us_to_services_of_this_machine() -> None:
    with pytest.raises(CliError, match="not https"):
        ensure_named_by("https://door.example", "http://127.0.0.1:9000/_admin/shutdown?force=1")


@pytest.mark.parametrize("address", ["https://login.example/token", "http://127.0.0.1:9000/token"])
def test_a_server_of_this_machine_may_name_both(address: str) -> None:
    ensure_named_by("http://localhost:8080", address)
