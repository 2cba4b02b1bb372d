"""What the Caddyfile promises, asked of the real Caddy: who answers, with which headers, what is logged."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientConnectorSSLError, ClientPayloadError, ClientResponse, WSCloseCode, WSMsgType
from yarl import URL

from tests.deploy.caddy_door import Door, open_door
from tests.fakes.waiting import until

pytestmark = [pytest.mark.caddy, pytest.mark.asyncio(loop_scope="module")]

FILES = "files"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with open_door(tmp_path_factory.mktemp("door"), MAX_BODY="1MB") as door:
        yield door


async def ask(door: Door, path: str, method: str = "GET", **headers: str) -> ClientResponse:
    """The answer, its body read; header names with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = URL(door.url + path, encoded=True)
    async with door.client.request(method, url, headers=named, allow_redirects=False) as answer:
        await answer.read()
        return answer


async def who_answers(door: Door, path: str, method: str = "GET", **headers: str) -> str:
    answer = await ask(door, path, method, **headers)
    return answer.headers.get("X-Answered-By", FILES if answer.status == 200 else str(answer.status))


class TestWhoAnswers:
    @pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/openapi.json", "/api/v1/token"])
    @pytest.mark.parametrize("caller", ["browser", "command line", "user's bearer"])
    async def test_public_documents_come_from_the_apiserver_for_everyone(
        self, door: Door, path: str, caller: str
    ) -> None:
        headers = {
            "browser": {"User_Agent": "Mozilla/5.0"},
            "command line": {"User_Agent": "doorward-cli/1.0"},
            "user's bearer": {"Authorization": "Bearer eyJhbGciOi"},
        }[caller]

        assert await who_answers(door, path, **headers) == "apiserver"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Bearer dwr_abc"},
            {"Authorization": "Bearer dwd_abc"},
            {"Authorization": "Bearer dws_abc"},
            {"Authorization": "bEARER dwd_abc"},
            {"Authorization": "Bearer    dwd_abc"},
            {"Authorization": "Bearer\tdwd_abc"},
            {"Authorization": "Bearer dwr_abc", "User_Agent": "doorward-cli/1.0"},
            {"X_Device_Key": "abc"},
            {"X_Provisioning_Key": "abc"},
            {"X_Device_Key": "abc", "User_Agent": "doorward-cli/1.0"},
            {"X_Device_Key": "abc", "Cookie": "session=1"},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("path", ["/api/v1/devices", "/v1/ingest", "/", "/login/start"])
    async def test_devices_reach_the_apiserver_on_every_path(
        self, door: Door, headers: dict[str, str], path: str
    ) -> None:
        assert await who_answers(door, path, "POST", **headers) == "apiserver"

    @pytest.mark.parametrize(
        "headers",
        [
            {"User_Agent": "doorward-cli/1.0"},
            {"User_Agent": "doorward-cli/2.3 (linux)", "Cookie": "session=1"},
            {"Authorization": "Bearer eyJhbGciOi"},
            {"Authorization": "bearer   eyJhbGciOi"},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer DWR_abc"},
            {"Authorization": "Bearer xdwr_abc"},
            {"Authorization": "Bearer dwx_abc"},
            {"Authorization": "Bearer eyJhbGciOi", "User_Agent": "Mozilla/5.0"},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("path", ["/login/start", "/api/v1/users/me", "/"])
    async def test_command_lines_and_bearers_reach_the_agent_in_device_mode(
        self, door: Door, headers: dict[str, str], path: str
    ) -> None:
        assert await who_answers(door, path, **headers) == "device"

    @pytest.mark.parametrize(
        "path",
        [
            "/login/start?redirect=/",
            "/login/end?code=1&state=2",
            "/userinfo",
            "/user_info",
            "/claims",
            "/session",
            "/sessions",
            "/sessions/abc",
            "/refresh",
            "/logout",
            "/logout/abc",
            "/backchannel-logout",
            "/api/v1/users/me",
            "/api/",
        ],
    )
    @pytest.mark.parametrize(
        "headers",
        [
            {"User_Agent": "Mozilla/5.0", "Accept": "text/html"},
            {"User_Agent": "Mozilla/5.0 doorward-cli/1.0"},
            {"User_Agent": "curl/8.0"},
            {"Authorization": "Basic ZHdyXzp4"},
            {"Authorization": "Bearers dwr_abc"},
            {"Authorization": "Basic Bearer dwr_abc"},
        ],
        ids=str,
    )
    async def test_browsers_reach_the_agent_in_web_mode(
        self, door: Door, path: str, headers: dict[str, str]
    ) -> None:
        assert await who_answers(door, path, **headers) == "web"

    @pytest.mark.parametrize(
        "path",
        [
            *("/verify", "/verify/x", "/authz", "/authz/api/v1", "/metrics", "/healthz", "/readyz"),
            *("//verify", "/%76erify", "/./metrics", "/VERIFY", "/verify?x=1", "/x/../readyz"),
        ],
    )
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"User_Agent": "doorward-cli/1.0"},
            {"Authorization": "Bearer dwd_abc"},
            {"X_Device_Key": "abc"},
            {"Accept": "text/html"},
        ],
        ids=str,
    )
    async def test_private_endpoints_do_not_exist_on_the_public_side(
        self, door: Door, path: str, headers: dict[str, str]
    ) -> None:
        assert await who_answers(door, path, **headers) == "404"

    @pytest.mark.parametrize("host", ["127.0.0.1", "evil.example", "localhost.evil.example"])
    async def test_under_another_name_nothing_is_served(self, door: Door, host: str) -> None:
        answer = await ask(door, "/api/v1/users/me", Host=f"{host}:{door.port}", Accept="text/html")

        assert answer.status == 421
        assert door.url in await answer.text()


