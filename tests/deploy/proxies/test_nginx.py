"""deploy/nginx, run by it."""

import pytest

from tests.deploy.proxies.edges import Make, by_nginx
from tests.deploy.proxies.promises import Devices, People
from tests.deploy.proxies.promises_of_wiring import Wiring

pytestmark = [pytest.mark.nginx, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def make() -> Make:
    return by_nginx


class TestWiring(Wiring):
    refusal_of_a_navigation = 401
    too_many = (503, "5")  # nginx knows 401 and 403 of a check


class TestPeople(People):
    pass


class TestDevices(Devices):
    pass
