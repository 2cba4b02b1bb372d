"""`POST /api/v1/registration-tokens/{id}/revoke`: the token, its devices, and what they notice at once."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from apiserver.app import build_app
from apiserver.settings import read_settings
from apiserver.storage.contracts import Storage, Work
from tests.apiserver.callers import Caller, Reply, holder, user
from tests.apiserver.server import ApiServer, RealRunner, environment
from tests.fakes.issuer import FakeIssuer

T = TypeVar("T")
TOKENS = "/registration-tokens"
DEVICES = "/devices"


async def make(caller: Caller, **fields: Any) -> dict[str, Any]:
    return dict(await caller.done("POST", TOKENS, {"label": "lab", **fields}))


async def register(server: ApiServer, made: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    return dict(await holder(server, made["token"]).done("POST", DEVICES, {"name": name, **fields}))


async def revoke(caller: Caller, made: dict[str, Any], choice: str, *, dry_run: bool = False) -> Reply:
    return await caller.call("POST", f"{TOKENS}/{made['id']}/revoke", {"devices": choice, "dry_run": dry_run})


async def me(server: ApiServer, device: dict[str, Any]) -> Reply:
    return await holder(server, device["device_token"]).call("GET", f"{DEVICES}/me")


async def test_a_revoked_token_lets_nobody_join_and_is_told_why(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)

    reply = await revoke(alice, made, "keep")
    refused = await holder(server, made["token"]).call("POST", DEVICES, {"name": "web"})

    assert reply.body == {
        "id": made["id"],
        "state": "revoked",
        "dry_run": False,
        "devices": {"choice": "keep", "count": 0},
    }
    assert refused.refusal == (401, "registration_token_revoked")


@pytest.mark.parametrize(
    ("choice", "noticed"),
    [("keep", (200, None)), ("suspend", (403, "device_suspended")), ("revoke", (401, "device_revoked"))],
)
async def test_devices_notice_what_was_chosen_at_once(
    server: ApiServer, alice: Caller, choice: str, noticed: tuple[int, str | None]
) -> None:
    """The clock stands still: nothing is waited for."""
    made, other = await make(alice), await make(alice)
    devices = [await register(server, made, name) for name in ("a", "b")]
    bystander = await register(server, other, "c")
    assert [(await me(server, device)).status for device in devices] == [200, 200]

    reply = await revoke(alice, made, choice)

    assert reply.body["devices"] == {"choice": choice, "count": 2}
    assert [(await me(server, device)).refusal for device in devices] == [noticed] * 2
    assert (await me(server, bystander)).status == 200


@pytest.mark.parametrize("choice", ["keep", "suspend", "revoke"])
async def test_a_dry_run_tells_what_a_real_run_does_and_does_nothing(
    server: ApiServer, alice: Caller, choice: str
) -> None:
    """Of four devices one is revoked and one suspended already."""
    made = await make(alice)
    devices = [await register(server, made, name) for name in ("a", "b", "c", "d")]
    await alice.done("POST", f"{DEVICES}/{devices[0]['id']}/revoke")
    await alice.done("POST", f"{DEVICES}/{devices[1]['id']}/suspend")

    dry = await revoke(alice, made, choice, dry_run=True)
    noticed = [(await me(server, device)).status for device in devices]
    state = (await alice.done("GET", f"{TOKENS}/{made['id']}"))["state"]
    real = await revoke(alice, made, choice)

    assert (dry.body["dry_run"], dry.body["state"], state) == (True, "active", "active")
    assert noticed == [401, 403, 200, 200]
    assert dry.body["devices"] == real.body["devices"]
    assert real.body["devices"]["count"] == (2 if choice == "suspend" else 3)


async def test_a_stronger_choice_may_follow(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)
    device = await register(server, made, "web")
    noticed = []
    for choice in ("keep", "suspend", "revoke"):
        reply = await revoke(alice, made, choice)
        noticed.append((reply.body["devices"]["count"], (await me(server, device)).status))

    assert noticed == [(1, 200), (1, 403), (1, 401)]


async def test_revoking_again_keeps_the_first_time_and_finds_nothing_left(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice)
    await register(server, made, "web")
    await revoke(alice, made, "revoke")
    first = await alice.call("GET", f"{TOKENS}/{made['id']}")

    again = await revoke(alice, made, "revoke")

    assert again.body["devices"] == {"choice": "revoke", "count": 0}
    after = await alice.call("GET", f"{TOKENS}/{made['id']}")
    assert (after.body, after.headers["ETag"]) == (first.body, first.headers["ETag"])


async def test_devices_say_why_they_ended_and_whose_they_were(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)
    device = await register(server, made, "web")
    await revoke(alice, made, "revoke")

    listed = await alice.done("GET", f"{DEVICES}?registration_token_id={made['id']}&state=revoked")

    (found,) = listed["items"]
    assert found["id"] == device["id"]
    assert found["state_reason"] == "registration_token_revoked"


async def test_the_devices_of_a_token_are_listed(server: ApiServer, alice: Caller) -> None:
    made, other = await make(alice), await make(alice)
    await register(server, other, "c")
    names = {(await register(server, made, name))["name"] for name in ("a", "b")}

    listed = await alice.done("GET", f"{DEVICES}?registration_token_id={made['id']}")

    assert {device["name"] for device in listed["items"]} == names


async def test_a_device_with_a_key_does_not_come_again_with_a_revoked_token(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice)
    key = base64.b64encode(bytes([9, *[7] * 31])).decode()
    await register(server, made, "web", public_key=key)
    await revoke(alice, made, "keep")

    again = await holder(server, made["token"]).call("POST", DEVICES, {"name": "web", "public_key": key})

    assert again.refusal == (401, "registration_token_revoked")


@pytest.mark.parametrize(
    "body", [{}, {"devices": "delete"}, {"devices": None}, {"devices": ["keep"]}], ids=str
)
async def test_what_becomes_of_the_devices_must_be_said(alice: Caller, body: dict[str, Any]) -> None:
    made = await make(alice)

    reply = await alice.call("POST", f"{TOKENS}/{made['id']}/revoke", body)

    assert reply.refusal == (422, "invalid_body")
    assert (await alice.done("GET", f"{TOKENS}/{made['id']}"))["state"] == "active"


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("choice", ["suspend", "revoke"])
async def test_a_scope_for_tokens_alone_does_nothing_to_devices(
    server: ApiServer, issuer: FakeIssuer, alice: Caller, choice: str, dry_run: bool
) -> None:
    made = await make(alice)
    device = await register(server, made, "web")
    narrowed = user(server, issuer, "alice", scope="tokens:write")

    refused = await revoke(narrowed, made, choice, dry_run=dry_run)

    assert refused.refusal == (403, "insufficient_scope")
    assert 'scope="devices:write"' in refused.headers["WWW-Authenticate"]
    assert (await alice.done("GET", f"{TOKENS}/{made['id']}"))["state"] == "active"
    assert (await me(server, device)).status == 200


@pytest.mark.parametrize(
    ("scope", "choice", "status"),
    [
        ("tokens:write", "keep", 200),
        ("tokens:write devices:write", "suspend", 200),
        ("tokens:write devices:write", "revoke", 200),
        ("devices:write", "revoke", 403),
    ],
)
async def test_scopes_that_suffice_to_revoke(
    server: ApiServer, issuer: FakeIssuer, alice: Caller, scope: str, choice: str, status: int
) -> None:
    made = await make(alice)
    narrowed = user(server, issuer, "alice", scope=scope)

    assert (await revoke(narrowed, made, choice)).status == status


class GatedStorage:
    """A storage whose writes wait at a gate; `arrived` says that one does."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.arrived, self.gate = asyncio.Event(), asyncio.Event()
        self.read, self.ping = storage.read, storage.ping

    async def write(self, work: Work[T]) -> T:
        self.arrived.set()
        await self.gate.wait()
        return await self._storage.write(work)


