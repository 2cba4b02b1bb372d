"""What servers and providers may send: nothing of it ends in a traceback or takes a token along."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from cli.client import ANSWER_LIMIT_BYTES, open_client
from cli.errors import CliError, ExitCode, UnreachableError
from tests.cli.conftest import Machine
from tests.fakes.device_provider import Canned, DeviceProvider, problem

GARBAGE = {
    "empty": b"",
    "html": b"<html>",
    "array": b"[]",
    "null": b"null",
    "no fields": b"{}",
    "not utf-8": b'{"access_token": "\xff"}',
    "deep": b'{"x":' + b"[" * 100_000,
    "web mode": b'{"authorization_request_url": "https://login.example.com/"}',
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_told_in_a_sentence(machine: Machine, provider: DeviceProvider, body: bytes) -> None:
    provider.instead["/login/start"] = Canned(body=body)

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert result.err.startswith("Error: The answer of ")


@pytest.mark.parametrize("path", ["/device", "/token", "/api/v1/users/me"])
@pytest.mark.parametrize("body", [b"<html>", b"{}"])
def test_it_is_told_wherever_it_comes_from(
    machine: Machine, provider: DeviceProvider, path: str, body: bytes
) -> None:
    provider.instead[path] = Canned(body=body)

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert result.err.startswith("Error: The answer of ")


@pytest.mark.parametrize("path", ["/login/start", "/device", "/token", "/api/v1/users/me"])
def test_an_answer_without_end_is_not_read(machine: Machine, provider: DeviceProvider, path: str) -> None:
    provider.instead[path] = Canned(body=b" " * (ANSWER_LIMIT_BYTES + 1))

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert "too large" in result.err


@pytest.mark.parametrize(
    ("path", "status"), [("/login/start", 301), ("/device", 307), ("/token", 308), ("/api/v1/users/me", 302)]
)
def test_a_redirect_is_not_followed(
    machine: Machine, provider: DeviceProvider, path: str, status: int
) -> None:
    provider.instead[path] = Canned(status, headers={"Location": f"{provider.url}/elsewhere"})

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert "redirects to another address" in result.err
    assert provider.forms("/elsewhere") == []


@pytest.mark.parametrize("endpoint", ["device_authorization_endpoint", "token_endpoint"])
def test_an_endpoint_in_clear_gets_nothing(machine: Machine, provider: DeviceProvider, endpoint: str) -> None:
    provider.agent = {endpoint: "http://login.example.com/x"}

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert "http://login.example.com/x is plain http" in result.err


def test_a_provider_without_the_device_flow_is_named(machine: Machine, provider: DeviceProvider) -> None:
    provider.agent = {"device_authorization_endpoint": None}

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert f"The provider {provider.url} offers no login for command lines" in result.err


@pytest.mark.parametrize("field", ["verification_uri", "verification_uri_complete"])
@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "file:///etc/passwd", "http://login.example.com", "https://a\x1b[2J"]
)
def test_an_address_that_no_browser_should_open_is_not_shown(
    machine: Machine,
    provider: DeviceProvider,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    address: str,
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    provider.code = {field: address}

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert "\x1b" not in result.out + result.err
    assert machine.opened == []
    assert provider.forms("/token") == []


def test_a_user_code_cannot_steer_the_terminal(machine: Machine, provider: DeviceProvider) -> None:
    provider.code = {"user_code": "\x1b[2JAB\r\nCD\x07"}

    result = machine.run("login")

    assert "AB CD" in result.out
    assert not set(result.out) & set("\x1b\x07\r")


@pytest.mark.parametrize(
    "tokens",
    [
        {"token_type": "DPoP"},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "access\r\nX-Injected: 1"},
        {"access_token": "access-1\n"},
        {"refresh_token": "two words"},
        {"expires_in": -1},
        {"expires_in": 10**30},
        {"expires_in": "soon"},
    ],
)
def test_tokens_that_cannot_be_used_are_refused(
    machine: Machine, provider: DeviceProvider, tokens: dict[str, object]
) -> None:
    provider.tokens = tokens

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert "access" not in result.err
    assert machine.run("token").code == ExitCode.NOT_LOGGED_IN


@pytest.mark.parametrize("seconds", [-1, "x", None, 10**30])
def test_a_code_without_a_lifetime_is_refused(
    machine: Machine, provider: DeviceProvider, seconds: object
) -> None:
    provider.code = {"expires_in": seconds}

    assert machine.run("login").code == ExitCode.ERROR


def test_a_refusal_of_the_provider_is_cleaned(machine: Machine, provider: DeviceProvider) -> None:
    refusal = {"error": "invalid_client", "error_description": "\x1b]0;x\x07unknown\nclient"}
    provider.instead["/device"] = Canned(401, json.dumps(refusal).encode())

    result = machine.run("login")

    assert result.code == ExitCode.ERROR
    assert result.err.startswith("Error: The provider refused: unknown client. ")


def test_no_doorward_there(machine: Machine, provider: DeviceProvider) -> None:
    provider.instead["/login/start"] = problem(404, "Not found.")

    assert "There is no Doorward at " in machine.run("login").err


@contextmanager
def dripping_server(start: bytes) -> Iterator[str]:
    """Sends a byte now and then, for ever, after this beginning of an answer."""
    stopped = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.sendall(start)
                while not stopped.wait(0.05):
                    connection.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    stopped.set()
    thread.join()
    listening.close()


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Long: ", id="head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", id="chunk extension"),
    ],
)
def test_an_answer_that_drips_is_given_up(start: bytes) -> None:
    with (
        dripping_server(start) as url,
        open_client(exchange_time_s=0.4) as client,
        pytest.raises(UnreachableError, match="did not answer in time"),
    ):
        client.get(url)


def test_an_address_is_judged_before_anything_is_sent() -> None:
    with open_client() as client, pytest.raises(CliError, match="plain http"):
        client.get("http://example.com/", access_token="secret")
