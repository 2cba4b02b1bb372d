"""`whoami`, `logout`, the options that all commands share, and the rules of output."""

import json
from pathlib import Path

import pytest

from cli.errors import ExitCode
from tests.cli.conftest import Machine
from tests.cli.test_docs import all_commands
from tests.fakes.device_provider import Canned, DeviceProvider, problem


class TestWhoami:
    def test_it_shows_a_table_to_people(self, logged_in: Machine, provider: DeviceProvider) -> None:
        result = logged_in.run("whoami")

        assert result.code == ExitCode.SUCCESS
        rows = [line.split() for line in result.out.splitlines()]
        assert ["E-mail", "alice@example.com"] in rows
        assert ["Server", provider.url] in rows
        assert any("Alice's" in row and "owner" in row for row in rows)

    def test_machines_get_the_answer_of_the_server(
        self, logged_in: Machine, provider: DeviceProvider
    ) -> None:
        provider.user = {"name": "Zoë \x1b[31m\x9b", "of_tomorrow": [1]}

        result = logged_in.run("whoami", "--json")

        assert result.out.isascii()
        assert "\x1b" not in result.out
        answer = json.loads(result.out)
        assert answer["name"] == "Zoë \x1b[31m\x9b"
        assert answer["personal_tenant_id"] == "tenant-1"
        assert answer["of_tomorrow"] == [1]

    def test_a_name_cannot_steer_the_terminal(self, logged_in: Machine, provider: DeviceProvider) -> None:
        provider.user = {
            "name": "\x1b]0;owned\x07\x1b[2JMallory\r\u202e [red]x[/red]",
            "tenants": [{"id": "t", "name": "a\nb\x9b31m", "kind": "private", "role": "owner"}],
        }

        result = logged_in.run("whoami")

        assert "Mallory [red]x[/red]" in result.out
        assert not set(result.out) & set("\x1b\x07\x9b\r\u202e")

    def test_a_user_without_name_and_mail_is_shown(
        self, logged_in: Machine, provider: DeviceProvider
    ) -> None:
        provider.user = {"name": None, "email": None, "tenants": []}

        assert "alice" in logged_in.run("whoami").out

    def test_the_reason_of_the_server_is_told(self, logged_in: Machine, provider: DeviceProvider) -> None:
        provider.instead["/api/v1/users/me"] = problem(403, "\x1b[1mYou are suspended.")

        result = logged_in.run("whoami")

        assert result.code == ExitCode.ERROR
        assert "You are suspended. (request id req-7) Ask an administrator" in result.err
        assert "\x1b" not in result.err

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_a_server_that_cannot_answer_is_told_apart(
        self, logged_in: Machine, provider: DeviceProvider, status: int
    ) -> None:
        provider.instead["/api/v1/users/me"] = Canned(status, b"<html>", {"Retry-After": "7"})

        result = logged_in.run("whoami")

        assert result.code == ExitCode.UNREACHABLE
        assert "Try again in 7 seconds." in result.err


class TestLogout:
    def test_it_revokes_and_forgets(self, logged_in: Machine, provider: DeviceProvider) -> None:
        result = logged_in.run("logout")

        assert (result.code, result.err) == (ExitCode.SUCCESS, "")
        assert result.out == f"Logged out of {provider.url}.\n"
        assert provider.forms("/revoke") == [
            {"token": "refresh-1", "token_type_hint": "refresh_token", "client_id": "doorward-cli"}
        ]
        assert logged_in.run("token").code == ExitCode.NOT_LOGGED_IN

    @pytest.mark.parametrize("fault", [Canned(drops_connection=True), Canned(503), Canned(302), Canned(400)])
    def test_it_forgets_even_when_the_provider_does_not_revoke(
        self, logged_in: Machine, provider: DeviceProvider, fault: Canned
    ) -> None:
        provider.instead["/revoke"] = fault

        result = logged_in.run("logout")

        assert result.code == ExitCode.SUCCESS
        assert result.err.startswith("Warning: ")
        assert "stays valid at the provider until it expires." in result.err
        assert logged_in.run("token").code == ExitCode.NOT_LOGGED_IN

    def test_it_says_when_the_provider_has_no_revocation(
        self, machine: Machine, provider: DeviceProvider
    ) -> None:
        provider.agent = {"revocation_endpoint": None}
        machine.run("login")

        assert machine.run("logout").err.startswith("Warning: The provider offers no revocation.")

    def test_twice_is_no_error(self, machine: Machine, provider: DeviceProvider) -> None:
        result = machine.run("logout")

        assert result.code == ExitCode.SUCCESS
        assert result.out == f"You are not logged in to {provider.url}.\n"


