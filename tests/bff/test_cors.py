"""CORS: pages of configured origins may call and read, with the cookie; nobody else may, whoever says so."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bff.settings import read_settings
from common.env import SettingsError
from common.randomness import SystemRandomness
from tests.bff.agent import Agent, Browser, run_agent

APP = "http://127.0.0.1:5173"
UNKNOWN = {
    "another port": "http://127.0.0.1:5174",
    "another scheme": "https://127.0.0.1:5173",
    "another site": "https://evil.example",
    "ours as the beginning": f"{APP}0",
    "ours and more": f"{APP}.evil.example",
    "with a slash": f"{APP}/",
    "in capitals": APP.upper(),
    "a pattern": "*",
    "a sandboxed frame": "null",
    "two of them": f"{APP} https://evil.example",
    "nothing": "",
}

# No test leaves anything behind that another one sees, so one agent serves all of this file.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="agent")
async def agent_of_this_file() -> AsyncIterator[Agent]:
    async with run_agent(ORIGINS=APP) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(agent: Agent) -> Browser:
    return await agent.signed_in()


async def preflight(browser: Browser, path: str, origin: str, method: str = "DELETE") -> httpx.Response:
    """Browsers send no cookie with it."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-csrf",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "same-site",
        "Cookie": "",
    }
    return await browser.client.options(path, headers=headers)


async def fetch(browser: Browser, path: str, origin: str, method: str = "GET") -> httpx.Response:
    headers = {"Origin": origin, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-site"}
    return await browser.client.request(method, path, headers=headers)


def cors_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def words(answer: httpx.Response, name: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers.get(name, "").split(",")} - {""}


def assert_readable(answer: httpx.Response) -> None:
    """The page's script may read this answer to a request that was sent with the cookie."""
    assert answer.headers.get_list("Access-Control-Allow-Origin") == [APP]
    assert answer.headers.get_list("Access-Control-Allow-Credentials") == ["true"]
    assert "origin" in words(answer, "Vary")
    assert "*" not in "".join(cors_headers(answer).values())


# Preflights


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v1/things", "/sessions/x", "/userinfo", "/logout", "/nowhere"])
async def test_a_preflight_of_a_configured_origin_is_answered_without_a_cookie(
    agent: Agent, browser: Browser, path: str, method: str
) -> None:
    seen = len(agent.backend.seen)

    answer = await preflight(browser, path, APP, method)

    assert (answer.status_code, answer.content) == (204, b"")
    assert_readable(answer)
    assert method.lower() in words(answer, "Access-Control-Allow-Methods")
    assert words(answer, "Access-Control-Allow-Headers") >= {"content-type", "x-csrf", "if-none-match"}
    assert "authorization" not in words(answer, "Access-Control-Allow-Headers")
    assert int(answer.headers["Access-Control-Max-Age"]) <= 600
    assert answer.headers.get_list("Vary") == ["Origin"]
    assert len(agent.backend.seen) == seen


@pytest.mark.parametrize("origin", UNKNOWN.values(), ids=UNKNOWN.keys())
@pytest.mark.parametrize("path", ["/api/v1/things", "/userinfo"])
async def test_a_preflight_of_anybody_else_allows_nothing(
    agent: Agent, browser: Browser, path: str, origin: str
) -> None:
    seen = len(agent.backend.seen)

    answer = await preflight(browser, path, origin)

    assert cors_headers(answer) == {}
    assert answer.status_code >= 400
    assert len(agent.backend.seen) == seen


async def test_other_options_requests_are_for_the_service_behind(agent: Agent, browser: Browser) -> None:
    answer = await fetch(browser, "/api/v1/things", APP, "OPTIONS")

    assert answer.status_code == 200
    assert agent.backend.seen[-1].method == "OPTIONS"
    assert_readable(answer)


# Requests


async def test_a_page_of_a_configured_origin_reads_what_it_asks_for(browser: Browser) -> None:
    for path in ("/userinfo", "/session", "/sessions", "/claims", "/api/v1/things"):
        answer = await fetch(browser, path, APP)

        assert answer.status_code == 200
        assert_readable(answer)
        assert words(answer, "Access-Control-Expose-Headers") >= {"etag", "retry-after", "x-request-id"}
    assert "x-claims-source" in words(answer, "Access-Control-Expose-Headers")


async def test_a_page_of_a_configured_origin_may_write(agent: Agent, browser: Browser) -> None:
    answer = await fetch(browser, "/api/v1/things", APP, "POST")

    assert answer.status_code == 200
    assert agent.backend.seen[-1].method == "POST"
    assert_readable(answer)


async def test_a_login_may_be_started_by_its_script(browser: Browser) -> None:
    answer = await fetch(browser, f"/login/start?redirect={APP}/", APP)

    assert "authorization_request_url" in answer.json()
    assert_readable(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/userinfo", 401),
        ("GET", "/api/v1/things", 401),
        ("DELETE", "/sessions/x", 401),
        ("GET", "/nowhere", 404),
        ("POST", "/userinfo", 405),
        ("GET", "/login/start?redirect=//evil.example", 400),
        ("GET", "/logout", 403),
    ],
)
async def test_a_refusal_can_be_read_as_well(agent: Agent, method: str, path: str, status: int) -> None:
    stranger = await agent.browser()

    answer = await fetch(stranger, path, APP, method)

    assert answer.status_code == status
    assert_readable(answer)


