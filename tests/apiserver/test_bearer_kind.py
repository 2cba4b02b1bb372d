"""`BEARER=id_token`: the API server takes ID tokens of the configured client, and nothing else."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from apiserver.settings import read_settings
from common.env import SettingsError
from tests.apiserver.server import ME, ApiServer, api_server, environment
from tests.bff.agent import run_agent
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import ABSENT, LOGOUT_EVENT, FakeIssuer
from tests.fakes.tokens import compact

CLIENT = "doorward"

# No refusal leaves anything behind, so one server serves all of this file.
pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeToken = Callable[[FakeIssuer], str]


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="issuer")
async def issuer_of_this_file() -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer.start(client_id=CLIENT, clock=FakeClock()) as issuer:
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="server")
async def server_of_this_file(
    issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ApiServer]:
    database = tmp_path_factory.mktemp("bearer") / "doorward.db"
    settings = {"BEARER": "id_token", "OIDC_AUDIENCE": CLIENT}
    async with api_server(issuer, database, issuer.clock, **settings) as server:
        yield server


def id_token(**claims: Any) -> MakeToken:
    return lambda issuer: issuer.id_token(**claims)


def access_token(**claims: Any) -> MakeToken:
    return lambda issuer: issuer.access_token(**{"aud": CLIENT, **claims})


def untyped_access_token(**claims: Any) -> MakeToken:
    """As providers without RFC 9068 make them: nothing in the header tells it from an ID token."""
    return lambda issuer: issuer.access_token(headers={"typ": "JWT"}, **{"aud": CLIENT, **claims})


ACCEPTED: dict[str, MakeToken] = {
    "as issued": id_token(),
    "with what a login adds": id_token(nonce="n", at_hash="h", c_hash="h", amr=["pwd"], acr="1"),
    "naming its party": id_token(azp=CLIENT),
    "for several, of which we are the party": id_token(aud=[CLIENT, "another"], azp=CLIENT),
    "without a type": lambda issuer: issuer.id_token(headers={"typ": ABSENT}),
}

REFUSED: dict[str, MakeToken] = {
    "an access token": access_token(),
    "an access token for the API": access_token(aud="doorward-api"),
    "an access token that only its type betrays": access_token(client_id=ABSENT),
    "an untyped access token with a scope": untyped_access_token(scope="openid", client_id=ABSENT),
    "an untyped access token with scp": untyped_access_token(scp=["a"], client_id=ABSENT),
    "an untyped access token of a client": untyped_access_token(),
    "a logout token": lambda issuer: issuer.logout_token(),
    "an untyped logout token": lambda issuer: issuer.logout_token(headers={"typ": "JWT"}),
    "events": id_token(events={LOGOUT_EVENT: {}}),
    "for another client": id_token(aud="another"),
    "for ours as a part": id_token(aud=f"{CLIENT}-2"),
    "another party": id_token(azp="another"),
    "for several, of another party": id_token(aud=[CLIENT, "another"], azp="another"),
    "for several, of no party": id_token(aud=[CLIENT, "another"]),
    "expired": lambda issuer: issuer.id_token(exp=issuer.now() - 30),
    "of another issuer": id_token(iss="https://issuer.example"),
    "sub: missing": lambda issuer: issuer.id_token(ABSENT),
    "alg: none": lambda issuer: compact(
        {"alg": "none", "typ": "JWT"},
        {"iss": issuer.url, "sub": "a", "aud": CLIENT, "iat": issuer.now(), "exp": issuer.now() + 60},
        lambda _: b"",
    ),
}


@pytest.mark.parametrize("make_token", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_an_id_token_signs_in(server: ApiServer, issuer: FakeIssuer, make_token: MakeToken) -> None:
    assert (await server.me(make_token(issuer)))["subject"] == "alice"


@pytest.mark.parametrize("make_token", REFUSED.values(), ids=REFUSED.keys())
async def test_nothing_else_does(server: ApiServer, issuer: FakeIssuer, make_token: MakeToken) -> None:
    answer = await server.get_me(make_token(issuer))

    assert answer.status == 401
    assert (await answer.json())["code"] == "invalid_token"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("settings", [{}, {"BEARER": "access_token"}], ids=["default", "access token"])
async def test_without_it_id_tokens_are_refused(
    issuer: FakeIssuer, tmp_path: Path, settings: dict[str, str]
) -> None:
    database = tmp_path / "doorward.db"
    async with api_server(issuer, database, issuer.clock, OIDC_AUDIENCE=CLIENT, **settings) as server:
        by_id_token = await server.get_me(issuer.id_token(nonce="n"))
        by_access_token = await server.get_me(issuer.access_token(aud=CLIENT))

        assert (by_id_token.status, by_access_token.status) == (401, 200)


async def test_another_kind_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(environment("https://login.example.com", tmp_path / "d.db", BEARER="both"))

    assert raised.value.faults == ["BEARER is 'both': use one of access_token, id_token."]


async def test_a_browser_at_a_provider_with_opaque_access_tokens_gets_to_the_api(tmp_path: Path) -> None:
    """The agent and the API server with the same setting, as an operator has them."""
    async with FakeIssuer.start(client_id=CLIENT) as issuer:
        issuer.opaque_access_tokens = True
        settings = {"BEARER": "id_token", "OIDC_AUDIENCE": CLIENT}
        async with api_server(issuer, tmp_path / "doorward.db", issuer.clock, **settings) as server:
            backend = str(server.public.make_url("/")).rstrip("/")
            async with run_agent(issuer, BACKEND=backend, **settings) as agent:
                browser = await agent.signed_in()

                answer = await browser.call("GET", ME)

                assert answer.status_code == 200
                assert answer.json()["subject"] == "alice"
