"""`doorward login`: the device flow as the person and the provider see it."""

import pytest

from cli.client import USER_AGENT
from cli.errors import ExitCode
from tests.cli.conftest import Machine
from tests.fakes.device_provider import Canned, DeviceProvider, oauth_error, problem

PENDING = oauth_error("authorization_pending")
SLOW_DOWN = oauth_error("slow_down")
DROPPED = Canned(drops_connection=True)


def test_a_login_shows_address_and_code_and_greets(machine: Machine, provider: DeviceProvider) -> None:
    result = machine.run("login")

    assert result.code == ExitCode.SUCCESS
    assert f"{provider.url}/activate" in result.out
    assert "WDJB-MJHT" in result.out
    assert f"Or open {provider.url}/activate?user_code=WDJB-MJHT and compare the code." in result.out
    assert result.out.endswith(f"Logged in to {provider.url} as Alice.\n")
    assert result.err == ""


def test_no_token_and_no_device_code_is_shown(machine: Machine) -> None:
    result = machine.run("login")

    for secret in ("access-1", "refresh-1", "the-device-code"):
        assert secret not in result.out + result.err


def test_the_provider_gets_what_the_agent_says(machine: Machine, provider: DeviceProvider) -> None:
    machine.run("login")

    assert provider.forms("/device") == [{"client_id": "doorward-cli", "scope": "openid offline_access"}]
    assert provider.forms("/token")[0]["client_id"] == "doorward-cli"


@pytest.mark.parametrize("parameter", ["resource", "audience"])
def test_the_audience_is_asked_for_where_the_agent_says_so(
    machine: Machine, provider: DeviceProvider, parameter: str
) -> None:
    provider.agent = {"audience_param": parameter, "audience": "doorward-api"}

    machine.run("login")

    assert provider.forms("/device")[0][parameter] == "doorward-api"
    assert provider.forms("/token")[0][parameter] == "doorward-api"


def test_an_audience_parameter_without_an_audience_is_an_error(
    machine: Machine, provider: DeviceProvider
) -> None:
    provider.agent = {"audience_param": "resource"}

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert "OIDC_AUDIENCE" in result.err


def test_every_request_names_the_command_line(machine: Machine, provider: DeviceProvider) -> None:
    machine.run("login")

    assert {request.path for request in provider.received} >= {"/login/start", "/device", "/token"}
    assert {request.headers["User-Agent"] for request in provider.received} == {USER_AGENT}


class TestPace:
    def test_the_interval_of_the_provider_is_kept(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.code = {"interval": 7}
        provider.polls = [PENDING, PENDING]

        assert machine.run("login").code == ExitCode.SUCCESS
        assert machine.sleeps == [7, 7, 7]

    def test_without_an_interval_it_is_five_seconds(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.code = {"interval": None}

        machine.run("login")

        assert machine.sleeps == [5]

    def test_an_interval_of_zero_is_no_flood(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.code = {"interval": 0}

        machine.run("login")

        assert machine.sleeps == [1]

    def test_slow_down_adds_five_seconds_for_good(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.polls = [PENDING, SLOW_DOWN, PENDING, SLOW_DOWN]

        assert machine.run("login").code == ExitCode.SUCCESS
        assert machine.sleeps == [5, 5, 10, 10, 15]

    def test_slow_down_is_understood_with_status_429(
        self, machine: Machine, provider: DeviceProvider
    ) -> None:
        provider.polls = [oauth_error("slow_down", 429)]

        machine.run("login")

        assert machine.sleeps == [5, 10]

    @pytest.mark.parametrize("fault", [DROPPED, Canned(503), Canned(502, b"<html>"), Canned(429)])
    def test_faults_are_retried_with_back_off(
        self, machine: Machine, provider: DeviceProvider, fault: Canned
    ) -> None:
        provider.polls = [fault, fault, PENDING]

        assert machine.run("login").code == ExitCode.SUCCESS
        assert machine.sleeps == [5, 10, 20, 5]

    def test_back_off_ends_at_a_minute(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.polls = [DROPPED] * 5

        machine.run("login")

        assert machine.sleeps == [5, 10, 20, 40, 60, 60]


class TestEnd:
    def test_denied(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.polls = [oauth_error("access_denied")]

        result = machine.run("login")

        assert result.code == ExitCode.ERROR
        assert result.err == "Error: The login was denied. Run `doorward login` to try again.\n"

    def test_expired_as_the_provider_says(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.polls = [oauth_error("expired_token")]

        result = machine.run("login")

        assert result.code == ExitCode.ERROR
        assert result.err.startswith("Error: The code expired before the login was confirmed.")

    def test_expired_by_our_clock(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.code = {"expires_in": 12}
        provider.polls = [PENDING] * 9

        result = machine.run("login")

        assert result.err.startswith("Error: The code expired before the login was confirmed.")
        assert machine.sleeps == [5, 5, 2]

    def test_a_provider_that_stays_away_is_named(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.code = {"expires_in": 30}
        provider.polls = [DROPPED] * 9

        result = machine.run("login")

        assert result.code == ExitCode.UNREACHABLE
        assert provider.url in result.err

    def test_a_fault_that_passed_is_not_blamed(self, machine: Machine, provider: DeviceProvider) -> None:
        provider.code = {"expires_in": 30}
        provider.polls = [DROPPED, *[PENDING] * 9]

        assert machine.run("login").err.startswith("Error: The code expired")

    def test_cancelled(self, machine: Machine) -> None:
        machine.interrupts_at_sleep = 1

        result = machine.run("login")

        assert result.code == ExitCode.CANCELLED
        assert result.err == "Login cancelled.\n"

    def test_a_login_that_the_server_refuses_is_not_kept(
        self, machine: Machine, provider: DeviceProvider
    ) -> None:
        provider.instead["/api/v1/users/me"] = problem(401, "The audience is wrong.")

        result = machine.run("login")

        assert result.code == ExitCode.ERROR
        assert "The audience is wrong." in result.err
        assert machine.run("token").code == ExitCode.NOT_LOGGED_IN
        assert provider.revoked == ["refresh-1"]

    def test_a_login_is_kept_while_the_server_is_away(
        self, machine: Machine, provider: DeviceProvider
    ) -> None:
        provider.instead["/api/v1/users/me"] = problem(503, "The database is away.")

        result = machine.run("login")

        assert result.code == ExitCode.UNREACHABLE
        assert result.err.startswith("Error: You are logged in, but ")
        assert machine.run("token").out == "access-1\n"


class TestBrowser:
    def test_it_is_opened_at_the_complete_address(
        self, machine: Machine, provider: DeviceProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DISPLAY", ":0")

        result = machine.run("login")

        assert machine.opened == [f"{provider.url}/activate?user_code=WDJB-MJHT"]
        assert "Your browser was opened" in result.out

    def test_without_a_complete_address_at_the_plain_one(
        self, machine: Machine, provider: DeviceProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DISPLAY", ":0")
        provider.code = {"verification_uri_complete": None}

        machine.run("login")

        assert machine.opened == [f"{provider.url}/activate"]

    def test_a_browser_that_does_not_start_is_no_fault(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DISPLAY", ":0")
        machine.can_open = False

        result = machine.run("login")

        assert result.code == ExitCode.SUCCESS
        assert "Your browser was opened" not in result.out

    def test_not_when_asked_not_to(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DISPLAY", ":0")

        machine.run("login", "--no-browser")

        assert machine.opened == []

    def test_not_without_a_screen(self, machine: Machine) -> None:
        machine.run("login")

        assert machine.opened == []
