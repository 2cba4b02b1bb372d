"""Envoy counts what the JWT says: per user, per device inside its owner's limit, per tenant."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from deploy.demo.parts import Part
from tests.deploy.caddy_door import free_port
from tests.deploy.proxies.callers import SCRIPT, Device, client_of, cookies_of, new_device, signed_in
from tests.deploy.proxies.checker import Checker, run_checker
from tests.deploy.proxies.edges import Edge, Make, by_envoy, run_edge
from tests.deploy.proxies.ground import Ground, Wiring
from tests.fakes.issuer import FakeIssuer
from tests.fakes.providers import ProviderUser

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="session")]

PER_USER, PER_DEVICE, PER_TENANT = 5, 3, 7
# So few a second that none comes back while a test runs.
FEW = {
    "max_tokens: 200, tokens_per_fill: 50, fill_interval: 1s } # per user": (
        f"max_tokens: {PER_USER}, tokens_per_fill: 1, fill_interval: 3600s }} # per user"
    ),
    "max_tokens: 50, tokens_per_fill: 10, fill_interval: 1s } # per device": (
        f"max_tokens: {PER_DEVICE}, tokens_per_fill: 1, fill_interval: 7200s }}"
    ),
    "max_tokens: 2000, tokens_per_fill: 500, fill_interval: 1s } # per tenant": (
        f"max_tokens: {PER_TENANT}, tokens_per_fill: 1, fill_interval: 1800s }}"
    ),
}


def few(wiring: Wiring, folder: Path) -> Part:
    return by_envoy(wiring, folder, FEW)


@pytest.fixture(scope="module")
def make() -> Make:
    return by_envoy


@pytest_asyncio.fixture(loop_scope="session")
async def limited(ground: Ground) -> AsyncIterator[Edge]:
    """An Envoy with full buckets at another address; who comes to it has signed in at `edge`."""
    async with run_edge(few, ground, replace(ground.wiring, port=free_port())) as edge:
        yield edge


async def user_at(edge: Edge, user: ProviderUser) -> dict[str, str]:
    async with signed_in(edge, user) as browser:
        return SCRIPT | {"Cookie": cookies_of(browser)}


def as_device(device: Device) -> dict[str, str]:
    return {"Authorization": f"Bearer {device.token}"}


async def statuses(edge: Edge, headers: dict[str, str], times: int) -> list[int]:
    return [answer.status_code for answer in await answers(edge, headers, times)]


async def answers(edge: Edge, headers: dict[str, str], times: int) -> list[httpx.Response]:
    async with client_of(edge) as client:
        return [await client.get("/reports", headers=headers) for _ in range(times)]


async def test_a_user_over_the_limit_waits_while_another_is_free(edge: Edge, limited: Edge) -> None:
    alice, bob = await user_at(edge, edge.ground.alice), await user_at(edge, edge.ground.bob)

    assert await statuses(limited, alice, PER_USER + 2) == [200] * PER_USER + [429] * 2
    assert await statuses(limited, bob, 2) == [200] * 2
    assert len(limited.ground.service.seen) == PER_USER + 2


async def test_all_sessions_of_a_user_count_together(edge: Edge, limited: Edge) -> None:
    here, there = await user_at(edge, edge.ground.alice), await user_at(edge, edge.ground.alice)

    assert await statuses(limited, here, PER_USER) == [200] * PER_USER
    assert await statuses(limited, there, 1) == [429]


async def test_who_is_over_the_limit_is_told_when_to_come_again(edge: Edge, limited: Edge) -> None:
    alice = await user_at(edge, edge.ground.alice)

    first, *_, last = await answers(limited, alice, PER_USER + 1)

    assert first.headers["X-RateLimit-Remaining"] == str(PER_USER - 1)
    assert last.headers["X-RateLimit-Remaining"] == "0"
    assert last.headers["Retry-After"] == "1"


async def test_a_device_has_a_limit_of_its_own(edge: Edge, limited: Edge) -> None:
    noisy, quiet = await new_device(edge), await new_device(edge)

    assert await statuses(limited, as_device(noisy), PER_DEVICE + 10) == [200] * PER_DEVICE + [429] * 10
    # What was refused took nothing from the others of the same owner.
    assert await statuses(limited, as_device(quiet), PER_USER - PER_DEVICE) == [200] * (PER_USER - PER_DEVICE)


async def test_a_device_is_inside_the_limit_of_its_owner_who_browses(edge: Edge, limited: Edge) -> None:
    device, alice = await new_device(edge), await user_at(edge, edge.ground.alice)

    assert await statuses(limited, as_device(device), PER_DEVICE) == [200] * PER_DEVICE
    assert await statuses(limited, alice, PER_USER) == [200] * (PER_USER - PER_DEVICE) + [429] * PER_DEVICE


async def test_devices_of_one_owner_share_the_owners_limit(edge: Edge, limited: Edge) -> None:
    first, second = await new_device(edge), await new_device(edge)
    of_another = await new_device(edge, edge.ground.bob)

    assert await statuses(limited, as_device(first), PER_DEVICE) == [200] * PER_DEVICE
    assert await statuses(limited, as_device(second), PER_DEVICE) == [200] * 2 + [429]
    assert await statuses(limited, as_device(of_another), PER_DEVICE) == [200] * PER_DEVICE


async def test_the_api_counts_devices_as_well(edge: Edge, limited: Edge) -> None:
    device = await new_device(edge)
    async with client_of(limited) as client:
        found = [
            await client.get("/api/v1/devices/me", headers=as_device(device)) for _ in range(PER_DEVICE + 1)
        ]

    assert [answer.status_code for answer in found] == [200] * PER_DEVICE + [429]


async def test_many_others_do_not_wash_out_an_empty_bucket(ground: Ground) -> None:
    """Envoy keeps twenty values of a descriptor, unless it is told to keep more."""
    async with FakeIssuer.start() as issuer, run_checker() as agent:
        wiring = replace(ground.wiring, port=free_port(), agent_private=agent.address)
        wiring = replace(wiring, issuer=issuer.url, issuer_keys=f"{issuer.url}/jwks")
        async with run_edge(few, ground, wiring) as edge:
            before = await _of_user(edge, agent, issuer.access_token("alice"), PER_USER)
            for number in range(30):
                await _of_user(edge, agent, issuer.access_token(f"user-{number}"), 1)
            after = await _of_user(edge, agent, issuer.access_token("alice"), 1)

    assert before == [200] * PER_USER
    assert after == [429]


async def _of_user(edge: Edge, agent: Checker, token: str, times: int) -> list[int]:
    agent.answers(200, Authorization=f"Bearer {token}")
    return await statuses(edge, SCRIPT, times)
