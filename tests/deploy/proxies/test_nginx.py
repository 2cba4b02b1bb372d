"""deploy/nginx, run by it."""

import pytest

from tests.deploy.proxies.edges import Make, by_limited_nginx, by_nginx
from tests.deploy.proxies.promises import Devices, People
from tests.deploy.proxies.promises_of_wiring import Limits, Wiring

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


class TestPeople(People):
    pass


class TestDevices(Devices):
    pass
