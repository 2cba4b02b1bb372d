"""Signing keys over time, by the clock: published before they sign, kept until their tokens are gone."""

import asyncio
from datetime import timedelta
from typing import TypeVar

import pytest
from prometheus_client import CollectorRegistry

from apiserver.janitor import Janitor
from apiserver.signing.key import JWKS_MAX_AGE, LEAD, LONGEST_LIFE, KeyId
from apiserver.signing.rotation import SigningKeys
from apiserver.storage.contracts import Storage, Work
from common.jwt import LEEWAY
from tests.apiserver.credentials import Office, header_of
from tests.apiserver.server import ApiServer

T = TypeVar("T")

KEPT = timedelta(minutes=6)


async def published(desk: Office) -> list[str]:
    return [key["kid"] for key in await desk.keys()]


async def signing(desk: Office) -> str:
    return str(header_of(await desk.jwt())["kid"])


def pass_by(desk: Office, time: timedelta) -> None:
    desk.clock.advance(seconds=time.total_seconds())


async def rotated(desk: Office) -> tuple[str, str]:
    """The key that signs, and the one that will."""
    former = await signing(desk)
    answer = await desk.rotate()
    assert answer.status == 200
    (new,) = set(await published(desk)) - {former}
    return former, new


def test_the_lead_is_longer_than_any_copy_of_the_set_may_live() -> None:
    assert LEAD > JWKS_MAX_AGE + LEEWAY


async def test_the_first_key_signs_at_once(desk: Office) -> None:
    assert await published(desk) == [await signing(desk)]


async def test_a_new_key_is_published_and_does_not_sign_yet(desk: Office) -> None:
    former, new = await rotated(desk)

    assert await published(desk) == [former, new]
    pass_by(desk, LEAD - timedelta(seconds=1))
    assert await signing(desk) == former


async def test_it_signs_when_its_time_has_come(desk: Office) -> None:
    former, new = await rotated(desk)
    pass_by(desk, LEAD)

    assert await signing(desk) == new
    assert await published(desk) == [former, new]


async def test_what_the_former_key_signed_last_is_good_until_it_ends(desk: Office) -> None:
    former, new = await rotated(desk)
    pass_by(desk, LEAD - timedelta(seconds=1))
    last = await desk.jwt()
    pass_by(desk, LONGEST_LIFE)

    assert await signing(desk) == new
    assert header_of(last)["kid"] == former
    assert (await desk.me(last)).status == 200
    assert former in await published(desk)


async def test_the_former_key_goes_when_its_last_token_is_gone(desk: Office) -> None:
    former, new = await rotated(desk)
    pass_by(desk, LEAD + KEPT - timedelta(seconds=1))
    assert await published(desk) == [former, new]
    pass_by(desk, timedelta(seconds=1))

    assert await published(desk) == [new]


async def test_the_janitor_removes_what_is_over(desk: Office) -> None:
    parts = desk.server.parts
    janitor = Janitor(
        parts.storage,
        parts.device_lifecycle,
        parts.last_seen,
        parts.signing_keys,
        desk.clock,
        CollectorRegistry(),
    )
    former, new = await rotated(desk)
    pass_by(desk, LEAD + KEPT - timedelta(seconds=1))
    await janitor.clean()
    assert await kids(desk.server) == [former, new]
    pass_by(desk, timedelta(seconds=1))
    await janitor.clean()

    assert await kids(desk.server) == [new]


async def kids(server: ApiServer) -> list[str]:
    """What is in the table."""
    return [key.id for key in await server.parts.storage.read(lambda view: view.signing_keys.all())]


async def test_a_second_rotation_waits_for_the_first(desk: Office) -> None:
    former, new = await rotated(desk)
    refused = await desk.rotate()
    assert (refused.status, (await refused.json())["code"]) == (409, "wrong_state")
    assert await published(desk) == [former, new]
    pass_by(desk, LEAD)

    assert (await desk.rotate()).status == 200


async def test_many_rotations_leave_few_keys(desk: Office) -> None:
    for _ in range(5):
        assert (await desk.rotate()).status == 200
        pass_by(desk, LEAD)
        await desk.server.parts.signing_keys.remove_ended()

    assert len(await published(desk)) == 2


