"""Machines and people as clients of the API: what they hold, what they send, what they get."""

import base64
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from multidict import CIMultiDictProxy
from yarl import URL

from apiserver.storage.contracts import Storage
from apiserver.tenants.tenants import DeviceApproval, Role
from tests.apiserver.made import MadeToken, make_tenant, make_token
from tests.apiserver.server import ApiServer
from tests.fakes.clock import FakeClock
from tests.fakes.hpke_opener import open_base
from tests.fakes.issuer import FakeIssuer

DEVICES = "/api/v1/devices"
MY_DEVICE = f"{DEVICES}/me"

_numbers = count(1)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code."""
        return self.status, self.body["code"]

    def device(self) -> dict[str, Any]:
        """The body of an answer that must have gone well."""
        assert self.status in {200, 201}, self.body
        return dict(self.body)


@dataclass(frozen=True)
class Machine:
    """It keeps its private key to itself."""

    private_key: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.private_key.public_key().public_bytes_raw()).decode()

    def opened(self, answer: Answer) -> str:
        """The device token that an answer holds sealed; raises what the opener raises."""
        body = answer.device()
        sealed = base64.urlsafe_b64decode(body["sealed_device_token"] + "==")
        info = f"doorward/device-token/v1|{body['id']}|{body['device_token_id']}".encode()
        return open_base(sealed, self.private_key.private_bytes_raw(), info).decode()


@dataclass(frozen=True)
class World:
    """One server, its provider, and a clock that moves on with each person and device token that is made."""

    server: ApiServer
    issuer: FakeIssuer
    clock: FakeClock

    @property
    def storage(self) -> Storage:
        return self.server.parts.storage

    async def call(
        self,
        method: str,
        path: str | URL,
        bearer: str | None,
        *,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        """`body` is `json` or `data`, as aiohttp's client takes them. Each call takes a millisecond."""
        self.clock.advance(milliseconds=1)
        sent = dict(headers or {})
        if bearer is not None:
            sent["Authorization"] = f"Bearer {bearer}"
        async with self.server.public.request(method, path, headers=sent, **body) as answer:
            content = await answer.json(content_type=None) if answer.status != 204 else None
            return Answer(answer.status, content, answer.headers)

    async def person(self) -> "Person":
        """Somebody new."""
        subject = f"person-{next(_numbers)}"
        me = await self.server.me(self.issuer.access_token(subject))
        return Person(self, subject, me["id"], me["personal_tenant_id"])

    async def tenant(self, approval: DeviceApproval = DeviceApproval.AUTOMATIC, /, **roles: "Person") -> str:
        """A tenant in which each role is somebody's: `owner=alice, viewer=bob`."""
        members = {person.id: Role(role) for role, person in roles.items()}
        return await make_tenant(self.storage, self.clock.now(), approval=approval, members=members)


@dataclass(frozen=True)
class Person:
    world: World
    subject: str
    id: str
    tenant_id: str
    """The personal one."""

    def bearer(self, **claims: Any) -> str:
        return self.world.issuer.access_token(self.subject, **claims)

    async def call(self, method: str, path: str | URL, **body: Any) -> Answer:
        return await self.world.call(method, path, self.bearer(), **body)

    async def register(
        self, machine: Machine | None = None, *, key: str | None = None, **said: Any
    ) -> Answer:
        """As a signed-in user. `key` is an Idempotency-Key."""
        return await register(self.world, self.bearer(), machine, key=key, **said)

    async def token(self, tenant_id: str | None = None, **fields: Any) -> "Token":
        """A registration token of this person."""
        storage, now = self.world.storage, self.world.clock.now()
        made = await make_token(storage, tenant_id or self.tenant_id, self.id, now, **fields)
        return Token(self.world, made)

    async def device(self, device_id: str) -> dict[str, Any]:
        """What this person is told of a device."""
        return (await self.call("GET", f"{DEVICES}/{device_id}")).device()

    async def do(self, deed: str, device_id: str) -> Answer:
        return await self.call("POST", f"{DEVICES}/{device_id}/{deed}")

    async def devices(self, **query: Any) -> list[dict[str, Any]]:
        """The first page of a list."""
        answer = await self.call("GET", DEVICES, params=query)
        assert answer.status == 200, answer.body
        return list(answer.body["items"])


@dataclass(frozen=True)
class Token:
    """A registration token in somebody's hands."""

    world: World
    made: MadeToken

    async def register(
        self, machine: Machine | None = None, *, key: str | None = None, **said: Any
    ) -> Answer:
        """`key` is an Idempotency-Key."""
        return await register(self.world, self.made.secret, machine, key=key, **said)

    async def uses(self) -> int:
        token_id = self.made.id
        token = await self.world.storage.read(lambda view: view.registration_tokens.by_id(token_id))
        assert token is not None
        return token.uses


async def register(
    world: World, bearer: str, machine: Machine | None = None, *, key: str | None = None, **said: Any
) -> Answer:
    """`POST /devices`; `said` goes into the body beside the name `web` and the machine's key."""
    body: dict[str, Any] = {"name": "web"}
    if machine is not None:
        body["public_key"] = machine.public_key
    headers = {} if key is None else {"Idempotency-Key": key}
    return await world.call("POST", DEVICES, bearer, json=body | said, headers=headers)


async def my_device(world: World, device_token: str) -> Answer:
    """What a device is told of itself, which is also the first use of a new token."""
    return await world.call("GET", MY_DEVICE, device_token)