@pytest.mark.parametrize("origin", UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_nobody_else_may_read_or_write(agent: Agent, browser: Browser, origin: str) -> None:
    reading = await fetch(browser, "/userinfo", origin)
    seen = len(agent.backend.seen)
    writing = await fetch(browser, "/api/v1/things", origin, "POST")

    assert cors_headers(reading) == cors_headers(writing) == {}
    assert "origin" in words(reading, "Vary")
    assert writing.status_code == 403
    assert len(agent.backend.seen) == seen


async def test_without_an_origin_there_is_nothing_to_allow(browser: Browser) -> None:
    answer = await browser.call("GET", "/userinfo")

    assert cors_headers(answer) == {}
    assert "origin" in words(answer, "Vary")


# The service behind has no say


UPSTREAM_SAYS = [
    ("Access-Control-Allow-Origin", "https://evil.example"),
    ("access-control-allow-origin", "*"),
    ("ACCESS-CONTROL-ALLOW-CREDENTIALS", "true"),
    ("Access-Control-Allow-Methods", "*"),
    ("Access-Control-Expose-Headers", "*"),
    ("Access-Control-Allow-Private-Network", "true"),
    ("Vary", "Accept-Encoding"),
]


async def test_what_the_service_behind_allows_is_replaced(agent: Agent, browser: Browser) -> None:
    agent.backend.answer_headers = UPSTREAM_SAYS

    answer = await fetch(browser, "/api/shaped", APP)

    assert_readable(answer)
    assert set(cors_headers(answer)) == {
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-expose-headers",
    }
    assert words(answer, "Vary") == {"accept-encoding", "origin"}


async def test_the_service_behind_cannot_open_the_door_to_others(agent: Agent, browser: Browser) -> None:
    agent.backend.answer_headers = UPSTREAM_SAYS

    answer = await fetch(browser, "/api/shaped", "https://evil.example")

    assert cors_headers(answer) == {}


async def test_an_event_stream_can_be_read(browser: Browser) -> None:
    async with browser.client.stream("GET", "/api/stream", headers={"Origin": APP}) as stream:
        await anext(stream.aiter_lines())

        assert_readable(stream)


# No origins


async def test_where_no_origin_is_configured_nobody_hears_of_cors() -> None:
    async with run_agent() as agent:
        browser = await agent.signed_in()
        agent.backend.answer_headers = UPSTREAM_SAYS

        answers = [
            await preflight(browser, "/api/v1/things", APP),
            await preflight(browser, "/userinfo", agent.url),
            await fetch(browser, "/userinfo", APP),
            await fetch(browser, "/userinfo", "null"),
            await fetch(browser, "/api/shaped", APP),
            await fetch(browser, "/api/shaped", agent.url),
        ]

        assert [cors_headers(answer) for answer in answers] == [{}] * len(answers)
        assert [words(answer, "Vary") for answer in answers[:4]] == [set()] * 4
        assert [answer.status_code for answer in answers[:2]] == [401, 405]


# At the start

SETTINGS = {
    "OIDC_PROVIDER": "https://login.example.com",
    "OIDC_CLIENT_ID": "doorward",
    "BACKEND": "http://127.0.0.1:8082",
}


def faults_of(public_url: str, origins: str) -> list[str]:
    values = {**SETTINGS, "PUBLIC_URL": public_url, "ORIGINS": origins}
    try:
        read_settings(values, SystemRandomness())
    except SettingsError as error:
        return error.faults
    return []


@pytest.mark.parametrize(
    ("public_url", "origins"),
    [
        ("https://app.co.uk", "https://evil.co.uk"),
        ("https://me.github.io", "https://evil.github.io"),
        ("https://app.example.com", "https://app.example.org"),
        ("https://app.example.com", "https://admin.example.com https://evil.example"),
        ("http://127.0.0.1:8080", "http://localhost:8080"),
        ("https://10.0.0.1", "https://192.0.0.1"),
    ],
)
async def test_an_origin_of_another_site_does_not_start(public_url: str, origins: str) -> None:
    [fault] = faults_of(public_url, origins)

    assert repr(origins.rsplit(maxsplit=1)[-1]) in fault
    assert "another site than PUBLIC_URL" in fault


@pytest.mark.parametrize(
    ("public_url", "origins"),
    [
        ("https://app.example.com", "https://admin.example.com, https://example.com:8443"),
        ("https://me.github.io", "https://me.github.io:8443"),
        ("http://localhost:8080", "http://localhost:5173"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:5173"),
    ],
)
async def test_origins_of_the_same_site_start(public_url: str, origins: str) -> None:
    assert faults_of(public_url, origins) == []
