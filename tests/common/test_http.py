"""The client for the provider: what comes back is bounded in size and time, and goes nowhere by itself."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import respx
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from common.http import ANSWER_LIMIT_BYTES, ExchangeError, exchange, get_object, open_client
from tests.common.server import RawServer, saying, serving

URL = "https://provider.example/metadata"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(user_agent="doorward-test/1") as opened:
        yield opened


async def cause_of(client: httpx.AsyncClient, url: str) -> str:
    """Why no object came of it."""
    with pytest.raises(ExchangeError) as raised:
        await get_object(client, url)
    return raised.value.cause


@respx.mock
async def test_an_object_comes_back_and_we_say_who_asks(client: httpx.AsyncClient) -> None:
    route = respx.get(URL).respond(json={"a": 1})

    assert await get_object(client, URL) == {"a": 1}
    sent = route.calls.last.request.headers
    assert (sent["User-Agent"], sent["Accept-Encoding"]) == ("doorward-test/1", "identity")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        pytest.param(b"[]", "not_an_object", id="array"),
        pytest.param(b'"text"', "not_an_object", id="text"),
        pytest.param(b"null", "not_an_object", id="null"),
        pytest.param(b"", "not_json", id="nothing"),
        pytest.param(b"<html>", "not_json", id="a page"),
        pytest.param(b'{"a": ', "not_json", id="half an object"),
        pytest.param(b"\xff\xfe\xfd", "not_json", id="no text"),
        pytest.param(b"[" * 200_000, "not_json", id="deeply nested"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "not_json", id="a number of 5000 digits"),
    ],
)
@respx.mock
async def test_anything_but_an_object_is_refused(client: httpx.AsyncClient, body: bytes, cause: str) -> None:
    respx.get(URL).respond(content=body)

    assert await cause_of(client, URL) == cause


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 404, 429, 500, 503])
@respx.mock
async def test_any_other_status_is_a_failure_and_redirects_are_not_followed(
    client: httpx.AsyncClient, status: int
) -> None:
    elsewhere = respx.get("https://elsewhere.example/").respond(json={})
    respx.get(URL).respond(status, json={"a": 1}, headers={"Location": "https://elsewhere.example/"})

    assert await cause_of(client, URL) == f"status_{status}"
    assert not elsewhere.called


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (httpx.ConnectError("refused"), "connection"),
        (httpx.ConnectTimeout("slow"), "timeout"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.PoolTimeout("busy"), "timeout"),
        (httpx.RemoteProtocolError("junk"), "connection"),
        (httpx.ReadError("cut"), "connection"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
@respx.mock
async def test_faults_on_the_way_are_told_apart_by_a_word(
    client: httpx.AsyncClient, error: Exception, cause: str
) -> None:
    respx.get(URL).mock(side_effect=error)

    assert await cause_of(client, URL) == cause


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZip", "gzip, gzip"])
async def test_a_compressed_answer_is_refused_and_never_inflated(
    client: httpx.AsyncClient, encoding: str
) -> None:
    zeros = gzip.compress(b"0" * 10_000_000)
    head = JSON_HEAD + f"Content-Encoding: {encoding}\r\nContent-Length: {len(zeros)}\r\n\r\n".encode()

    async with RawServer.start(saying(head + zeros)) as server:
        assert await cause_of(client, server.url) == "unusable_answer"


async def test_an_endless_body_is_cut_at_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(JSON_HEAD + b"Connection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"0" * 65536)
            sent += 65536
            await writer.drain()

    async with RawServer.start(pour) as server:
        assert await cause_of(client, server.url) == "unusable_answer"

    # What was in the sockets' buffers on top of the limit is bounded too.
    assert ANSWER_LIMIT_BYTES < sent < 20 * 1024 * 1024


async def test_the_largest_allowed_body_is_read(client: httpx.AsyncClient) -> None:
    body = b'{"a": "' + b"x" * (ANSWER_LIMIT_BYTES - 9) + b'"}'
    head = JSON_HEAD + b"Content-Length: %d\r\n\r\n" % len(body)

    async with RawServer.start(saying(head + body)) as server:
        assert len(str((await get_object(client, server.url))["a"])) == ANSWER_LIMIT_BYTES - 9
    async with RawServer.start(saying(JSON_HEAD + b"\r\n" + body + b" ")) as server:
        assert await cause_of(client, server.url) == "unusable_answer"


async def test_a_body_that_drips_meets_the_deadline_of_the_whole_exchange(
    client: httpx.AsyncClient,
) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(JSON_HEAD + b"\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with RawServer.start(drip) as server:
        with pytest.raises(ExchangeError) as raised:
            await exchange(client, client.build_request("GET", server.url), time_s=0.1)

    assert raised.value.cause == "timeout"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
        pytest.param(JSON_HEAD + b"Content-Length: 100\r\n\r\n{}", id="less than promised"),
        pytest.param(JSON_HEAD + b"X: " + b"x" * 300_000, id="endless head"),
        pytest.param(JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"),
    ],
)
async def test_a_broken_answer_is_a_failed_connection(client: httpx.AsyncClient, data: bytes) -> None:
    async with RawServer.start(saying(data)) as server:
        assert await cause_of(client, server.url) == "connection"


async def test_cookies_of_one_exchange_do_not_go_out_with_the_next(client: httpx.AsyncClient) -> None:
    cookies: list[str | None] = []

    async def setting(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.json_response({}, headers={"Set-Cookie": "user=alice; Path=/"})

    app = web.Application()
    app.router.add_get("/", setting)
    async with serving(app) as server:
        await get_object(client, str(server.base_url))
        await get_object(client, str(server.base_url))

    assert cookies == [None, None]


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login stray password stray\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    answer = JSON_HEAD + b"Content-Length: 2\r\n\r\n{}"

    async with RawServer.start(saying(answer)) as server, open_client(user_agent="x") as client:
        assert await get_object(client, server.url) == {}
        assert "authorization" not in server.heads[0].lower()


@asynccontextmanager
async def self_signed_server(folder: Path) -> AsyncIterator[str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "both.pem")

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"a": 1})

    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_certificate_that_nobody_vouches_for_is_refused_unless_told_otherwise(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with self_signed_server(tmp_path) as url:
        assert await cause_of(client, url) == "connection"
        async with open_client(user_agent="x", insecure_tls=True) as careless:
            assert await get_object(careless, url) == {"a": 1}
