"""deploy/traefik, run by it."""

import pytest

from tests.deploy.proxies.checker import Checker
from tests.deploy.proxies.edges import Edge, Make, by_limited_traefik, by_traefik
from tests.deploy.proxies.promises import Devices, People
from tests.deploy.proxies.promises_of_wiring import DEVICE, Limits, Wiring, ask

pytestmark = [pytest.mark.traefik, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def make() -> Make:
    return by_traefik


@pytest.fixture(scope="module")
def make_limited() -> Make:
    return by_limited_traefik


class TestLimits(Limits):
    one_bucket = False  # a middleware of Traefik counts for each router apart


class TestWiring(Wiring):
    fails_with = 500  # Traefik has no way to say otherwise
    passes_cookies_of_a_handshake = True  # nor to take them off


async def test_a_slash_in_disguise_is_refused(checked_edge: Edge, tokens: Checker) -> None:
    """Tokens have no routes of their own to be judged by, so a path must mean the same to all."""
    answer = await ask(checked_edge, "GET", "/reports%2f..%2fadmin", headers=DEVICE)

    assert answer.status_code == 400
    assert checked_edge.ground.service.seen == []


class TestPeople(People):
    pass


class TestDevices(Devices):
    pass
