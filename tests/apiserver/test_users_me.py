"""`GET /api/v1/users/me` and the first login."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from apiserver.audit.chain import audit_key
from apiserver.audit.trail import Auditor
from apiserver.storage.contracts import Storage, Work
from apiserver.storage.location import SqliteFile
from apiserver.storage.sql import open_storage
from apiserver.tenants.first_login import UserDirectory
from apiserver.tenants.users import Identity, Profile
from common.randomness import SystemRandomness
from tests.apiserver.server import AUDIENCE, ME, ApiServer, api_server
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

T = TypeVar("T")

AUDITOR = Auditor(audit_key(bytes(32)), SystemRandomness())


async def test_the_first_login_makes_a_user_with_a_private_tenant_of_their_own(
    server: ApiServer, issuer: FakeIssuer, clock: FakeClock
) -> None:
    me = await server.me(issuer.access_token("alice", name="Alice", email="alice@example.test"))

    (tenant,) = me.pop("tenants")
    assert me.pop("id").startswith("usr_")
    assert me.pop("personal_tenant_id") == tenant.pop("id")
    assert me == {
        "issuer": issuer.url,
        "subject": "alice",
        "name": "Alice",
        "email": "alice@example.test",
        "created_at": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert tenant == {"name": "Alice", "kind": "private", "role": "owner"}


async def test_later_logins_find_the_same_user(
    server: ApiServer, issuer: FakeIssuer, clock: FakeClock
) -> None:
    first = await server.me(issuer.access_token())
    clock.advance(days=1)

    assert await server.me(issuer.access_token()) == first


async def test_users_survive_a_restart(issuer: FakeIssuer, database: Path, clock: FakeClock) -> None:
    async with api_server(issuer, database, clock) as server:
        before = await server.me(issuer.access_token())
    async with api_server(issuer, database, clock) as server:
        assert await server.me(issuer.access_token()) == before


async def test_two_subjects_are_two_users_whatever_their_address(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    alice = await server.me(issuer.access_token("alice", email="same@example.test"))
    other = await server.me(issuer.access_token("Alice", email="same@example.test"))

    assert alice["id"] != other["id"]
    assert alice["personal_tenant_id"] != other["personal_tenant_id"]


async def test_the_same_subject_of_two_issuers_is_two_users(
    issuer: FakeIssuer, database: Path, clock: FakeClock
) -> None:
    async with api_server(issuer, database, clock) as server:
        ours = await server.me(issuer.access_token("alice"))
    async with (
        FakeIssuer.start(audience=AUDIENCE, clock=clock) as other,
        api_server(other, database, clock) as server,
    ):
        theirs = await server.me(other.access_token("alice"))
        refused = await server.get_me(issuer.access_token("alice"))

    assert theirs["id"] != ours["id"]
    assert theirs["personal_tenant_id"] != ours["personal_tenant_id"]
    assert refused.status == 401


async def test_what_the_provider_tells_is_taken_over_when_it_changes(
    server: ApiServer, issuer: FakeIssuer
) -> None:
    before = await server.me(issuer.access_token(name="Alice", email="a@example.test"))
    after = await server.me(issuer.access_token(name="Alice B.", email="b@example.test"))

    assert after == before | {"name": "Alice B.", "email": "b@example.test"}


async def test_a_token_that_tells_nothing_takes_nothing_away(server: ApiServer, issuer: FakeIssuer) -> None:
    before = await server.me(issuer.access_token(name="Alice", email="a@example.test"))

    assert await server.me(issuer.access_token()) == before


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"name": ["Alice"], "email": {"x": 1}}, (None, None)),
        ({"name": "", "email": ""}, (None, None)),
        ({"name": "Alice\nAdmin", "email": "a@example.test\r\nBcc: x"}, (None, None)),
        ({"name": "\x1b[31mAlice", "email": "a\0@example.test"}, (None, None)),
        ({"name": "\u202eecilA", "email": "\u2028"}, (None, None)),
        ({"name": "x" * 201, "email": "x" * 321}, (None, None)),
        (
            {"name": "Zoë O'Neil </script>", "email": "z@example.test"},
            ("Zoë O'Neil </script>", "z@example.test"),
        ),
        ({"name": "Alice", "email": "a@example.test", "email_verified": False}, ("Alice", None)),
        ({"name": "Alice", "email": "a@example.test", "email_verified": True}, ("Alice", "a@example.test")),
    ],
    ids=[
        "types",
        "empty",
        "line breaks",
        "control",
        "direction",
        "long",
        "unusual",
        "unverified",
        "verified",
    ],
)
async def test_odd_names_and_doubted_addresses_are_passed_over(
    server: ApiServer, issuer: FakeIssuer, claims: dict[str, Any], told: tuple[str | None, str | None]
) -> None:
    me = await server.me(issuer.access_token(**claims))

    assert (me["name"], me["email"]) == told


async def test_an_unnamed_user_has_a_tenant_with_a_name(server: ApiServer, issuer: FakeIssuer) -> None:
    me = await server.me(issuer.access_token())

    assert [tenant["name"] for tenant in me["tenants"]] == ["Personal"]


async def test_parallel_first_requests_make_one_user(server: ApiServer, issuer: FakeIssuer) -> None:
    everyone = await asyncio.gather(*(server.me(issuer.access_token()) for _ in range(8)))

    assert all(me == everyone[0] for me in everyone)
    assert len(everyone[0]["tenants"]) == 1


class MeetingStorage:
    """A storage whose readers all wait for each other once they have read: each then writes on old news."""

    def __init__(self, storage: Storage, barrier: asyncio.Barrier) -> None:
        self._storage = storage
        self._barrier = barrier
        self.write = storage.write
        self.ping = storage.ping

    async def read(self, work: Work[T]) -> T:
        found = await self._storage.read(work)
        await self._barrier.wait()
        return found


async def test_two_servers_that_both_found_nobody_make_one_user(database: Path, clock: FakeClock) -> None:
    identity, barrier = Identity("https://issuer.example", "alice"), asyncio.Barrier(2)
    async with AsyncExitStack() as stack:
        storages = [await open_storage(stack, SqliteFile(database)) for _ in range(2)]
        directories = [
            UserDirectory(MeetingStorage(storage, barrier), clock, SystemRandomness(), AUDITOR)
            for storage in storages
        ]
        users = await asyncio.gather(*(directory.user_of(identity, Profile()) for directory in directories))
        memberships = await storages[0].read(lambda view: view.tenants.memberships_of(users[0].id))

    assert users[0] == users[1]
    assert len(memberships) == 1


async def test_a_head_request_is_guarded_too(server: ApiServer, issuer: FakeIssuer) -> None:
    bearer = {"Authorization": f"Bearer {issuer.access_token()}"}

    assert (await server.public.head(ME)).status == 401
    assert (await server.public.head(ME, headers=bearer)).status == 200