@asynccontextmanager
async def gated_server(
    server: ApiServer, issuer: FakeIssuer, database: Path, storage: GatedStorage
) -> AsyncIterator[ApiServer]:
    parts = replace(server.parts, storage=storage, registry=CollectorRegistry())
    settings, _ = read_settings(environment(issuer.url, database))
    async with TestClient(RealRunner(build_app(settings, parts))) as public:
        yield ApiServer(public, server.private, parts)


async def test_a_token_that_is_revoked_while_a_device_registers_spends_nothing(
    server: ApiServer, alice: Caller, issuer: FakeIssuer, database: Path
) -> None:
    """The secret was taken at the door, and the token revoked before the device is written."""
    made = await make(alice, max_uses=1)
    storage = GatedStorage(server.parts.storage)
    async with gated_server(server, issuer, database, storage) as gated, asyncio.TaskGroup() as group:
        late = group.create_task(holder(gated, made["token"]).call("POST", DEVICES, {"name": "web"}))
        await storage.arrived.wait()
        await revoke(alice, made, "revoke")
        storage.gate.set()
        reply = await late

    assert reply.refusal == (401, "registration_token_revoked")
    assert (await alice.done("GET", f"{TOKENS}/{made['id']}"))["uses"] == 0
    assert (await alice.done("GET", f"{DEVICES}?registration_token_id={made['id']}"))["items"] == []
