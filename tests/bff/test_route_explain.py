"""`GET /routes/explain` on the private listener: which route a request meets, and why."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bff.agent import Agent, run_agent

FILE = """
[[route]]
prefix = "/"
upstream = "http://127.0.0.1:3000"
policy = "anonymous"
methods = ["GET"]

[[route]]
prefix = "/api"
upstream = ["http://10.0.0.1/v2", "http://10.0.0.2/v2"]
strip_prefix = true
body_limit = "1KB"
scopes = ["b", "a"]
roles = "admin"
acr = ["gold", "silver"]

[[route]]
prefix = "/sockets"
upstream = "unix:/run/s.sock"
policy = "optional"
name = "the-sockets"

[[route]]
prefix = "/grafana"
forward_auth = true
roles = "operator"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("routes") / "routes.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
async def doors(file: Path) -> AsyncIterator[Agent]:
    async with run_agent(ROUTES=str(file), BACKEND="", PREFIX="/web", OIDC_FLOW="both") as running:
        yield running


async def ask(agent: Agent, **query: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=agent.private_url, trust_env=False, verify=False) as client:
        return await client.get("/routes/explain", params=query)


async def explained(agent: Agent, path: str, method: str = "GET") -> dict[str, Any]:
    answer = await ask(agent, method=method, path=path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_route_is_named_with_where_it_leads_and_why(doors: Agent) -> None:
    assert await explained(doors, "/api/things?x=1", "POST") == {
        "method": "POST",
        "path": "/api/things?x=1",
        "verdict": "forwarded",
        "mode": "web",
        "route": "/api",
        "prefix": "/api",
        "policy": (
            "required: a session with all of the scopes a, b, and one of the roles admin, and a login with "
            "acr gold or silver"
        ),
        "forwarded_to": ["http://10.0.0.1/v2/things?x=1", "http://10.0.0.2/v2/things?x=1"],
        "because": [
            "/api is the longest prefix that matches, before /.",
            "POST with a session passes the CSRF rules first: X-CSRF: 1, or this origin.",
            "A body of more than 1000 bytes is refused with 413.",
            "Its upstreams take turns; one that cannot be reached or is ill is left out.",
        ],
    }


async def test_the_rest_belongs_to_the_root(doors: Agent) -> None:
    found = await explained(doors, "/main.js")

    assert (found["route"], found["forwarded_to"]) == ("/", ["http://127.0.0.1:3000/main.js"])
    assert found["policy"] == "anonymous: everybody, and no bearer goes up"
    assert found["because"] == ["/ is the prefix that matches."]


async def test_a_socket_and_a_name(doors: Agent) -> None:
    found = await explained(doors, "/sockets/x")

    assert (found["route"], found["prefix"]) == ("the-sockets", "/sockets")
    assert found["forwarded_to"] == ["unix:/run/s.sock /sockets/x"]
    assert found["policy"].startswith("optional: everybody, with the user's bearer where")


async def test_a_route_that_another_proxy_forwards(doors: Agent) -> None:
    found = await explained(doors, "/grafana/d/1")

    assert (found["verdict"], found["route"], found["forwarded_to"]) == ("forward_auth", "/grafana", [])
    assert found["policy"] == "required: a session with one of the roles operator"
    assert found["because"][-1].startswith("It has forward_auth: /verify judges it")


@pytest.mark.parametrize("method", ["POST", "TRACE"])
async def test_a_method_that_the_route_does_not_take(doors: Agent, method: str) -> None:
    found = await explained(doors, "/main.js", method)

    assert (found["verdict"], found["forwarded_to"]) == ("refused", [])
    assert found["because"][-1] == f"{method} is refused with 405: the route takes GET, HEAD."


async def test_trace_never_passes(doors: Agent) -> None:
    found = await explained(doors, "/api/x", "TRACE")

    assert found["because"][-1] == "TRACE is refused with 405: the route takes all but CONNECT and TRACE."


@pytest.mark.parametrize("path", ["/api/../x", "/api//x", "/api/%2fx", "/api/%zz"])
async def test_a_spelling_that_is_refused(doors: Agent, path: str) -> None:
    found = await explained(doors, path)

    assert found["verdict"] == "refused"
    assert found["because"][-1].startswith("The path has a spelling that is refused with 400: ")


async def test_below_the_prefix_the_same_routes_stand(doors: Agent) -> None:
    found = await explained(doors, "/web/api/x")

    assert (found["mode"], found["forwarded_to"][0]) == ("web", "http://10.0.0.1/v2/x")
    assert found["because"][0] == "/web is where the web mode stands, and is taken off."


async def test_in_device_mode_the_service_judges(doors: Agent) -> None:
    required = await explained(doors, "/device/api/x", "POST")
    optional = await explained(doors, "/device/sockets/x")

    assert (required["mode"], required["forwarded_to"][0]) == ("device", "http://10.0.0.1/v2/x")
    assert required["policy"] == "required: the caller's own bearer, which the service behind judges"
    assert optional["policy"] == "optional: with the caller's own bearer or without"
    assert not any("CSRF" in sentence for sentence in required["because"])


@pytest.mark.parametrize("path", ["/login/start", "/session", "/web/userinfo?slide=false"])
async def test_the_agents_own_endpoints_are_told_apart(doors: Agent, path: str) -> None:
    found = await explained(doors, path)

    assert (found["verdict"], found["route"]) == ("own", None)
    assert "is the agent's own: no route takes a path of it." in found["because"][-1]


async def test_a_path_in_disguise_is_not_found(doors: Agent) -> None:
    found = await explained(doors, "/%61pi/x")

    assert (found["verdict"], found["forwarded_to"]) == ("unknown", [])


async def test_a_path_of_nobody(agent: Agent) -> None:
    assert (await explained(agent, "/x"))["verdict"] == "unknown"
    assert (await explained(agent, "/api/x"))["policy"] == "required: a session"
    assert (await explained(agent, "/login/start"))["verdict"] == "own"


@pytest.mark.parametrize("path", ["", "x", "http://h/x", "/x\ny"])
async def test_what_is_no_path_is_refused(agent: Agent, path: str) -> None:
    answer = await ask(agent, path=path)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_it_is_not_told_to_the_public(agent: Agent) -> None:
    stranger = await agent.browser()

    assert (await stranger.call("GET", "/routes/explain?path=/api/x")).status_code == 404
