"""The proxied request at its borders: sessions that end meanwhile, odd bytes, old clients, too many."""

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from bff.session.live import MOST_PER_SESSION
from tests.bff.agent import SCRIPT, SESSION_COOKIE, Agent, Browser, run_agent
from tests.fakes.waiting import until


async def raw(agent: Agent, browser: Browser, request: bytes) -> bytes:
    """The whole answer to bytes that no client library has tidied; the cookie is filled in."""
    address = urlsplit(agent.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    cookie = f"Cookie: {SESSION_COOKIE}={browser.session_cookie}\r\nConnection: close\r\n\r\n"
    head = request.replace(b"HOST", address.netloc.encode())
    writer.write(head + cookie.encode())
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def test_an_answer_that_begins_after_the_logout_does_not_come_through(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.backend.gate = asyncio.Event()
    waiting = asyncio.create_task(browser.call("GET", "/api/gated"))
    await until(lambda: len(agent.backend.seen) == 1)

    await browser.call("POST", "/logout")
    answer = await waiting

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert agent.parts.sessions.live.sessions() == []


async def test_one_session_cannot_hold_everything_open(agent: Agent) -> None:
    browser, other = await agent.signed_in(), await agent.signed_in("bob")
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=agent.url, cookies=browser.client.cookies, limits=httpx.Limits())
        )
        streams = [
            await stack.enter_async_context(client.stream("GET", "/api/stream", headers=SCRIPT))
            for _ in range(MOST_PER_SESSION)
        ]

        refused = await client.get("/api/v1/things", headers=SCRIPT)
        unharmed = await other.call("GET", "/api/v1/things")

        assert {stream.status_code for stream in streams} == {200}
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert unharmed.status_code == 200
    await until(lambda: agent.backend.open_streams == 0)
    assert (await browser.call("GET", "/api/v1/things")).status_code == 200


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_methods_that_could_show_the_bearer_do_not_pass(agent: Agent, method: str) -> None:
    browser = await agent.signed_in()

    answer = await raw(agent, browser, f"{method} /api/v1/x HTTP/1.1\r\nHost: HOST\r\n".encode())

    assert int(answer.split()[1]) in {400, 403, 404, 405}
    assert agent.backend.seen == []


@pytest.mark.parametrize("target", ["/%77eb/api/x", "/web/%61pi/x", "/%61pi/x", "//web/api/x"])
async def test_a_prefix_in_another_spelling_is_not_forwarded(target: str) -> None:
    async with run_agent(PREFIX="/web") as agent:
        browser = await agent.signed_in()

        answer = await raw(agent, browser, f"GET {target} HTTP/1.1\r\nHost: HOST\r\n".encode())

        assert int(answer.split()[1]) in {400, 404}
        assert agent.backend.seen == []


async def test_bytes_that_are_no_text_go_up_as_they_are(agent: Agent) -> None:
    browser = await agent.signed_in()

    await raw(
        agent, browser, b"GET /api/v1/x HTTP/1.1\r\nHost: HOST\r\nX-Name: caf\xe9\r\nX-Good: caf\xc3\xa9\r\n"
    )

    seen = agent.backend.seen[-1]
    assert (seen.values("X-Name"), seen.values("X-Good")) == (["caf\udce9"], ["café"])


async def test_an_upstream_cannot_name_our_cookie_by_a_byte_that_is_lost() -> None:
    async def answer_with_odd_cookie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        cookie = b"Set-Cookie: doorward\xff_session=planted; Path=/\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + cookie + b"Content-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    upstream = await asyncio.start_server(answer_with_odd_cookie, "127.0.0.1", 0)
    port = upstream.sockets[0].getsockname()[1]
    async with upstream, run_agent(BACKEND=f"http://127.0.0.1:{port}") as agent:
        browser = await agent.signed_in()

        answer = await browser.call("GET", "/api/x")

        assert (answer.status_code, answer.text) == (200, "ok")
        assert "Set-Cookie" not in answer.headers


async def test_an_upgrade_that_nobody_asked_for_is_no_answer() -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        await writer.drain()
        writer.close()

    upstream = await asyncio.start_server(upgrade, "127.0.0.1", 0)
    port = upstream.sockets[0].getsockname()[1]
    async with upstream, run_agent(BACKEND=f"http://127.0.0.1:{port}") as agent:
        browser = await agent.signed_in()

        answer = await browser.call("GET", "/api/x")

        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unavailable")


async def test_an_old_client_gets_an_unsized_answer(agent: Agent) -> None:
    browser = await agent.signed_in()
    agent.backend.gate = asyncio.Event()
    agent.backend.gate.set()
    agent.backend.stream_ends = True

    answer = await raw(agent, browser, b"GET /api/gated HTTP/1.0\r\nHost: HOST\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    assert b"chunked" not in head
    assert body == b'data: {"first": true}\n\n'


async def test_answers_about_a_person_stay_out_of_shared_caches(agent: Agent) -> None:
    browser = await agent.signed_in()

    by_default = await browser.call("GET", "/api/v1/things")
    agent.backend.answer_headers = [("Cache-Control", "public, max-age=60")]
    by_choice = await browser.call("GET", "/api/shaped")

    assert by_default.headers["Cache-Control"] == "private, no-cache"
    assert by_default.headers["X-Content-Type-Options"] == "nosniff"
    assert by_choice.headers["Cache-Control"] == "public, max-age=60"


async def test_device_mode_passes_no_cookie_at_all() -> None:
    async with run_agent(OIDC_FLOW="device") as agent:
        browser = await agent.browser(theme="dark")

        await browser.client.get("/api/v1/things", headers={"Authorization": "Bearer t"})

        assert agent.backend.seen[-1].values("Cookie") == []