class TestServer:
    def test_the_default_is_the_server_of_the_last_login(
        self, logged_in: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DOORWARD_SERVER")

        assert logged_in.run("token").out == "access-1\n"

    def test_a_logout_does_not_forget_it(
        self, logged_in: Machine, provider: DeviceProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DOORWARD_SERVER")
        logged_in.run("logout")

        assert logged_in.run("login").out.endswith(f"Logged in to {provider.url} as Alice.\n")

    @pytest.mark.parametrize("before", [True, False])
    def test_the_option_stands_before_or_after_the_command(
        self, logged_in: Machine, provider: DeviceProvider, monkeypatch: pytest.MonkeyPatch, *, before: bool
    ) -> None:
        monkeypatch.setenv("DOORWARD_SERVER", "https://elsewhere.example.com")
        option = ("--server", provider.url + "/")

        result = logged_in.run(*option, "token") if before else logged_in.run("token", *option)

        assert result.out == "access-1\n"

    def test_servers_are_kept_apart(self, logged_in: Machine, provider: DeviceProvider) -> None:
        other = provider.url.replace("127.0.0.1", "localhost")

        assert logged_in.run("login", "--server", other).code == ExitCode.SUCCESS

        assert logged_in.run("token").out == "access-1\n"
        assert logged_in.run("token", "--server", other).out == "access-2\n"
        logged_in.run("logout", "--server", other)
        assert logged_in.run("token").out == "access-1\n"

    @pytest.mark.parametrize("command", ["login", "logout", "whoami", "token"])
    def test_plain_http_is_for_this_machine(self, machine: Machine, command: str) -> None:
        result = machine.run(command, "--server", "http://doorward.example.com")

        assert result.code == ExitCode.USAGE
        assert result.err == (
            "Error: http://doorward.example.com is plain http, so that everybody on the way could read your "
            "tokens. Use https; plain http is for this machine alone.\n"
        )

    def test_a_server_that_is_not_there(self, machine: Machine) -> None:
        result = machine.run("login", "--server", "http://127.0.0.1:1")

        assert result.code == ExitCode.UNREACHABLE
        assert result.err == (
            "Error: http://127.0.0.1:1 cannot be reached: Connection refused. "
            "Check the address and your network, then try again.\n"
        )


class TestProxy:
    def test_a_proxy_does_not_see_plain_http(
        self, logged_in: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")

        assert logged_in.run("whoami").code == ExitCode.SUCCESS

    def test_a_proxy_that_cannot_be_used_is_named(
        self, logged_in: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")

        result = logged_in.run("login", "--server", "https://127.0.0.1:1")

        assert result.code == ExitCode.ERROR
        assert "HTTPS_PROXY" in result.err


@pytest.mark.parametrize("words", [words for words, _ in all_commands()], ids=" ".join)
def test_every_command_has_examples(machine: Machine, words: tuple[str, ...]) -> None:
    result = machine.run(*words, "--help")

    assert result.code == ExitCode.SUCCESS
    _, _, examples = result.out.partition("Examples:\n")
    assert " ".join(("doorward", *words)) in examples


def test_a_wrong_option_is_wrong_usage(machine: Machine) -> None:
    result = machine.run("login", "--colour")

    assert result.code == ExitCode.USAGE
    assert "--colour" in result.err


def test_a_pipe_gets_no_escape_codes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"):
        monkeypatch.setenv(name, "1")

    outputs = [machine.run(*command) for command in (("login",), ("whoami",), ("token",), ("logout",))]

    assert {result.code for result in outputs} == {ExitCode.SUCCESS}
    assert not any("\x1b" in result.out + result.err for result in outputs)


def test_help_and_questions_make_no_folder(machine: Machine, folder: Path) -> None:
    for command in ("--help", "token", "logout"):
        machine.run(command)

    assert not folder.exists()
