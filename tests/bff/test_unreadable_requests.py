"""What cannot be parsed is refused without being quoted."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.bff.agent import SESSION_COOKIE, Agent

SECRET = "the-value-of-the-cookie"

ROWS = [
    pytest.param(f"Cookie: {SESSION_COOKIE}={SECRET}; x={'y' * 40_000}", id="cookie header too long"),
    pytest.param(f"Cookie: {SESSION_COOKIE}={SECRET}\x00", id="NUL in the cookie"),
    pytest.param(f"Cookie : {SESSION_COOKIE}={SECRET}", id="space before the colon"),
    pytest.param(f"X: 1\r\n Cookie: {SESSION_COOKIE}={SECRET}", id="obs-fold"),
    pytest.param(f"Authorization: Bearer {SECRET}\x01", id="control character in a bearer"),
    pytest.param(f"Content-Length: {SECRET}", id="length that is no number"),
    pytest.param("Content-Length: 1\r\nTransfer-Encoding: chunked", id="two framings"),
    pytest.param("Host: a\r\nHost: b", id="two hosts"),
]


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("=; ;; a; =b; doorward_session", id="empty names"),
        pytest.param("; ".join(f"doorward_session_{n}=x" for n in range(1000)), id="a thousand chunks"),
        pytest.param("doorward_session=99999999; doorward_session_chunks=99999999", id="a count of chunks"),
        pytest.param(f"doorward_session={'x' * 30_000}", id="a long one"),
        pytest.param("doorward_session=a; doorward_session=b", id="two of one name"),
    ],
)
async def test_odd_cookies_are_nobody(agent: Agent, cookie: str) -> None:
    browser = await agent.browser()

    answer = await browser.client.get("/userinfo", headers={"Cookie": cookie})

    assert answer.status_code == 401


@pytest.mark.parametrize("line", ROWS)
async def test_no_answer_quotes_a_request(
    agent: Agent, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, line: str
) -> None:
    address = urlsplit(agent.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET /userinfo HTTP/1.1\r\nHost: {address.netloc}\r\n{line}\r\n\r\n".encode())

    async with asyncio.timeout(5):
        answer = (await reader.read(65536)).decode()
    writer.close()

    assert answer.split()[1] in {"400", "401", "431"}
    assert SECRET not in answer
    assert SECRET not in capsys.readouterr().out
