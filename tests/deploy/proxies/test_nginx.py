"""deploy/nginx, run by it."""

import pytest

from tests.deploy.proxies.checker import Checker
from tests.deploy.proxies.edges import Edge, Make, by_limited_nginx, by_nginx
from tests.deploy.proxies.promises import Devices, People
from tests.deploy.proxies.promises_of_wiring import DEVICE, Limits, Wiring, ask

pytestmark = [pytest.mark.nginx, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def make() -> Make:
    return by_nginx


@pytest.fixture(scope="module")
def make_limited() -> Make:
    return by_limited_nginx


class TestLimits(Limits):
    pass


class TestWiring(Wiring):
    refusal_of_a_navigation = 401
    too_many = (503, "5")  # nginx knows 401 and 403 of a check


async def test_under_another_name_nothing_is_served(checked_edge: Edge, tokens: Checker) -> None:
    answer = await ask(checked_edge, "GET", "/reports", headers=DEVICE | {"Host": "evil.example"})

    assert answer.status_code == 421
    assert checked_edge.ground.service.seen == []


class TestPeople(People):
    pass


class TestDevices(Devices):
    pass
