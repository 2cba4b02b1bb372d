"""deploy/examples/verifying_service.py behind Caddy: it knows only keys, issuers and its audience."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio

from deploy.demo.crew import Crew
from deploy.demo.parts import AUDIENCE, Part
from deploy.testing.parts import ROOT
from tests.deploy.caddy_door import STARTED_WITHIN_S, free_port, listening
from tests.deploy.proxies.callers import SCRIPT, client_of, new_device, signed_in
from tests.deploy.proxies.edges import Edge, by_caddy, run_edge
from tests.deploy.proxies.ground import SERVICE_AUDIENCE, Ground
from tests.fakes.issuer import FakeIssuer

pytestmark = [pytest.mark.caddy, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def example(ground: Ground) -> AsyncIterator[str]:
    """Its address."""
    port, wiring = free_port(), ground.wiring
    address = f"127.0.0.1:{port}"
    issuers = {
        wiring.issuer: wiring.issuer_keys,
        wiring.public_url: f"{wiring.public_url}/.well-known/jwks.json",
    }
    settings = {
        "ISSUERS": " ".join(f"{issuer}={keys}" for issuer, keys in issuers.items()),
        "AUDIENCE": f"{AUDIENCE},{SERVICE_AUDIENCE}",
        "LISTEN": address,
    }
    script = ROOT / "deploy" / "examples" / "verifying_service.py"
    crew = Crew(ground.folder, ground.tasks)
    await crew.start(Part("example", (sys.executable, str(script)), settings, "", ""))
    async with asyncio.timeout(STARTED_WITHIN_S):
        await listening(port)
    yield address
    await crew.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def door(ground: Ground, example: str) -> AsyncIterator[Edge]:
    async with run_edge(by_caddy, ground, replace(ground.wiring, service=example)) as edge:
        yield edge


async def test_it_sees_which_user_calls(door: Edge) -> None:
    async with signed_in(door, door.ground.alice) as browser:
        told = await browser.get("/anything", headers=SCRIPT)
        user = await browser.get("/userinfo", headers=SCRIPT)

    assert told.json()["kind"] == "user"
    assert told.json()["sub"] == user.json()["sub"]


async def test_it_sees_which_device_calls_and_whose_it_is(door: Edge) -> None:
    device = await new_device(door)
    async with client_of(door) as client:
        answer = await client.get("/anything", headers={"Authorization": f"Bearer {device.token}"})

    assert answer.json() == {
        "kind": "device",
        "sub": f"device:{device.id}",
        "owner": device.owner,
        "user": device.user,
        "tenant": device.tenant,
        "taints": [],
        "scope": None,
    }


@pytest.mark.parametrize("fault", ["signed by somebody else", "no JWT", "nothing", "of a strange issuer"])
async def test_whoever_goes_round_the_door_needs_a_jwt_of_ours(door: Edge, example: str, fault: str) -> None:
    async with FakeIssuer.start() as stranger, httpx.AsyncClient(trust_env=False, verify=False) as client:
        shown = {
            "signed by somebody else": stranger.access_token(iss=door.ground.wiring.issuer),
            "of a strange issuer": stranger.access_token(),
            "no JWT": "dwd_abc",
            "nothing": ".",
        }[fault]
        answer = await client.get(f"http://{example}/", headers={"Authorization": f"Bearer {shown}"})

    assert answer.status_code == 401