@pytest.mark.parametrize("has_pending", [False, True])
async def test_when_a_key_has_leaked_another_one_signs_at_once(desk: Office, has_pending: bool) -> None:
    former = await signing(desk)
    if has_pending:
        await desk.rotate()
    answer = await desk.rotate(compromised=True)

    assert answer.status == 200
    assert await published(desk) == [await signing(desk)]
    assert await signing(desk) != former


async def test_what_a_leaked_key_signed_is_refused_at_once(desk: Office) -> None:
    token = await desk.jwt()
    await desk.rotate(compromised=True)

    assert (await desk.me(token)).refusal == (401, "invalid_token")
    assert await desk.introspect(token) == {"active": False}
    assert (await desk.authz(token)).status == 401
    assert (await desk.me(await desk.jwt())).status == 200


async def test_a_withdrawn_key_is_kept_in_mind_until_its_tokens_are_gone(desk: Office) -> None:
    await desk.rotate(compromised=True)
    keys = desk.server.parts.signing_keys
    pass_by(desk, KEPT - timedelta(seconds=1))
    assert await keys.remove_ended() == 0
    pass_by(desk, timedelta(seconds=1))

    assert await keys.remove_ended() == 1
    assert await kids(desk.server) == [await signing(desk)]


async def test_the_set_may_be_kept_for_five_minutes_and_asked_about(desk: Office) -> None:
    path = "/.well-known/jwks.json"
    answer = await desk.server.public.get(path)
    tag = answer.headers["ETag"]

    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.content_type == "application/json"
    for condition, status in ((tag, 304), (f'W/{tag}, "x"', 304), ('"x"', 200)):
        assert (await desk.server.public.get(path, headers={"If-None-Match": condition})).status == status
    await desk.rotate()
    assert (await desk.server.public.get(path, headers={"If-None-Match": tag})).status == 200


async def test_the_set_has_public_keys_alone(desk: Office) -> None:
    (key,) = await desk.keys()

    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")


class LateStorage:
    """Answers reads late: by then, what they say may not be true any more."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.has_read, self.may_answer = asyncio.Event(), asyncio.Event()
        self.writes = 0

    async def read(self, work: Work[T]) -> T:
        found = await self._storage.read(work)
        self.has_read.set()
        await self.may_answer.wait()
        return found

    async def write(self, work: Work[T]) -> T:
        self.writes += 1
        return await self._storage.write(work)

    async def ping(self) -> None:
        await self._storage.ping()


async def test_a_look_that_comes_late_does_not_bring_a_leaked_key_back(desk: Office) -> None:
    storage = LateStorage(desk.server.parts.storage)
    leaked = desk.server.parts.signing_keys.signer().id
    keys = SigningKeys(storage, desk.server.parts.signing_keys.sealer, desk.clock)
    looking = asyncio.ensure_future(keys.look())
    await storage.has_read.wait()
    replacing = asyncio.ensure_future(keys.replace_compromised())
    await asyncio.sleep(0)
    # It waits for its turn.
    assert storage.writes == 0
    storage.may_answer.set()
    await asyncio.gather(looking, replacing)

    assert keys.signer().id != leaked


class CountedStorage:
    """Counts the questions that reach it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reads = 0

    async def read(self, work: Work[T]) -> T:
        self.reads += 1
        return await self._storage.read(work)

    async def write(self, work: Work[T]) -> T:
        return await self._storage.write(work)

    async def ping(self) -> None:
        await self._storage.ping()


async def test_ids_of_keys_that_somebody_made_up_ask_the_storage_once_in_a_second(desk: Office) -> None:
    storage = CountedStorage(desk.server.parts.storage)
    keys = SigningKeys(storage, desk.server.parts.signing_keys.sealer, desk.clock)
    for _ in range(2):
        for number in range(50):
            assert await keys.verifier(KeyId(f"made-up-{number}")) is None
        desk.clock.advance(seconds=1)

    assert storage.reads == 2
