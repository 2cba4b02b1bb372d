"""The provider's metadata and keys: one fetch for all, pauses after failures, nothing lost by one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.issuer import (
    FAILURE_COOL_DOWN,
    UNKNOWN_KEY_COOL_DOWN,
    Issuer,
    IssuerUnavailableError,
    UnknownKeyError,
)
from common.tasks import Tasks
from tests.common.provider import ISSUER, Publisher, open_issuer
from tests.fakes.clock import FakeClock
from tests.fakes.tokens import SigningKey
from tests.fakes.waiting import until

FIRST, SECOND = SigningKey("first"), SigningKey("second")
METADATA_PATH = "/.well-known/openid-configuration"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def publisher() -> Publisher:
    return Publisher(FIRST)


@pytest.fixture
async def issuer(publisher: Publisher, clock: FakeClock) -> AsyncIterator[Issuer]:
    async with open_issuer(publisher, clock) as opened:
        yield opened


async def knows(issuer: Issuer, key_id: str) -> bool:
    try:
        await issuer.signing_key(key_id, "ES256")
    except UnknownKeyError:
        return False
    return True


async def cannot_say(issuer: Issuer, key_id: str) -> str:
    """Why the provider could not be asked for this key."""
    with pytest.raises(IssuerUnavailableError) as raised:
        await issuer.signing_key(key_id, "ES256")
    return raised.value.cause


async def is_away(issuer: Issuer) -> str:
    return await cannot_say(issuer, "first")


async def test_fifty_callers_share_one_fetch_of_each_document(issuer: Issuer, publisher: Publisher) -> None:
    publisher.gate = asyncio.Event()
    callers = [asyncio.create_task(issuer.signing_key("first", "ES256")) for _ in range(50)]
    await until(lambda: bool(publisher.asked))
    publisher.gate.set()
    keys = await asyncio.gather(*callers)

    assert {key.key_id for key in keys} == {"first"}
    assert publisher.asked == [ISSUER + METADATA_PATH, f"{ISSUER}/jwks"]


async def test_what_is_known_is_not_asked_for_again(
    issuer: Issuer, publisher: Publisher, clock: FakeClock
) -> None:
    for _ in range(3):
        assert await knows(issuer, "first")
        assert (await issuer.metadata()).token_endpoint == f"{ISSUER}/token"
        clock.advance(hours=1)

    assert len(publisher.asked) == 2


async def test_one_caller_who_leaves_does_not_take_the_fetch_along(
    issuer: Issuer, publisher: Publisher
) -> None:
    publisher.gate = asyncio.Event()
    leaving = asyncio.create_task(issuer.metadata())
    staying = asyncio.create_task(issuer.metadata())
    await until(lambda: bool(publisher.asked))
    leaving.cancel()
    await asyncio.wait([leaving])
    publisher.gate.set()

    assert (await staying).issuer == ISSUER
    assert leaving.cancelled()
    assert len(publisher.asked) == 1


async def test_a_failed_fetch_is_not_repeated_by_every_request_but_after_a_pause(
    issuer: Issuer, publisher: Publisher, clock: FakeClock
) -> None:
    publisher.status = 503
    causes = [await is_away(issuer) for _ in range(20)]
    asked_at_first = len(publisher.asked)
    clock.advance(seconds=FAILURE_COOL_DOWN.total_seconds())
    causes.append(await is_away(issuer))

    assert set(causes) == {"status_503"}
    assert asked_at_first == 1
    assert len(publisher.asked) == 2


async def test_a_provider_that_comes_back_is_found_by_the_next_request_after_the_pause(
    issuer: Issuer, publisher: Publisher, clock: FakeClock
) -> None:
    publisher.status = 503
    with capture_logs() as logs:
        await is_away(issuer)
        clock.advance(seconds=5)
        await is_away(issuer)
        said_while_away = issuer.fault()
        publisher.status = 200
        clock.advance(seconds=5)
        found = await knows(issuer, "first")

    assert found
    assert said_while_away == f"The provider {ISSUER} cannot be used yet (status_503)."
    assert issuer.fault() is None
    # Told once for each thing that is missing, and not at every try.
    assert [(log["event"], log["what"]) for log in logs] == [
        ("provider_unavailable", "metadata"),
        ("provider_unavailable", "keys"),
        ("provider_recovered", "metadata"),
        ("provider_recovered", "keys"),
    ]


async def test_before_the_first_fetch_the_provider_is_not_ready(issuer: Issuer) -> None:
    assert issuer.fault() == f"The provider {ISSUER} cannot be used yet (not fetched yet)."


async def test_the_metadata_alone_make_no_ready_provider(issuer: Issuer, publisher: Publisher) -> None:
    publisher.jwks = {"keys": []}
    await issuer.metadata()
    await is_away(issuer)

    assert issuer.fault() == f"The provider {ISSUER} cannot be used yet (no_usable_keys)."


async def test_a_rotated_key_is_found_by_all_who_come_with_it_at_once(
    issuer: Issuer, publisher: Publisher
) -> None:
    await knows(issuer, "first")
    publisher.publish(SECOND)

    assert all(await asyncio.gather(*(knows(issuer, "second") for _ in range(50))))
    assert publisher.key_fetches == 2


async def test_a_storm_of_made_up_key_ids_is_one_fetch_per_cool_down(
    issuer: Issuer, publisher: Publisher, clock: FakeClock
) -> None:
    async def storm() -> None:
        found = await asyncio.gather(*(knows(issuer, f"made-up-{number}") for number in range(50)))
        assert not any(found)

    await knows(issuer, "first")
    before = publisher.key_fetches
    await storm()
    await storm()
    clock.advance(seconds=UNKNOWN_KEY_COOL_DOWN.total_seconds() - 1)
    await storm()
    within_the_cool_down = publisher.key_fetches - before
    clock.advance(seconds=1)
    await storm()

    assert within_the_cool_down == 1
    assert publisher.key_fetches - before == 2


async def test_known_keys_are_found_at_once_during_a_storm(issuer: Issuer, publisher: Publisher) -> None:
    await knows(issuer, "first")
    publisher.gate = asyncio.Event()
    stranger = asyncio.create_task(knows(issuer, "made-up"))
    await until(lambda: publisher.key_fetches == 2)

    assert await knows(issuer, "first")
    publisher.gate.set()
    assert not await stranger


async def test_old_keys_survive_a_failed_fetch(
    issuer: Issuer, publisher: Publisher, clock: FakeClock
) -> None:
    await knows(issuer, "first")
    broken: list[dict[str, Any]] = [{"keys": "none"}, {"keys": []}, {}]
    for document in broken:
        publisher.jwks = document
        clock.advance(hours=1)
        await cannot_say(issuer, "made-up")
    publisher.status = 503
    clock.advance(hours=1)
    await cannot_say(issuer, "made-up")

    assert publisher.key_fetches == 5
    assert await knows(issuer, "first")
    assert issuer.fault() is None


async def test_a_new_key_is_neither_known_nor_unknown_until_it_could_be_looked_for(
    issuer: Issuer, publisher: Publisher, clock: FakeClock
) -> None:
    await knows(issuer, "first")
    publisher.publish(FIRST, SECOND)
    publisher.status = 503
    await cannot_say(issuer, "second")
    await cannot_say(issuer, "second")
    publisher.status = 200
    clock.advance(seconds=FAILURE_COOL_DOWN.total_seconds())

    assert await knows(issuer, "second")
    assert not await knows(issuer, "made-up")


async def test_a_storm_of_made_up_key_ids_does_not_hit_a_provider_that_is_down(
    issuer: Issuer, publisher: Publisher, clock: FakeClock
) -> None:
    await knows(issuer, "first")
    publisher.status = 503
    before = publisher.key_fetches
    for number in range(30):
        await cannot_say(issuer, f"made-up-{number}")

    assert publisher.key_fetches - before == 1


async def test_a_withdrawn_key_is_forgotten_with_the_next_good_fetch(
    issuer: Issuer, publisher: Publisher
) -> None:
    await knows(issuer, "first")
    publisher.publish(SECOND)
    await knows(issuer, "second")

    assert not await knows(issuer, "first")


async def test_the_background_work_fails_aloud_so_that_it_is_tried_again(
    issuer: Issuer, publisher: Publisher
) -> None:
    publisher.status = 503

    with pytest.raises(IssuerUnavailableError, match="status_503"):
        await issuer.keep_fresh()


async def test_the_background_work_finds_new_keys_without_any_request(
    issuer: Issuer, publisher: Publisher
) -> None:
    await knows(issuer, "first")
    publisher.publish(SECOND)
    tasks = Tasks()
    tasks.keep_running("provider_keys", issuer.keep_fresh)
    await until(lambda: publisher.key_fetches == 2)
    await tasks.close()

    assert not await knows(issuer, "first")


async def test_documents_are_fetched_by_the_back_channel(publisher: Publisher, clock: FakeClock) -> None:
    async with open_issuer(publisher, clock, backchannel="http://inside:8080/") as issuer:
        await knows(issuer, "first")

    assert publisher.asked == [f"http://inside:8080{METADATA_PATH}", "http://inside:8080/jwks"]


@pytest.mark.parametrize(
    ("issuer_url", "backchannel", "endpoint", "expected"),
    [
        pytest.param(
            "https://a.example", None, "https://a.example/token", "https://a.example/token", id="none"
        ),
        pytest.param(
            "https://a.example",
            "http://inside:8080",
            "https://a.example/token?x=1",
            "http://inside:8080/token?x=1",
            id="same path",
        ),
        pytest.param(
            "https://a.example/realms/one",
            "http://inside/auth/realms/one",
            "https://a.example/realms/one/token",
            "http://inside/auth/realms/one/token",
            id="another base path inside",
        ),
        pytest.param(
            "https://a.example/realms/one",
            "http://inside/realms/one",
            "https://a.example/elsewhere/token",
            "http://inside/elsewhere/token",
            id="endpoint beside the issuer's path",
        ),
        pytest.param(
            "https://a.example",
            "http://inside:8080",
            "https://a.example:443/token",
            "http://inside:8080/token",
            id="default port spelled out",
        ),
        pytest.param(
            "https://a.example",
            "http://inside",
            "https://keys.example/jwks",
            "https://keys.example/jwks",
            id="endpoint at another host",
        ),
        pytest.param(
            "https://a.example",
            "http://inside",
            "https://a.example.evil.example/jwks",
            "https://a.example.evil.example/jwks",
            id="host that begins like ours",
        ),
        pytest.param(
            "https://a.example",
            "http://inside",
            "https://a.example:8443/token",
            "https://a.example:8443/token",
            id="another port",
        ),
    ],
)
async def test_an_endpoint_is_reached_by_the_back_channel_where_it_belongs_to_the_issuer(
    issuer_url: str, backchannel: str | None, endpoint: str, expected: str, clock: FakeClock
) -> None:
    async with open_issuer(Publisher(), clock, url=issuer_url, backchannel=backchannel) as issuer:
        assert issuer.inside(endpoint) == expected