class TestFiles:
    @pytest.mark.parametrize(
        "path", ["/", "/index.html", "/devices", "/devices/7", "/registration-tokens", "/tenants/", "/login"]
    )
    async def test_a_browser_that_goes_somewhere_gets_the_console(self, door: Door, path: str) -> None:
        answer = await ask(door, path, Accept="text/html,application/xhtml+xml,*/*;q=0.8")

        assert answer.status == 200
        assert "<title>console</title>" in await answer.text()
        assert answer.headers["Cache-Control"] == "no-cache"

    @pytest.mark.parametrize(
        ("path", "accept"),
        [
            ("/assets/old-1234.js", "*/*"),
            ("/assets/old-1234.js", "text/html"),
            ("/assets/", "text/html"),
            ("/missing.png", "image/avif,image/webp,*/*;q=0.8"),
            ("/devices", "application/json"),
            ("/Caddyfile", "*/*"),
            ("/../caddy.log", "*/*"),
            ("/%2e%2e/caddy.log", "*/*"),
            ("/..%2fcaddy.log", "*/*"),
        ],
    )
    async def test_what_is_missing_is_404_and_never_a_page(self, door: Door, path: str, accept: str) -> None:
        answer = await ask(door, path, Accept=accept)

        assert answer.status == 404
        assert "console" not in await answer.text()
        assert "immutable" not in answer.headers["Cache-Control"]

    async def test_hashed_assets_are_kept_for_ever(self, door: Door) -> None:
        answer = await ask(door, "/assets/index-4f2a.js")

        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Encoding"] == "gzip"

    async def test_files_are_only_read(self, door: Door) -> None:
        answer = await ask(door, "/", "POST", Accept="text/html")

        assert answer.status == 405


