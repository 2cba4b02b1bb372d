"""Service tokens: what `apiserver.storage.contracts` promises, on every engine."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apiserver.auth.scopes import Scope
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import ServiceTokenPage
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.service_token import ServiceToken, ServiceTokenId
from tests.apiserver.storage.rows import BOB as BOBS_IDENTITY
from tests.apiserver.storage.rows import NOW, a_tenant, a_user

ALICE, BOB = UserId("usr_1"), UserId("usr_2")
TENANT, OTHER = TenantId("ten_1"), TenantId("ten_2")
LATER = NOW + timedelta(hours=1)
HASH = bytes(range(32))


def a_service_token(number: int = 1, **fields: Any) -> ServiceToken:
    token = ServiceToken(
        id=ServiceTokenId(f"svt_{number}"),
        tenant_id=TENANT,
        owner_id=ALICE,
        label="ci",
        scopes=frozenset({Scope.DEVICES_READ, Scope.AUDIT_READ}),
        secret_hash=HASH,
        created_at=NOW,
        expires_at=LATER,
    )
    return replace(token, **fields)


@pytest.fixture
async def works(storage: Storage) -> Storage:
    """With two users and two tenants."""

    async def add(tx: Transaction) -> None:
        await tx.users.add(a_user(ALICE))
        await tx.users.add(a_user(BOB, BOBS_IDENTITY))
        await tx.tenants.add(a_tenant(TENANT))
        await tx.tenants.add(a_tenant(OTHER))

    await storage.write(add)
    return storage


async def keep(storage: Storage, *tokens: ServiceToken) -> None:
    async def add(tx: Transaction) -> None:
        for token in tokens:
            await tx.service_tokens.add(token)

    await storage.write(add)


async def kept(storage: Storage, number: int = 1) -> ServiceToken | None:
    return await storage.read(lambda view: view.service_tokens.by_id(ServiceTokenId(f"svt_{number}")))


async def test_a_service_token_comes_back_as_it_was_kept(works: Storage) -> None:
    ended = a_service_token(2, owner_id=BOB, scopes=frozenset(Scope), last_used_at=NOW, revoked_at=LATER)
    await keep(works, a_service_token(), ended)

    assert await kept(works) == a_service_token()
    assert await kept(works, 2) == ended
    assert await kept(works, 3) is None


async def test_a_user_is_found_by_id(works: Storage) -> None:
    assert await works.read(lambda view: view.users.by_id(BOB)) == a_user(BOB, BOBS_IDENTITY)
    assert await works.read(lambda view: view.users.by_id(UserId("usr_3"))) is None


@pytest.mark.parametrize(
    ("fields", "presented", "is_used"),
    [
        ({}, HASH, True),
        ({"last_used_at": NOW}, HASH, True),
        ({}, bytes(32), False),
        ({"revoked_at": NOW}, HASH, False),
    ],
    ids=["unused", "used before", "another secret", "revoked"],
)
async def test_it_is_used_first_with_its_secret_while_it_is_not_revoked(
    works: Storage, fields: dict[str, Any], presented: bytes, is_used: bool
) -> None:
    await keep(works, a_service_token(**fields), a_service_token(2))
    told = await works.write(
        lambda tx: tx.service_tokens.use_first(ServiceTokenId("svt_1"), presented, LATER)
    )

    assert told is is_used
    assert await kept(works) == a_service_token(**(fields | ({"last_used_at": LATER} if is_used else {})))
    assert await kept(works, 2) == a_service_token(2)


async def test_when_it_was_used_never_goes_back(works: Storage) -> None:
    await keep(works, a_service_token(), a_service_token(2))

    async def use(tx: Transaction) -> None:
        for at in (LATER, NOW):
            await tx.service_tokens.used(ServiceTokenId("svt_1"), at)

    await works.write(use)

    assert await kept(works) == a_service_token(last_used_at=LATER)
    assert await kept(works, 2) == a_service_token(2)


@pytest.mark.parametrize(
    ("fields", "is_replaced"),
    [({}, True), ({"last_used_at": NOW}, False), ({"revoked_at": NOW}, False)],
    ids=["unused", "used", "revoked"],
)
async def test_a_secret_is_replaced_while_it_was_not_used(
    works: Storage, fields: dict[str, Any], is_replaced: bool
) -> None:
    await keep(works, a_service_token(**fields), a_service_token(2))
    new = bytes(32)
    told = await works.write(lambda tx: tx.service_tokens.replace_secret(ServiceTokenId("svt_1"), new))

    assert told is is_replaced
    assert await kept(works) == a_service_token(**(fields | ({"secret_hash": new} if is_replaced else {})))
    assert await kept(works, 2) == a_service_token(2)


async def test_of_a_first_use_and_a_new_secret_at_once_one_wins(works: Storage) -> None:
    """Else the service that came first would be locked out by an answer that nobody needs."""
    tokens = [a_service_token(number) for number in range(10, 30)]
    await keep(works, *tokens)

    async def use(token: ServiceToken) -> bool:
        return await works.write(lambda tx: tx.service_tokens.use_first(token.id, HASH, LATER))

    async def replace_it(token: ServiceToken) -> bool:
        return await works.write(lambda tx: tx.service_tokens.replace_secret(token.id, bytes(32)))

    won = [await asyncio.gather(use(token), replace_it(token)) for token in tokens]

    assert {sum(both) for both in won} == {1}


async def test_it_is_revoked_once(works: Storage) -> None:
    await keep(works, a_service_token(), a_service_token(2))

    async def revoke(tx: Transaction) -> list[bool]:
        return [await tx.service_tokens.revoke(ServiceTokenId("svt_1"), at) for at in (NOW, LATER)]

    assert await works.write(revoke) == [True, False]
    assert await kept(works) == a_service_token(revoked_at=NOW)
    assert await kept(works, 2) == a_service_token(2)


async def test_of_many_who_revoke_it_at_once_one_is_told_so(works: Storage) -> None:
    await keep(works, a_service_token())

    async def revoke() -> bool:
        return await works.write(lambda tx: tx.service_tokens.revoke(ServiceTokenId("svt_1"), NOW))

    assert sorted(await asyncio.gather(*(revoke() for _ in range(8)))) == [*[False] * 7, True]


async def test_those_of_a_tenant_are_revoked_and_no_others(works: Storage) -> None:
    others = [a_service_token(2, tenant_id=OTHER), a_service_token(3, revoked_at=NOW)]
    await keep(works, a_service_token(), a_service_token(4, owner_id=BOB), *others)

    assert await works.write(lambda tx: tx.service_tokens.revoke_of_tenant(TENANT, LATER)) == 2
    assert [await kept(works, number) for number in (1, 4)] == [
        a_service_token(revoked_at=LATER),
        a_service_token(4, owner_id=BOB, revoked_at=LATER),
    ]
    assert [await kept(works, number) for number in (2, 3)] == others


async def test_those_that_act_for_somebody_in_a_tenant_are_revoked_and_no_others(works: Storage) -> None:
    others = [
        a_service_token(2, tenant_id=OTHER),
        a_service_token(3, revoked_at=NOW),
        a_service_token(4, owner_id=BOB),
    ]
    await keep(works, a_service_token(), *others)

    assert await works.write(lambda tx: tx.service_tokens.revoke_of_owner(TENANT, ALICE, LATER)) == 1
    assert await kept(works) == a_service_token(revoked_at=LATER)
    assert [await kept(works, number) for number in (2, 3, 4)] == others


async def test_those_of_a_tenant_come_in_pages_both_ways(works: Storage) -> None:
    await keep(works, *map(a_service_token, (1, 2, 3)), a_service_token(4, tenant_id=OTHER))

    async def ids(**page: Any) -> list[str]:
        asked = ServiceTokenPage(tenant_id=TENANT, **page)
        return [found.id for found in await works.read(lambda view: view.service_tokens.page(asked))]

    assert await ids(limit=2, is_newest_first=True) == ["svt_3", "svt_2"]
    assert await ids(limit=2, is_newest_first=True, after="svt_2") == ["svt_1"]
    assert await ids(limit=2, is_newest_first=False) == ["svt_1", "svt_2"]
    assert await ids(limit=2, is_newest_first=False, after="svt_2") == ["svt_3"]
