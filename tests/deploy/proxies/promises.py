"""What every proxy does for people and devices, with the real agent and apiserver behind it."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession

from common.identity import IDENTITY_HEADERS
from tests.deploy.proxies.callers import (
    FORGED,
    SCRIPT,
    client_of,
    cookies_of,
    new_device,
    signed_in,
)
from tests.deploy.proxies.edges import Edge
from tests.deploy.proxies.ground import SERVICE_AUDIENCE
from tests.fakes.backend import Seen

LONGEST_LIFETIME = timedelta(minutes=5)


def the_one(edge: Edge) -> Seen:
    (seen,) = edge.ground.service.seen
    return seen


def identity(seen: Seen) -> dict[str, str]:
    """What the service is told beside the JWT; empty where nothing is."""
    return {name: ",".join(seen.values(name)) for name in IDENTITY_HEADERS[1:]}


async def verified(seen: Seen, jwks_url: str, audience: str, issuer: str) -> dict[str, Any]:
    """The claims of the JWT that the service got, as it would verify it itself."""
    (authorization,) = seen.values("Authorization")
    token = authorization.removeprefix("Bearer ")
    key = await asyncio.to_thread(jwt.PyJWKClient(jwks_url).get_signing_key_from_jwt, token)
    return jwt.decode(token, key, ["ES256", "EdDSA"], audience=audience, issuer=issuer)


class People:
    async def test_a_cookie_becomes_the_users_jwt(self, edge: Edge) -> None:
        wiring = edge.ground.wiring
        async with signed_in(edge, edge.ground.alice) as browser:
            answer = await browser.get("/reports/7?page=2", headers=SCRIPT)

        assert answer.status_code == 200
        seen = the_one(edge)
        claims = await verified(seen, wiring.issuer_keys, "doorward-api", wiring.issuer)
        assert claims["email"] == edge.ground.alice.email
        told = identity(seen)
        assert (told["X-Auth-Kind"], told["X-User"], told["X-Auth-Subject"]) == (
            "user",
            claims["sub"],
            claims["sub"],
        )
        assert seen.values("Cookie") == []
        assert seen.target == "/reports/7?page=2"

    async def test_a_browser_that_tells_little_is_sent_to_the_login_as_well(self, edge: Edge) -> None:
        async with client_of(edge) as client:
            answer = await client.get("/reports?x=1&y=2", headers={"Accept": "text/html"})

        assert answer.status_code == 302
        assert answer.headers["Location"] == f"{edge.url}/login/start?redirect=/reports%3Fx%3D1%26y%3D2"

    async def test_a_script_without_a_login_reads_a_401(self, edge: Edge) -> None:
        async with client_of(edge) as client:
            answer = await client.get("/reports", headers=SCRIPT)

        assert answer.status_code == 401
        assert edge.ground.service.seen == []

    @pytest.mark.parametrize("method", ["GET", "OPTIONS"])
    async def test_on_an_open_route_nobody_is_nobody_whatever_they_say(self, edge: Edge, method: str) -> None:
        async with client_of(edge) as client:
            answer = await client.request(method, "/open", headers=[*FORGED, *SCRIPT.items()])

        assert answer.status_code == 200
        seen = the_one(edge)
        assert not any(identity(seen).values())
        assert not any(seen.values("Authorization"))
        assert "forged" not in str(seen.headers)

    async def test_who_is_signed_in_cannot_say_to_be_somebody_else(self, edge: Edge) -> None:
        async with signed_in(edge, edge.ground.alice) as browser:
            answer = await browser.get("/open", headers=[*FORGED, *SCRIPT.items()])

        assert answer.status_code == 200
        assert identity(the_one(edge))["X-Auth-Kind"] == "user"
        assert "forged" not in str(the_one(edge).headers)

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"X-CSRF": "1"}, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "https://evil.example", "X-CSRF": "1"}, 403),
            ({"X-Forwarded-Method": "GET"}, 403),
        ],
        ids=str,
    )
    async def test_a_write_needs_to_come_from_a_page_of_this_site(
        self, edge: Edge, headers: dict[str, str], status: int
    ) -> None:
        async with signed_in(edge, edge.ground.alice) as browser:
            answer = await browser.post("/reports", headers=headers, content=b"x=1")

        assert answer.status_code == status
        assert [seen.body for seen in edge.ground.service.seen] == ([b"x=1"] if status == 200 else [])

    @pytest.mark.parametrize(("origin", "passes"), [("", True), ("https://evil.example", False)], ids=str)
    async def test_a_websocket_opens_from_a_page_of_this_site_alone(
        self, edge: Edge, origin: str, passes: bool
    ) -> None:
        handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        handshake |= {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Origin": origin or edge.url}
        async with signed_in(edge, edge.ground.alice) as browser:
            answer = await browser.get("/live", headers=handshake)

        assert answer.status_code == (200 if passes else 403)
        assert len(edge.ground.service.seen) == (1 if passes else 0)

    async def test_a_websocket_carries_messages_both_ways(self, edge: Edge) -> None:
        async with signed_in(edge, edge.ground.alice) as browser:
            headers = {"Cookie": cookies_of(browser), "Origin": edge.url}
        async with (
            ClientSession() as client,
            client.ws_connect(f"{edge.url}/a/socket", headers=headers) as socket,
        ):
            await socket.send_str("hello")
            heard = await socket.receive_str(timeout=5)

        assert heard == "hello"
        assert identity(the_one(edge))["X-Auth-Kind"] == "user"

    async def test_events_arrive_as_they_are_sent(self, edge: Edge) -> None:
        async with (
            asyncio.timeout(5),
            signed_in(edge, edge.ground.alice) as browser,
            browser.stream("GET", "/a/stream", headers=SCRIPT) as answer,
        ):
            first = await anext(answer.aiter_text())

        assert first.startswith("data:")

    async def test_after_the_logout_nothing_passes(self, edge: Edge) -> None:
        async with signed_in(edge, edge.ground.alice) as browser:
            cookies = cookies_of(browser)
            assert (await browser.post("/logout", headers=SCRIPT)).status_code == 200
            answer = await browser.get("/reports", headers=SCRIPT | {"Cookie": cookies})

        assert answer.status_code == 401
        assert edge.ground.service.seen == []

    async def test_the_agents_own_pages_answer_without_a_check(self, edge: Edge) -> None:
        async with signed_in(edge, edge.ground.bob) as browser:
            user = await browser.get("/userinfo", headers=SCRIPT)
            me = await browser.get("/api/v1/users/me", headers=SCRIPT)

        assert user.json()["email"] == edge.ground.bob.email
        assert me.status_code == 200
        assert edge.ground.service.seen == []

    async def test_command_lines_are_told_where_to_log_in(self, edge: Edge) -> None:
        async with client_of(edge) as client:
            answer = await client.get("/login/start", headers={"User-Agent": "doorward-cli/1.0"})

        assert answer.json()["client_id"] == "doorward-cli"

    async def test_public_documents_are_public(self, edge: Edge) -> None:
        async with client_of(edge) as client:
            answer = await client.get("/openapi.json")

        assert answer.status_code == 200
        assert answer.json()["openapi"].startswith("3.1")


class Devices:
    async def _claims(self, edge: Edge) -> dict[str, Any]:
        url = edge.ground.wiring.public_url
        return await verified(the_one(edge), f"{url}/.well-known/jwks.json", SERVICE_AUDIENCE, url)

    @pytest.mark.parametrize("header", ["Authorization", "X-Device-Key"])
    async def test_a_device_token_becomes_a_short_jwt(self, edge: Edge, header: str) -> None:
        device = await new_device(edge)
        shown = {header: f"Bearer {device.token}" if header == "Authorization" else device.token}
        async with client_of(edge) as client:
            answer = await client.post("/measurements", headers=shown, content=b"21.5")

        assert answer.status_code == 200
        claims = await self._claims(edge)
        assert (claims["kind"], claims["sub"]) == ("device", f"device:{device.id}")
        assert (claims["owner"], claims["tenant"]) == (device.owner, device.tenant)
        assert claims["exp"] - claims["iat"] <= LONGEST_LIFETIME.total_seconds()
        told = identity(the_one(edge))
        assert (told["X-Auth-Kind"], told["X-User"]) == ("device", device.user)
        assert (told["X-Auth-Subject"], told["X-Auth-Tenant"]) == (claims["sub"], device.tenant)
        assert device.token not in str(the_one(edge).headers)

    @pytest.mark.parametrize("header", ["Authorization", "X-Provisioning-Key"])
    async def test_a_registration_token_becomes_a_short_jwt(self, edge: Edge, header: str) -> None:
        device = await new_device(edge)
        token = device.registration_token
        shown = {header: f"Bearer {token}" if header == "Authorization" else token}
        async with client_of(edge) as client:
            answer = await client.get("/inventory", headers=shown)

        assert answer.status_code == 200
        claims = await self._claims(edge)
        assert claims["kind"] == "registration"
        assert claims["sub"].startswith("registration-token:rgt_")
        assert token not in str(the_one(edge).headers)

    async def test_a_users_own_jwt_goes_on_as_it_is(self, edge: Edge) -> None:
        async with signed_in(edge, edge.ground.alice) as browser:
            await browser.get("/reports", headers=SCRIPT)
        (authorization,) = the_one(edge).values("Authorization")
        edge.ground.service.seen.clear()

        async with client_of(edge) as client:
            answer = await client.get("/reports", headers={"Authorization": authorization})

        assert answer.status_code == 200
        assert the_one(edge).values("Authorization") == [authorization]
        assert identity(the_one(edge))["X-Auth-Kind"] == "user"

    async def test_a_revoked_device_is_refused_at_once(self, edge: Edge) -> None:
        device = await new_device(edge)
        shown = {"Authorization": f"Bearer {device.token}"}
        async with client_of(edge) as client:
            assert (await client.get("/measurements", headers=shown)).status_code == 200
            await device.revoke()
            async with asyncio.timeout(1):
                answer = await client.get("/measurements", headers=shown)

        assert answer.status_code == 401
        assert len(edge.ground.service.seen) == 1

    @pytest.mark.parametrize(
        "shown",
        [
            {"Authorization": "Bearer dwd_abc"},
            {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
            {"Authorization": "Bearer"},
            {"X-Device-Key": "dwr_abc"},
            {"X-Provisioning-Key": "abc"},
        ],
        ids=str,
    )
    async def test_what_is_no_credential_is_refused(self, edge: Edge, shown: dict[str, str]) -> None:
        async with client_of(edge) as client:
            answer = await client.get("/measurements", headers=shown)

        assert answer.status_code == 401
        assert edge.ground.service.seen == []

    async def test_two_credentials_at_once_are_refused(self, edge: Edge) -> None:
        device = await new_device(edge)
        shown = {"Authorization": f"Bearer {device.token}", "X-Device-Key": device.token}
        async with client_of(edge) as client:
            answer = await client.get("/measurements", headers=shown)

        assert answer.status_code == 401
        assert edge.ground.service.seen == []

    async def test_a_device_cannot_say_to_be_somebody_else(self, edge: Edge) -> None:
        device = await new_device(edge)
        headers = [*FORGED, ("Authorization", f"Bearer {device.token}")]
        async with client_of(edge) as client:
            answer = await client.get("/measurements", headers=headers)

        assert answer.status_code == 200
        assert identity(the_one(edge))["X-User"] == device.user
        assert "forged" not in str(the_one(edge).headers)

    async def test_a_device_registers_and_reads_itself_through_the_door(self, edge: Edge) -> None:
        token = (await new_device(edge)).registration_token
        async with client_of(edge) as client:
            made = await client.post(
                "/api/v1/devices",
                headers={"Authorization": f"Bearer {token}"},
                json={"name": "through-the-door"},
            )
            me = await client.get(
                "/api/v1/devices/me", headers={"Authorization": f"Bearer {made.json()['device_token']}"}
            )

        assert made.status_code == 201, made.text
        assert me.json()["id"] == made.json()["id"]

    async def test_a_device_takes_a_new_token_through_the_door(self, edge: Edge) -> None:
        """Its old one must arrive as it is: none is given for a JWT."""
        device = await new_device(edge)
        async with client_of(edge) as client:
            rotated = await client.post(
                "/api/v1/devices/me/rotate-token", headers={"Authorization": f"Bearer {device.token}"}
            )

        assert rotated.status_code == 200, rotated.text
        assert rotated.json()["device_token"] != device.token
