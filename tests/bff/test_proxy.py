"""The proxied request: what goes up, what comes down, and what is refused."""

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.bff.agent import SCRIPT, SESSION_COOKIE, Agent, Browser, run_agent
from tests.fakes.backend import Seen
from tests.fakes.waiting import until


async def proxied(agent: Agent, browser: Browser, path: str = "/api/v1/things", **headers: str) -> Seen:
    answer = await browser.call("GET", path, **headers)
    assert answer.status_code == 200, answer.text
    return agent.backend.seen[-1]


async def test_the_session_becomes_a_bearer_that_verifies(agent: Agent) -> None:
    browser = await agent.signed_in()

    seen = await proxied(agent, browser)

    [authorization] = seen.values("Authorization")
    assert authorization.startswith("Bearer ey")
    assert seen.target == "/api/v1/things"


async def test_without_a_session_nothing_reaches_the_backend(agent: Agent) -> None:
    browser = await agent.browser()

    answer = await browser.call("GET", "/api/v1/things", Authorization="Bearer stolen")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert agent.backend.seen == []


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-Forwarded-User",
        "x_forwarded_user",
        "X-Auth_Request_User",
        "X-Auth-Request-Email",
        "X-User",
        "X_USER_ID",
        "X-Groups",
        "Remote-User",
        "Forwarded",
        "X-Real-IP",
        "X-Device-Key",
        "X-Provisioning-Key",
        "X-Forwarded-Uri",
        "X-Forwarded",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "Proxy",
        "True-Client-IP",
        "X-WEBAUTH-USER",
        "Impersonate-User",
        "Content_Length",
    ],
)
async def test_headers_that_only_we_may_say_never_pass(agent: Agent, name: str) -> None:
    browser = await agent.signed_in()

    seen = await proxied(agent, browser, **{name: "forged"})

    assert not [header for header in seen.headers if "forged" in header[1]]


async def test_forwarding_headers_are_ours(agent: Agent) -> None:
    browser = await agent.signed_in()

    seen = await proxied(
        agent, browser, **{"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil", "X-Request-Id": "forged"}
    )

    assert seen.values("X-Forwarded-For") == ["127.0.0.1"]
    assert seen.values("X-Forwarded-Host") == [agent.url.removeprefix("http://")]
    assert seen.values("X-Forwarded-Proto") == ["http"]
    assert seen.values("X-Request-Id") != ["forged"]


async def test_a_trusted_proxy_tells_the_address_of_the_client() -> None:
    async with run_agent(TRUSTED_PROXIES="127.0.0.1/32") as agent:
        browser = await agent.signed_in()

        seen = await proxied(agent, browser, **{"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})

        assert seen.values("X-Forwarded-For") == ["203.0.113.9"]


async def test_our_cookies_stay_here_and_others_pass(agent: Agent) -> None:
    browser = await agent.signed_in()
    await browser.start_login()
    browser.client.cookies.set("theme", "dark")

    seen = await proxied(agent, browser)

    assert seen.values("Cookie") == ["theme=dark"]


async def test_headers_named_in_connection_are_dropped_but_not_what_we_add(agent: Agent) -> None:
    browser = await agent.signed_in()

    seen = await proxied(
        agent, browser, Connection="keep-alive, X-Secret, Authorization", **{"X-Secret": "1"}
    )

    assert seen.values("X-Secret") == []
    assert len(seen.values("Authorization")) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/..%2fadmin",
        "/api/../admin",
        "/api/%2e%2e/admin",
        "/api/v1/%2E./admin",
        "/api/..;x/admin",
        "/api//admin",
        "/api/v1%5cadmin",
        "/api/v1%00",
        "/api/v1%0d%0aX: y".replace(" ", ""),
        "/api/%zz",
        "/api/v1#x",
        "/api/\\admin",
        "/api/v1?x=\\",
    ],
)
async def test_paths_that_could_mean_another_path_are_refused(agent: Agent, path: str) -> None:
    browser = await agent.signed_in()

    status = await asyncio.to_thread(raw_get, agent.url, path, browser.session_cookie or "")

    assert status in {400, 404}
    assert agent.backend.seen == []


@pytest.mark.parametrize(
    "path", ["/api/v1/a%20b?q=%2F..%2F&r=%5C", "/api/v1/a;b=c", "/api/v1/", "/api/x%C3%A4"]
)
async def test_the_path_that_is_matched_is_the_path_that_is_forwarded(agent: Agent, path: str) -> None:
    browser = await agent.signed_in()

    await asyncio.to_thread(raw_get, agent.url, path, browser.session_cookie or "")

    assert agent.backend.seen[-1].target == path


