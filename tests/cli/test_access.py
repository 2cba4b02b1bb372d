"""`doorward token` and what every other command does before it asks: a usable token, refreshed in time."""

import pytest

from cli.errors import ExitCode
from tests.cli.conftest import Machine
from tests.fakes.device_provider import Canned, DeviceProvider, oauth_error


def test_the_token_stands_alone_on_stdout(logged_in: Machine, provider: DeviceProvider) -> None:
    result = logged_in.run("token")

    assert (result.code, result.out, result.err) == (ExitCode.SUCCESS, "access-1\n", "")
    assert provider.received == []


@pytest.mark.parametrize(("age_s", "token"), [(240, "access-1\n"), (241, "access-2\n"), (9999, "access-2\n")])
def test_a_token_is_refreshed_in_its_last_minute(logged_in: Machine, age_s: int, token: str) -> None:
    logged_in.clock.advance(seconds=age_s)

    assert logged_in.run("token").out == token


def test_a_rotated_refresh_token_is_used_once(logged_in: Machine, provider: DeviceProvider) -> None:
    for number in (2, 3, 4):
        logged_in.clock.advance(hours=1)
        assert logged_in.run("token").out == f"access-{number}\n"

    assert [form["refresh_token"] for form in provider.forms("/token")] == [
        "refresh-1",
        "refresh-2",
        "refresh-3",
    ]


def test_a_refresh_token_that_is_not_rotated_is_kept(logged_in: Machine, provider: DeviceProvider) -> None:
    provider.rotates = False

    for number in (2, 3):
        logged_in.clock.advance(hours=1)
        assert logged_in.run("token").out == f"access-{number}\n"


def test_a_refresh_asks_for_the_audience_again(machine: Machine, provider: DeviceProvider) -> None:
    provider.agent = {"audience_param": "resource", "audience": "doorward-api"}
    machine.run("login")

    machine.clock.advance(hours=1)
    machine.run("token")

    assert provider.forms("/token")[-1] == {
        "client_id": "doorward-cli",
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "resource": "doorward-api",
    }


def test_a_refresh_asks_no_server_where_to_send_the_token(
    logged_in: Machine, provider: DeviceProvider
) -> None:
    logged_in.clock.advance(hours=1)

    logged_in.run("token")

    assert [request.path for request in provider.received] == ["/token"]


@pytest.mark.parametrize("lifetime", ["300", 300.0])
def test_a_lifetime_in_other_spellings_is_understood(
    machine: Machine, provider: DeviceProvider, lifetime: object
) -> None:
    provider.tokens = {"expires_in": lifetime}
    machine.run("login")

    machine.clock.advance(seconds=200)

    assert machine.run("token").out == "access-1\n"


def test_without_a_lifetime_it_is_taken_for_five_minutes(machine: Machine, provider: DeviceProvider) -> None:
    provider.tokens = {"expires_in": None}
    machine.run("login")

    machine.clock.advance(seconds=240)
    assert machine.run("token").out == "access-1\n"

    machine.clock.advance(seconds=1)
    assert machine.run("token").out == "access-2\n"


class TestRefused:
    def test_invalid_grant_ends_the_login(self, logged_in: Machine, provider: DeviceProvider) -> None:
        provider.end_login()
        logged_in.clock.advance(hours=1)

        result = logged_in.run("token")

        assert (result.code, result.out) == (ExitCode.NOT_LOGGED_IN, "")
        assert result.err == "Error: Your login has expired: run `doorward login`.\n"
        assert logged_in.run("token").err.startswith("Error: You are not logged in to ")
        assert provider.refreshes == 1

    def test_without_a_refresh_token_a_login_ends_with_its_access_token(
        self, machine: Machine, provider: DeviceProvider
    ) -> None:
        provider.tokens = {"refresh_token": None}
        machine.run("login")

        machine.clock.advance(seconds=299)
        assert machine.run("token").out == "access-1\n"

        machine.clock.advance(seconds=1)
        assert machine.run("token").code == ExitCode.NOT_LOGGED_IN

    @pytest.mark.parametrize(
        "fault",
        [
            Canned(drops_connection=True),
            Canned(503),
            oauth_error("server_error", 500),
            oauth_error("invalid_client", 401),
            Canned(200, b"<html>invalid_grant</html>"),
            Canned(400, b"invalid_grant"),
        ],
    )
    def test_any_other_fault_keeps_the_login(
        self, logged_in: Machine, provider: DeviceProvider, fault: Canned
    ) -> None:
        provider.instead["/token"] = fault
        logged_in.clock.advance(hours=1)

        result = logged_in.run("token")
        assert result.code in {ExitCode.ERROR, ExitCode.UNREACHABLE}
        assert result.out == ""

        del provider.instead["/token"]
        assert logged_in.run("token").out == "access-2\n"

    def test_while_the_provider_is_away_the_last_minute_is_used(
        self, logged_in: Machine, provider: DeviceProvider
    ) -> None:
        provider.instead["/token"] = Canned(503)

        logged_in.clock.advance(seconds=299)
        assert logged_in.run("token").out == "access-1\n"

        logged_in.clock.advance(seconds=1)
        assert logged_in.run("token").code == ExitCode.UNREACHABLE


class TestRefusedByTheServer:
    def test_a_token_that_the_server_refuses_is_refreshed_whatever_the_clock_says(
        self, logged_in: Machine, provider: DeviceProvider
    ) -> None:
        provider.end_access()

        result = logged_in.run("whoami")

        assert result.code == ExitCode.SUCCESS
        assert provider.refreshes == 1

    def test_it_is_tried_once(self, logged_in: Machine, provider: DeviceProvider) -> None:
        provider.instead["/api/v1/users/me"] = Canned(401)

        result = logged_in.run("whoami")

        assert result.code == ExitCode.NOT_LOGGED_IN
        assert "Run `doorward login`." in result.err
        assert provider.refreshes == 1
        assert len(provider.forms("/api/v1/users/me")) == 2


def test_who_was_never_logged_in_is_told_what_to_type(
    machine: Machine, provider: DeviceProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOORWARD_SERVER")

    at_default = machine.run("token")
    elsewhere = machine.run("token", "--server", provider.url)

    assert at_default.code == elsewhere.code == ExitCode.NOT_LOGGED_IN
    assert at_default.err == (
        "Error: You are not logged in to http://localhost:8080. Run `doorward login`.\n"
    )
    assert f"Run `doorward login --server {provider.url}`." in elsewhere.err
