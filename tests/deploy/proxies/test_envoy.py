"""deploy/envoy, run by it."""

import asyncio
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import certifi
import pytest

from deploy.testing.parts import ROOT, envoy
from tests.deploy.proxies.checker import Checker
from tests.deploy.proxies.edges import Edge, Make, by_envoy
from tests.deploy.proxies.promises import Devices, People
from tests.deploy.proxies.promises_of_wiring import COOKIE, DEVICE, Wiring, ask, question

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def make() -> Make:
    return by_envoy


class TestWiring(Wiring):
    refuses_to_drop = frozenset({400})


async def test_the_file_is_valid_as_it_stands(tmp_path: Path) -> None:
    """Tests take out how the provider is reached over TLS, and where the machine has its certificates."""
    config = (ROOT / "deploy" / "envoy" / "envoy.yaml").read_text()
    file = tmp_path / "envoy.yaml"
    file.write_text(config.replace("/etc/ssl/certs/ca-certificates.crt", certifi.where()))

    done = await asyncio.create_subprocess_exec(
        *(str(envoy()), "--mode", "validate", "-c", str(file)), stdout=PIPE, stderr=STDOUT
    )
    printed, _ = await done.communicate()

    assert done.returncode == 0, printed


async def test_a_slash_in_disguise_is_refused(checked_edge: Edge, tokens: Checker) -> None:
    """Tokens have no routes of their own to be judged by, so a path must mean the same to all."""
    answer = await ask(checked_edge, "GET", "/reports%2f..%2fadmin", headers=DEVICE)

    assert answer.status_code == 400
    assert checked_edge.ground.service.seen == []


async def test_the_path_that_is_judged_is_the_path_that_is_forwarded(
    checked_edge: Edge, tokens: Checker
) -> None:
    await ask(checked_edge, "GET", "/reports/../admin//x", headers=DEVICE)

    assert question(tokens.asked[0]) == ("GET", "/admin/x")
    assert [seen.target for seen in checked_edge.ground.service.seen] == ["/admin/x"]


async def test_a_token_in_the_query_is_no_token_here(
    checked_edge: Edge, cookies: Checker, tokens: Checker
) -> None:
    """It would be counted in place of the one that a check has answered: in somebody else's bucket."""
    answers = [
        await ask(checked_edge, "GET", "/reports?access_token=abc", headers=shown)
        for shown in (COOKIE, DEVICE)
    ]

    assert [answer.status_code for answer in answers] == [200, 200]


class TestPeople(People):
    pass


class TestDevices(Devices):
    pass
