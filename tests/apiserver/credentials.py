"""Everybody who has a credential of ours, and what they do with it at the exchange and at the edge."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientResponse
from yarl import URL

from apiserver.devices.device import DeviceId, DeviceState
from apiserver.exchange.token import GRANT_TYPE
from apiserver.storage.contracts import Transaction
from common.clock import Clock
from tests.apiserver.callers import Caller, Reply, holder, user
from tests.apiserver.server import ApiServer
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

PUBLIC_URL = "https://door.example.com"
AUDIENCES = "doorward-api,reports"
SETTINGS = {"PUBLIC_URL": PUBLIC_URL, "TOKEN_AUDIENCES": AUDIENCES}


@dataclass(frozen=True)
class Office:
    """A tenant of alice's with a registration token, a device that joined by it, and a service token."""

    server: ApiServer
    issuer: FakeIssuer
    clock: FakeClock
    alice: Caller
    tenant_id: str
    owner_id: str
    registration: Mapping[str, Any]
    device: Mapping[str, Any]
    service: Mapping[str, Any]

    def secret(self, kind: str) -> str:
        return {
            "device": str(self.device["device_token"]),
            "registration": str(self.registration["token"]),
            "service": str(self.service["token"]),
        }[kind]

    async def exchange(self, secret: str, /, *, behind: str = "", **form: Any) -> Reply:
        """`behind` is put behind the form as it is; a parameter of None is left out."""
        usual = {
            "grant_type": GRANT_TYPE,
            "subject_token": secret,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
        sent = {name: value for name, value in (usual | form).items() if value is not None}
        return await self.send(urlencode(sent) + behind)

    async def send(self, body: str | bytes, path: str = "/api/v1/token", **headers: str) -> Reply:
        """A form as it is written."""
        usual = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.server.public.post(path, data=body, headers=usual | headers)
        return await reply_of(answer)

    async def jwt(self, kind: str = "device", **form: str) -> str:
        """What the exchange gives for the credential of this kind."""
        reply = await self.exchange(self.secret(kind), **form)
        assert reply.status == 200, reply.text
        return str(reply.body["access_token"])

    async def introspect(self, token: str, *, by: str | None = None, **form: str) -> Any:
        """What the service of the office is told."""
        sent = {"token": token, **form}
        headers = {"Authorization": f"Bearer {by or self.secret('service')}"}
        answer = await self.server.public.post("/api/v1/introspect", data=sent, headers=headers)
        assert answer.status == 200, await answer.text()
        return await answer.json()

    async def authz(
        self,
        bearer: str | None = None,
        path: str | URL = "/authz/shop/x?y=1",
        method: str = "GET",
        **headers: str,
    ) -> ClientResponse:
        """What a proxy hears; `headers` with underscores for dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer is not None:
            sent["Authorization"] = f"Bearer {bearer}"
        return await self.server.private.request(method, path, headers=sent, allow_redirects=False)

    async def me(self, bearer: str) -> Reply:
        return await holder(self.server, bearer).call("GET", "/devices/me")

    async def let_device_expire(self, *, in_: timedelta) -> None:
        """No operation sets this yet: a device that ends at a time."""

        async def change(transaction: Transaction) -> None:
            device = await transaction.devices.locked(DeviceId(self.device["id"]))
            assert device is not None
            later = replace(device, expires_at=self.clock.now() + in_, version=device.version + 1)
            await transaction.devices.update(later, former_version=device.version)

        await self.server.parts.storage.write(change)

    async def let_device_wait(self) -> None:
        """As one that nobody has approved."""

        async def change(transaction: Transaction) -> None:
            device = await transaction.devices.locked(DeviceId(self.device["id"]))
            assert device is not None
            later = replace(device, state=DeviceState.PENDING, version=device.version + 1)
            await transaction.devices.update(later, former_version=device.version)

        await self.server.parts.storage.write(change)

    async def revoke_registration(self) -> None:
        path = f"/registration-tokens/{self.registration['id']}/revoke"
        await self.alice.done("POST", path, {"devices": "keep"})

    async def keys(self) -> list[dict[str, Any]]:
        """What is published."""
        answer = await self.server.public.get("/.well-known/jwks.json")
        return list((await answer.json())["keys"])

    async def rotate(self, **body: bool) -> ClientResponse:
        return await self.server.private.post("/signing-keys/rotate", json=body)


async def office(server: ApiServer, issuer: FakeIssuer, clock: FakeClock) -> Office:
    alice = user(server, issuer, "alice")
    me = await alice.done("GET", "/users/me")
    tenant_id = me["personal_tenant_id"]
    registration = await alice.done(
        "POST", "/registration-tokens", {"label": "lab", "taints": ["lab", "edge"]}
    )
    device = await holder(server, registration["token"]).done("POST", "/devices", {"name": "web"})
    service = await a_service(alice, clock, tenant_id, "tokens:introspect", "devices:read")
    return Office(server, issuer, clock, alice, tenant_id, me["id"], registration, device, service)


async def a_service(alice: Caller, clock: Clock, tenant_id: str, *scopes: str) -> dict[str, Any]:
    body = {
        "tenant_id": tenant_id,
        "label": "reports",
        "scopes": list(scopes),
        "expires_at": (clock.now() + timedelta(days=30)).isoformat(),
    }
    return dict(await alice.done("POST", "/service-tokens", body))


def header_of(token: str) -> dict[str, Any]:
    return _part(token, 0)


def claims_of(token: str) -> dict[str, Any]:
    return _part(token, 1)


async def reply_of(answer: ClientResponse) -> Reply:
    text = await answer.text()
    return Reply(answer.status, answer.headers, text, json.loads(text) if text else None)


def _part(token: str, number: int) -> dict[str, Any]:
    part = token.split(".")[number]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