class TestHeaders:
    @pytest.mark.parametrize(
        "path",
        ["/", "/assets/index-4f2a.js", "/assets/no.js", "/api/v1/users/me", "/verify", "/openapi.json"],
    )
    async def test_every_answer_carries_the_security_headers(self, door: Door, path: str) -> None:
        answer = await ask(door, path)

        assert answer.headers.getall("Content-Security-Policy") == [CONTENT_SECURITY_POLICY]
        assert answer.headers.getall("X-Content-Type-Options") == ["nosniff"]
        assert answer.headers.getall("Referrer-Policy") == ["same-origin"]
        assert answer.headers.getall("Cross-Origin-Opener-Policy") == ["same-origin"]
        assert "camera=()" in answer.headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in answer.headers
        assert "Server" not in answer.headers
        assert "Via" not in answer.headers

    async def test_a_stricter_policy_of_the_agent_is_kept(self, door: Door) -> None:
        answer = await ask(door, "/login/strict")

        assert answer.headers.getall("Content-Security-Policy") == ["default-src 'none'"]
        assert answer.headers.getall("Referrer-Policy") == ["no-referrer"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("path", ["/api/v1/users/me", "/userinfo", "/verify", "/assets/no.js"])
    async def test_what_is_not_a_file_is_not_kept(self, door: Door, path: str) -> None:
        answer = await ask(door, path)

        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        "headers", [{}, {"X-Device-Key": "k"}, {"User-Agent": "doorward-cli/1.0"}], ids=str
    )
    async def test_forged_forwarding_headers_do_not_pass(self, door: Door, headers: dict[str, str]) -> None:
        forged = {
            "X-Forwarded-For": "6.6.6.6",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Uri": "/public",
            "X-Forwarded-Method": "GET",
            "X-Forwarded-User": "admin",
            "x_forwarded_for": "6.6.6.6",
            "X-Forwarded_User": "admin",
            "X_Forwarded-User": "admin",
            "Forwarded": "for=6.6.6.6;host=evil.example",
            "X-Real-IP": "6.6.6.6",
            "X_Real_IP": "6.6.6.6",
            "X-Request-Id": "of-somebody-else",
        }
        async with door.client.get(f"{door.url}/api/v1/users/me", headers=forged | headers) as answer:
            behind = {one.name: one for one in (door.web, door.device, door.apiserver)}
            received = behind[answer.headers["X-Answered-By"]].last.headers

        forwarding = {
            name.lower(): value
            for name, value in received.items()
            if any(word in name.lower() for word in ("forwarded", "real", "request-id"))
        }
        assert forwarding == {
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-host": f"localhost:{door.port}",
        }

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Device-Key": "k"},
            {"X-Provisioning-Key": "k"},
            {"Authorization": "Bearer dwd_x"},
            {"Authorization": "Bearer x"},
            {"User-Agent": "doorward-cli/1.0"},
        ],
        ids=str,
    )
    async def test_the_session_cookie_is_for_the_web_mode_agent_alone(
        self, door: Door, headers: dict[str, str]
    ) -> None:
        session = {"Cookie": "__Host-doorward_session=secret"}
        behind = {one.name: one for one in (door.web, door.device, door.apiserver)}
        async with door.client.get(f"{door.url}/api/v1/users/me", headers=session | headers) as answer:
            received = behind[answer.headers["X-Answered-By"]].last.headers
        async with door.client.get(f"{door.url}/openapi.json", headers=session):
            received_by_apiserver = door.apiserver.last.headers
        async with door.client.get(f"{door.url}/userinfo", headers=session):
            received_by_web = door.web.last.headers

        assert "Cookie" not in received
        assert "Cookie" not in received_by_apiserver
        assert received_by_web["Cookie"] == session["Cookie"]


class TestLimits:
    async def test_a_body_over_the_limit_is_refused(self, door: Door) -> None:
        async with door.client.post(f"{door.url}/api/upload", data=b"x" * 1_000_001) as answer:
            assert answer.status == 413

    async def test_a_body_within_the_limit_passes(self, door: Door) -> None:
        async with door.client.post(f"{door.url}/api/upload", data=b"x" * 1_000_000) as answer:
            assert await answer.text() == "1000000"

    async def test_the_cookies_of_many_tabs_pass_so_that_the_agent_can_drop_them(self, door: Door) -> None:
        answer = await ask(door, "/session", Cookie="c=" + "x" * 30_000)

        assert answer.status == 200

    async def test_a_huge_head_is_refused(self, door: Door) -> None:
        answer = await ask(door, "/", Cookie="c=" + "x" * 40_000)

        assert answer.status == 431


