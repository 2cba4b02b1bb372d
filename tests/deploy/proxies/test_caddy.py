"""deploy/caddy/forward-auth.Caddyfile, run by Caddy."""

import pytest

from tests.deploy.proxies.edges import Make, by_caddy
from tests.deploy.proxies.promises import Devices, People
from tests.deploy.proxies.promises_of_wiring import Wiring

pytestmark = [pytest.mark.caddy, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def make() -> Make:
    return by_caddy


class TestWiring(Wiring):
    pass


class TestPeople(People):
    pass


class TestDevices(Devices):
    pass