def raw_get(url: str, target: str, cookie: str) -> int:
    """A request whose target no client library has tidied."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        head = f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {SESSION_COOKIE}={cookie}\r\n\r\n"
        connection.sendall(head.encode())
        return int(connection.recv(100).split()[1])


async def test_bodies_pass_unchanged_sized_and_chunked(agent: Agent) -> None:
    browser = await agent.signed_in()
    body = bytes(range(256)) * 4000

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    await browser.client.post("/api/echo", content=body, headers=SCRIPT)
    await browser.client.post("/api/echo", content=chunks(), headers=SCRIPT)

    assert [seen.body == body for seen in agent.backend.seen] == [True, True]
    assert agent.backend.seen[0].values("Content-Length") == [str(len(body))]


async def test_a_compressed_body_is_passed_on_as_it_came(agent: Agent) -> None:
    browser = await agent.signed_in()

    await browser.client.post(
        "/api/echo", content=b"\x1f\x8bnot-gzip", headers={**SCRIPT, "Content-Encoding": "gzip"}
    )

    assert agent.backend.seen[-1].body == b"\x1f\x8bnot-gzip"
    assert agent.backend.seen[-1].values("Content-Encoding") == ["gzip"]


async def test_the_answer_passes_without_cookies_of_our_name(agent: Agent) -> None:
    browser = await agent.signed_in()
    before = browser.session_cookie
    agent.backend.answer_status = 418
    agent.backend.answer_headers = [
        ("Set-Cookie", f"{SESSION_COOKIE}=planted; Path=/"),
        ("Set-Cookie", "doorward_login_abc=planted; Path=/"),
        ("Set-Cookie", "other=1; Path=/"),
        ("X-Custom", "kept"),
        ("Connection", "X-Dropped"),
        ("X-Dropped", "1"),
    ]

    answer = await browser.call("GET", "/api/shaped")

    assert (answer.status_code, answer.content, answer.headers["X-Custom"]) == (418, b"shaped", "kept")
    assert answer.headers.get_list("Set-Cookie") == ["other=1; Path=/"]
    assert "X-Dropped" not in answer.headers
    assert browser.session_cookie == before


async def test_redirects_of_the_backend_are_not_followed(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.backend.answer_status = 302
    agent.backend.answer_headers = [("Location", "http://evil.example/")]

    answer = await browser.call("GET", "/api/shaped")

    assert (answer.status_code, answer.headers["Location"]) == (302, "http://evil.example/")
    assert len(agent.backend.seen) == 1


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_answers_without_a_body_keep_the_connection_usable(
    agent: Agent, method: str, status: int
) -> None:
    browser = await agent.signed_in()
    agent.backend.answer_status, agent.backend.answer_body = status, b"" if status != 200 else b"shaped"

    answer = await browser.call(method, "/api/shaped")
    after = await browser.call("GET", "/api/v1/things")

    assert (answer.status_code, answer.content, after.status_code) == (status, b"", 200)


async def test_a_broken_answer_is_not_made_to_look_whole(agent: Agent) -> None:
    browser = await agent.signed_in()

    with pytest.raises(httpx.RemoteProtocolError):
        await browser.call("GET", "/api/cut")


async def test_an_absent_backend_is_a_problem_that_says_so() -> None:
    async with run_agent(BACKEND="http://127.0.0.1:9") as agent:
        browser = await agent.signed_in()

        answer = await browser.call("GET", "/api/v1/things")

        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unavailable")
        assert answer.headers["Retry-After"] == "5"


async def test_the_aiohttp_form_refuses_upgrades_with_a_reason() -> None:
    async with run_agent(DATA_PLANE="aiohttp") as agent:
        browser = await agent.signed_in()

        answer = await browser.call("GET", "/api/v1/socket", Connection="Upgrade", Upgrade="websocket")

    assert (answer.status_code, answer.json()["code"]) == (501, "upgrade_not_supported")


async def test_an_event_stream_passes_at_once_and_ends_with_the_session(agent: Agent) -> None:
    browser = await agent.signed_in()

    async with browser.client.stream("GET", "/api/stream", headers=SCRIPT) as stream:
        lines = stream.aiter_lines()
        first = await anext(lines)
        await browser.call("POST", "/logout")
        with pytest.raises(httpx.RemoteProtocolError):
            _ = [line async for line in lines]

    assert first == 'data: {"first": true}'
    assert agent.parts.sessions.live.sessions() == []


async def test_a_client_that_leaves_releases_the_backend(agent: Agent) -> None:
    browser = await agent.signed_in()

    async with browser.client.stream("GET", "/api/stream", headers=SCRIPT) as stream:
        await anext(stream.aiter_lines())
        assert agent.backend.open_streams == 1

    await until(lambda: agent.backend.open_streams == 0)
    assert agent.parts.sessions.live.sessions() == []


@pytest.mark.parametrize(
    ("request_head", "route"),
    [(b"GET /api/x HTTP/1.1\r\nHost: HOST\r\n\r\n", "refused"), (b"GET /api/x HTTP/9\r\n\r\n", "unreadable")],
)
async def test_what_is_refused_by_its_head_is_counted(agent: Agent, request_head: bytes, route: str) -> None:
    address = urlsplit(agent.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request_head.replace(b"HOST", address.netloc.encode()))
    await reader.readuntil(b"\r\n\r\n")
    writer.close()

    async with httpx.AsyncClient(trust_env=False) as client:
        metrics = (await client.get(f"{agent.private_url}/metrics")).text

    assert f'route="{route}"' in metrics