class TestStreams:
    @pytest.mark.parametrize("query", ["", "?sized"])
    async def test_what_comes_in_goes_out_at_once(self, door: Door, query: str) -> None:
        async with asyncio.timeout(10), door.client.get(f"{door.url}/api/stream{query}") as stream:
            first = await stream.content.readline()
            door.web.go_on.set()
            second = await stream.content.readline()

        assert (first, second) == (b"first\n", b"second\n")

    async def test_sockets_pass(self, door: Door) -> None:
        async with door.client.ws_connect(f"{door.url}/api/socket") as socket:
            await socket.send_str("hello")

            assert await socket.receive_str() == "web heard hello"

    async def test_a_client_that_leaves_a_silent_stream_is_noticed_behind(self, door: Door) -> None:
        """Otherwise each page that was closed would hold a connection of the agent and of the service."""
        async with door.client.get(f"{door.url}/api/stream") as stream:
            await stream.content.readline()
            assert door.web.open_streams == 1

        await until(lambda: door.web.open_streams == 0)

    async def test_a_stream_that_is_broken_off_behind_is_broken_off_in_front(self, door: Door) -> None:
        """So ends what a session held open when it is logged out."""
        async with asyncio.timeout(10), door.client.get(f"{door.url}/api/stream?broken") as stream:
            await stream.content.readline()
            door.web.go_on.set()
            with pytest.raises(ClientPayloadError):
                await stream.read()

    async def test_a_socket_that_is_broken_off_behind_is_broken_off_in_front(self, door: Door) -> None:
        async with asyncio.timeout(10), door.client.ws_connect(f"{door.url}/api/socket") as socket:
            await socket.send_str("break")
            end = await socket.receive()

        assert end.type in {WSMsgType.CLOSED, WSMsgType.ERROR}
        assert socket.close_code == WSCloseCode.ABNORMAL_CLOSURE

    async def test_a_reload_cuts_neither(self, tmp_path: Path) -> None:
        async with (
            asyncio.timeout(20),
            open_door(tmp_path) as door,
            door.client.ws_connect(f"{door.url}/api/socket") as socket,
            door.client.get(f"{door.url}/api/stream") as stream,
        ):
            await stream.content.readline()
            await door.reload()
            await socket.send_str("hello")
            door.web.go_on.set()

            assert await socket.receive_str() == "web heard hello"
            assert await stream.content.readline() == b"second\n"
            assert await who_answers(door, "/api/v1/users/me") == "web"


async def test_the_log_holds_no_secret(door: Door) -> None:
    await ask(
        door,
        "/login/end?code=secret-code&state=secret-state",
        Cookie="session=secret-cookie",
        Authorization="Basic secret-basic",
        Referer=f"{door.url}/login/end?code=secret-referer",
        X_Device_Key="",
    )
    await ask(
        door, "/api/v1/x", X_Device_Key="secret-device-key", X_Provisioning_Key="secret-provisioning-key"
    )
    await ask(door, "/api/v1/x", Authorization="Bearer dwr_secret-token")
    await ask(door, "/logout/secret-logout-path?x=1")
    await ask(door, "/assets/missing.js?token=secret-in-an-error")
    await ask(door, "/verify?code=secret-in-an-error", Cookie="session=secret-cookie")

    assert '"uri":"/login/end"' in door.log()
    assert "secret" not in door.log()


async def test_the_log_of_a_failing_agent_holds_no_secret(tmp_path: Path) -> None:
    async with open_door(tmp_path, BFF_WEB="127.0.0.1:1") as door:
        answer = await ask(door, "/login/end?code=secret-code", Cookie="session=secret-cookie")

        assert answer.status == 502
        assert answer.content_type == "application/problem+json"
        assert "connection refused" in door.log()
        assert "secret" not in door.log()


async def test_another_user_agent_may_open_the_command_lines_door(tmp_path: Path) -> None:
    async with open_door(tmp_path, CLI_USER_AGENT="acme cli/") as door:
        assert await who_answers(door, "/login/start", User_Agent="acme cli/3") == "device"
        assert await who_answers(door, "/login/start", User_Agent="doorward-cli/1") == "web"


async def test_over_tls_browsers_are_told_to_stay_there(tmp_path: Path) -> None:
    async with open_door(tmp_path, scheme="https") as door:
        answer = await _once_it_has_a_certificate(door, "/api/v1/users/me")

        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert door.web.last.headers["X-Forwarded-Proto"] == "https"


async def _once_it_has_a_certificate(door: Door, path: str) -> ClientResponse:
    """Caddy listens first and makes its certificate then: until it is there, handshakes are refused."""
    async with asyncio.timeout(15):
        while True:
            try:
                return await ask(door, path)
            except ClientConnectorSSLError:
                await asyncio.sleep(0.05)
