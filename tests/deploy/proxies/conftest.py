"""One product for all four proxies, which come to its address one after the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.deploy.caddy_door import free_port
from tests.deploy.proxies.checker import Checker, run_checker
from tests.deploy.proxies.edges import Edge, Make, run_edge
from tests.deploy.proxies.ground import Ground, run_ground
from tests.fakes.issuer import FakeIssuer

pytest.register_assert_rewrite("tests.deploy.proxies.promises", "tests.deploy.proxies.promises_of_wiring")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with run_ground(tmp_path_factory.mktemp("ground")) as ground:
        yield ground


@pytest.fixture(autouse=True)
def _nothing_seen(ground: Ground) -> None:
    ground.service.seen.clear()
    ground.service.answer_headers = []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(make: Make, ground: Ground) -> AsyncIterator[Edge]:
    """The proxy of the module's fixture `make`, at the product's address."""
    async with run_edge(make, ground, ground.wiring) as edge:
        yield edge


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def checkers() -> AsyncIterator[tuple[Checker, Checker]]:
    async with run_checker() as cookies, run_checker() as tokens:
        yield cookies, tokens


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def checked_edge(make: Make, ground: Ground, checkers: tuple[Checker, Checker]) -> AsyncIterator[Edge]:
    """The same proxy at another address, with stand-ins for the private listeners and the provider."""
    async with _checked(make, ground, checkers) as edge:
        yield edge


@pytest_asyncio.fixture(loop_scope="session")
async def limited_edge(
    make_limited: Make, ground: Ground, checkers: tuple[Checker, Checker]
) -> AsyncIterator[Edge]:
    """As `checked_edge`, with full buckets that hold little."""
    async with _checked(make_limited, ground, checkers) as edge:
        yield edge


@asynccontextmanager
async def _checked(make: Make, ground: Ground, checkers: tuple[Checker, Checker]) -> AsyncIterator[Edge]:
    cookies, tokens = checkers
    async with FakeIssuer.start() as issuer:
        wiring = replace(
            ground.wiring,
            port=free_port(),
            agent_private=cookies.address,
            apiserver_private=tokens.address,
            issuer=issuer.url,
            issuer_keys=f"{issuer.url}/jwks",
        )
        # As large as that of somebody in many groups: with more than 4 kB of head, nginx by itself fails.
        cookies.jwt = tokens.jwt = issuer.access_token(groups=["g" * 4500])
        async with run_edge(make, ground, wiring) as edge:
            yield edge


@pytest.fixture
def cookies(checkers: tuple[Checker, Checker], checked_edge: Edge) -> Checker:
    """In place of the agent's private listener."""
    return _fresh(checkers[0])


@pytest.fixture
def tokens(checkers: tuple[Checker, Checker], checked_edge: Edge) -> Checker:
    """In place of the apiserver's."""
    return _fresh(checkers[1])


def _fresh(checker: Checker) -> Checker:
    checker.lets_pass()
    checker.asked.clear()
    return checker


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lonely_edge(make: Make, ground: Ground) -> AsyncIterator[Edge]:
    """The same proxy when nobody listens where the checks are made."""
    nobody = f"127.0.0.1:{free_port()}"
    wiring = replace(ground.wiring, port=free_port(), agent_private=nobody, apiserver_private=nobody)
    async with run_edge(make, ground, wiring) as edge:
        yield edge
