"""The provider's keys: found, rotated, guarded against storms, and missed when the provider is away."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.issuer import UNKNOWN_KEY_COOL_DOWN
from tests.apiserver.server import ME, ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import ABSENT, FakeIssuer
from tests.fakes.tokens import SigningKey

COOL_DOWN_S = UNKNOWN_KEY_COOL_DOWN.total_seconds()


async def statuses(server: ApiServer, tokens: list[str]) -> list[int]:
    answers = await asyncio.gather(*(server.get_me(token) for token in tokens))
    return [answer.status for answer in answers]


async def ready(server: ApiServer) -> tuple[int, dict[str, Any]]:
    answer = await server.private.get("/readyz")
    return answer.status, await answer.json()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the server's background work tells nobody
            await asyncio.sleep(0.02)


async def test_a_rotated_key_is_picked_up_by_its_first_token(server: ApiServer, issuer: FakeIssuer) -> None:
    await server.me(issuer.access_token())
    issuer.rotate_keys()

    assert (await server.get_me(issuer.access_token())).status == 200


async def test_all_who_come_with_a_new_key_at_once_share_one_fetch_and_are_let_in(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    await server.me(issuer.access_token())
    issuer.rotate_keys()
    fetches = issuer.jwks_fetches

    answers = await statuses(server, [issuer.access_token(f"user-{number}") for number in range(10)])

    assert answers == [200] * 10
    assert issuer.jwks_fetches == fetches + 1


async def test_a_storm_of_unknown_keys_reaches_the_provider_once_in_a_cool_down(
    server: ApiServer, issuer: FakeIssuer, clock: FakeClock
) -> None:
    await server.me(issuer.access_token())
    fetches = issuer.jwks_fetches

    def storm() -> list[str]:
        return [issuer.access_token(headers={"kid": f"made-up-{number}"}) for number in range(30)]

    first = await statuses(server, storm())
    clock.advance(seconds=COOL_DOWN_S - 1)
    second = await statuses(server, storm())
    after_one_cool_down = issuer.jwks_fetches
    clock.advance(seconds=1)
    third = await statuses(server, storm())

    assert set(first + second + third) == {401}
    assert after_one_cool_down == fetches + 1
    assert issuer.jwks_fetches == fetches + 2


async def test_a_key_that_the_provider_withdrew_is_refused_once_the_new_set_is_known(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    old = issuer.access_token()
    await server.me(old)
    issuer.rotate_keys()
    await server.me(issuer.access_token())

    assert (await server.get_me(old)).status == 401


async def test_known_keys_go_on_when_the_provider_is_away(server: ApiServer, issuer: FakeIssuer) -> None:
    await server.me(issuer.access_token())
    issuer.broken(jwks=True, discovery=True)
    strange = issuer.access_token(headers={"kid": "made-up"})

    # Whether that key exists cannot be told now: a good token must not be thrown away for it.
    assert (await server.get_me(strange)).status == 503
    assert (await server.get_me(issuer.access_token())).status == 200
    assert (await ready(server))[0] == 200


async def test_without_a_key_id_a_token_is_refused_where_there_is_a_choice_of_keys(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    issuer.jwks_overrides = {"keys": [issuer.key.as_jwk(), SigningKey("another").as_jwk()]}

    answer = await server.get_me(issuer.access_token(headers={"kid": ABSENT}))

    assert answer.status == 401


async def test_a_symmetric_key_in_the_set_signs_nobody_in(server: ApiServer, issuer: FakeIssuer) -> None:
    symmetric = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"}
    issuer.jwks_overrides = {"keys": [symmetric, issuer.key.as_jwk()]}

    assert (await server.get_me(issuer.access_token(headers={"kid": "shared"}))).status == 401
    assert (await server.get_me(issuer.access_token())).status == 200


async def test_without_keys_a_token_is_neither_good_nor_bad(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    issuer.broken(discovery=True)
    async with api_server(issuer, database, clock) as server:
        answer = await server.get_me(issuer.access_token())

        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "WWW-Authenticate" not in answer.headers
        assert (await answer.json())["code"] == "provider_unavailable"


async def test_without_keys_what_is_no_token_at_all_is_still_refused(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    issuer.broken(discovery=True)
    async with api_server(issuer, database, clock) as server:
        assert (await server.get_me("junk")).status == 401
        assert (await server.public.get(ME)).status == 401
        assert (await server.public.get("/openapi.json")).status == 200


async def test_a_provider_that_was_away_at_start_is_found_by_the_next_request(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    issuer.broken(jwks=True)
    async with api_server(issuer, database, clock) as server:
        while_away = await server.get_me(issuer.access_token())
        said = await ready(server)
        issuer.broken(jwks=False)
        clock.advance(seconds=5)
        after = await server.get_me(issuer.access_token())

        assert while_away.status == 503
        assert said[0] == 503
        assert issuer.url in said[1]["faults"]["provider"]
        assert after.status == 200
        assert await ready(server) == (200, {"ready": True, "faults": {}})


async def test_a_provider_that_was_away_at_start_is_found_without_any_request(
    issuer: FakeIssuer, database: Path
) -> None:
    issuer.broken(discovery=True)
    async with api_server(issuer, database) as server:
        while_away = await ready(server)
        await until(lambda: issuer.discovery_fetches > 0)
        issuer.broken(discovery=False)
        await until(lambda: server.parts.issuer.fault() is None)

        assert while_away[0] == 503
        assert (await ready(server))[0] == 200


async def test_a_discovery_document_of_another_issuer_gives_no_keys(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    issuer.metadata_overrides = {"issuer": "https://issuer.example"}
    async with api_server(issuer, database, clock) as server:
        assert (await server.get_me(issuer.access_token())).status == 503
