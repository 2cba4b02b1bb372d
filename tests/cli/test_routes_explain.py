"""`doorward routes explain`: what the agent's private listener says, for people and for machines."""

import json

import pytest

from cli.errors import ExitCode
from tests.cli.conftest import Machine
from tests.fakes.device_provider import Canned, DeviceProvider, problem

ANSWER = {
    "method": "GET",
    "path": "/shop/x?y=1",
    "verdict": "forwarded",
    "mode": "web",
    "route": "/shop/",
    "prefix": "/shop/",
    "policy": "required: a session",
    "forwarded_to": ["http://10.0.0.1/shop/x?y=1", "http://10.0.0.2/shop/x?y=1"],
    "because": ["/shop/ is the prefix that matches.", "Its upstreams take turns."],
    "of_tomorrow": 1,
}


def says(provider: DeviceProvider, **changes: object) -> None:
    provider.instead["/routes/explain"] = Canned(200, json.dumps(ANSWER | changes).encode())


def test_people_get_what_would_happen_and_why(machine: Machine, provider: DeviceProvider) -> None:
    says(provider)

    result = machine.run("routes", "explain", "get", "/shop/x?y=1", "--agent", provider.url)

    assert (result.code, result.err) == (ExitCode.SUCCESS, "")
    assert result.out.splitlines() == [
        "GET /shop/x?y=1: goes through, when its policy is met",
        "Route    /shop/",
        "Mode     web",
        "Policy   required: a session",
        "Goes to  http://10.0.0.1/shop/x?y=1",
        "Goes to  http://10.0.0.2/shop/x?y=1",
        "Because  /shop/ is the prefix that matches.",
        "Because  Its upstreams take turns.",
    ]


def test_the_question_arrives_as_it_was_asked(machine: Machine, provider: DeviceProvider) -> None:
    says(provider)

    machine.run("routes", "explain", "get", "/shop/%2f?a=b&c", "--agent", provider.url + "/")

    (asked,) = [seen for seen in provider.received if seen.path == "/routes/explain"]
    assert asked.query == {"method": "get", "path": "/shop/%2f?a=b&c"}
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("refused", "is refused"),
        ("own", "is answered by the agent itself"),
        ("unknown", "is not found"),
        ("forward_auth", "is judged for another proxy, and not forwarded here"),
    ],
)
def test_other_verdicts(machine: Machine, provider: DeviceProvider, verdict: str, words: str) -> None:
    says(provider, verdict=verdict, route=None, mode=None, policy=None, forwarded_to=[], because=["So."])

    result = machine.run("routes", "explain", "GET", "/shop/x", "--agent", provider.url)

    assert result.code == ExitCode.SUCCESS
    assert result.out.splitlines() == [f"GET /shop/x?y=1: {words}", "Because  So."]


def test_machines_get_the_answer_of_the_agent(machine: Machine, provider: DeviceProvider) -> None:
    says(provider)

    result = machine.run("routes", "explain", "GET", "/shop/x", "--json", "--agent", provider.url)

    assert json.loads(result.out) == ANSWER


def test_an_answer_cannot_steer_the_terminal(machine: Machine, provider: DeviceProvider) -> None:
    says(provider, route="\x1b[2J\u202e", because=["a\r\nb\x9b31m"])

    result = machine.run("routes", "explain", "GET", "/", "--agent", provider.url)

    assert not set(result.out) & set("\x1b\x9b\r\u202e")


def test_the_question_needs_no_login_and_makes_no_folder(
    machine: Machine, provider: DeviceProvider, folder: object
) -> None:
    says(provider)

    assert machine.run("routes", "explain", "GET", "/", "--agent", provider.url).code == ExitCode.SUCCESS
    assert [seen.path for seen in provider.received] == ["/routes/explain"]


def test_a_listener_that_explains_nothing(machine: Machine, provider: DeviceProvider) -> None:
    provider.instead["/routes/explain"] = Canned(404, b"")

    result = machine.run("routes", "explain", "GET", "/", "--agent", provider.url)

    assert result.code == ExitCode.ERROR
    assert result.err == (
        f"Error: {provider.url} explains no routes. Check --agent: it must be the PRIVATE_LISTEN address of "
        "the agent.\n"
    )


def test_a_path_that_the_agent_does_not_take(machine: Machine, provider: DeviceProvider) -> None:
    provider.instead["/routes/explain"] = problem(400, "Give ?path= a path.")

    result = machine.run("routes", "explain", "GET", "x", "--agent", provider.url)

    assert result.code == ExitCode.ERROR
    assert result.err == f"Error: {provider.url} refused: Give ?path= a path. (request id req-7)\n"


def test_a_verdict_of_tomorrow_is_no_crash(machine: Machine, provider: DeviceProvider) -> None:
    says(provider, verdict="maybe")

    assert machine.run("routes", "explain", "GET", "/", "--agent", provider.url).code == ExitCode.ERROR


@pytest.mark.parametrize(
    ("agent", "code"),
    [
        ("http://127.0.0.1:1", ExitCode.UNREACHABLE),
        ("http://10.0.0.1:9081", ExitCode.USAGE),
        ("x", ExitCode.USAGE),
    ],
)
def test_an_agent_that_cannot_be_asked(machine: Machine, agent: str, code: ExitCode) -> None:
    assert machine.run("routes", "explain", "GET", "/", "--agent", agent).code == code
