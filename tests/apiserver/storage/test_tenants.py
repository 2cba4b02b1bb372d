"""Tenants, members and invitations: what `apiserver.storage.contracts` promises, on every engine."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from apiserver.storage.contracts import ConstraintError, Storage, Transaction
from apiserver.storage.records import InvitationPage, MemberPage, MembershipPage
from apiserver.tenants.invitation import Invitation, InvitationId
from apiserver.tenants.tenants import (
    DeviceApproval,
    Member,
    Membership,
    Role,
    TenantId,
    TenantKind,
)
from apiserver.tenants.users import Identity, Profile, UserId
from apiserver.tokens.registration_token import RegistrationTokenId
from tests.apiserver.builders import a_token
from tests.apiserver.storage.conftest import OpenStorage
from tests.apiserver.storage.rows import NOW, a_tenant, a_user

TENANT, OTHER = TenantId("ten_1"), TenantId("ten_2")
ALICE, BOB, CAROL = UserId("usr_1"), UserId("usr_2"), UserId("usr_3")
LATER = NOW + timedelta(days=1)


@pytest.fixture
async def works(storage: Storage) -> TenantId:
    """A tenant with Alice as its owner and Bob as a member; Carol is in another one."""

    async def add(tx: Transaction) -> None:
        for number in (1, 2, 3):
            profile = Profile(f"User {number}", f"{number}@example.test")
            await tx.users.add(a_user(f"usr_{number}", Identity("issuer", str(number)), profile))
        for tenant_id in (TENANT, OTHER):
            await tx.tenants.add(a_tenant(tenant_id))
        for tenant_id, user_id, role in (
            (TENANT, ALICE, Role.OWNER),
            (TENANT, BOB, Role.MEMBER),
            (OTHER, CAROL, Role.OWNER),
        ):
            await tx.tenants.add_member(tenant_id, user_id, role, joined_at=NOW)

    await storage.write(add)
    return TENANT


def an_invitation(invitation_id: str = "inv_1", **fields: Any) -> Invitation:
    invitation = Invitation(
        id=InvitationId(invitation_id),
        tenant_id=TENANT,
        role=Role.MEMBER,
        secret_hash=b"h" * 32,
        created_by=ALICE,
        created_at=NOW,
        expires_at=LATER,
    )
    return replace(invitation, **fields)


async def keep(storage: Storage, *invitations: Invitation) -> None:
    async def add(tx: Transaction) -> None:
        for invitation in invitations:
            await tx.invitations.add(invitation)

    await storage.write(add)


async def kept(storage: Storage, invitation_id: str = "inv_1") -> Invitation | None:
    return await storage.read(lambda view: view.invitations.by_id(InvitationId(invitation_id)))


async def test_a_tenant_is_changed_and_the_others_stay(storage: Storage, works: TenantId) -> None:
    changed = replace(
        a_tenant(works),
        name="Renamed",
        kind=TenantKind.COMMUNITY,
        device_approval=DeviceApproval.REQUIRED,
        version=2,
    )

    await storage.write(lambda tx: tx.tenants.update(changed))

    assert await storage.read(lambda view: view.tenants.by_id(works)) == changed
    assert await storage.write(lambda tx: tx.tenants.locked(works)) == changed
    assert await storage.read(lambda view: view.tenants.by_id(OTHER)) == a_tenant(OTHER)


async def test_a_deleted_tenant_is_found_in_no_way(storage: Storage, works: TenantId) -> None:
    page = MembershipPage(user_id=ALICE, limit=9, is_newest_first=False)

    await storage.write(lambda tx: tx.tenants.delete(works, NOW))

    for found in (
        await storage.read(lambda view: view.tenants.by_id(works)),
        await storage.write(lambda tx: tx.tenants.locked(works)),
        await storage.read(lambda view: view.tenants.membership(works, ALICE)),
        await storage.write(lambda tx: tx.tenants.membership(works, ALICE)),
    ):
        assert found is None
    assert await storage.read(lambda view: view.tenants.memberships(page)) == []
    assert await storage.read(lambda view: view.tenants.memberships_of(ALICE)) == []
    assert await storage.read(lambda view: view.tenants.by_id(OTHER)) is not None


async def test_a_membership_is_seen_alike_in_a_view_and_in_a_unit_that_writes(
    storage: Storage, works: TenantId
) -> None:
    async def look(tx: Transaction) -> list[Membership | None]:
        return [await tx.tenants.membership(works, user_id) for user_id in (ALICE, CAROL)]

    owned = Membership(a_tenant(works), Role.OWNER)
    assert await storage.read(look) == await storage.write(look) == [owned, None]


async def test_a_member_is_added_once_and_the_first_role_stays(storage: Storage, works: TenantId) -> None:
    added = await storage.write(lambda tx: tx.tenants.add_member(works, BOB, Role.OWNER, joined_at=LATER))

    member = await storage.read(lambda view: view.tenants.member(works, BOB))
    assert not added
    assert member == Member(BOB, Profile("User 2", "2@example.test"), Role.MEMBER, NOW)


async def test_roles_are_given_to_one_member_in_one_tenant(storage: Storage, works: TenantId) -> None:
    await storage.write(lambda tx: tx.tenants.add_member(OTHER, BOB, Role.VIEWER, joined_at=NOW))

    await storage.write(lambda tx: tx.tenants.set_role(works, BOB, Role.OWNER))

    assert await _roles(storage, works) == {ALICE: Role.OWNER, BOB: Role.OWNER}
    assert await _roles(storage, OTHER) == {CAROL: Role.OWNER, BOB: Role.VIEWER}


async def test_owners_are_counted(storage: Storage, works: TenantId) -> None:
    async def count() -> int:
        return await storage.read(lambda view: view.tenants.count_owners(works))

    assert await count() == 1
    await storage.write(lambda tx: tx.tenants.set_role(works, BOB, Role.OWNER))
    assert await count() == 2


async def test_a_member_is_removed_from_one_tenant(storage: Storage, works: TenantId) -> None:
    await storage.write(lambda tx: tx.tenants.add_member(OTHER, BOB, Role.VIEWER, joined_at=NOW))

    await storage.write(lambda tx: tx.tenants.remove_member(works, BOB))

    assert await _roles(storage, works) == {ALICE: Role.OWNER}
    assert await _roles(storage, OTHER) == {CAROL: Role.OWNER, BOB: Role.VIEWER}
    assert await storage.read(lambda view: view.tenants.member(works, BOB)) is None


async def test_a_user_is_barred_from_one_tenant_until_that_is_lifted(
    storage: Storage, works: TenantId
) -> None:
    async def barred(view: Transaction) -> list[bool]:
        return [
            await view.tenants.is_barred(tenant_id, user_id)
            for tenant_id, user_id in ((works, BOB), (works, ALICE), (OTHER, BOB))
        ]

    async def bar_twice(tx: Transaction) -> None:
        await tx.tenants.bar(works, BOB, NOW)
        await tx.tenants.bar(works, BOB, LATER)

    async def lift_others(tx: Transaction) -> None:
        await tx.tenants.unbar(works, ALICE)
        await tx.tenants.unbar(OTHER, BOB)

    before = await storage.read(barred)
    await storage.write(bar_twice)
    await storage.write(lift_others)
    during = await storage.read(barred)
    await storage.write(lambda tx: tx.tenants.unbar(works, BOB))

    assert before == [False, False, False]
    assert during == [True, False, False]
    assert await storage.read(barred) == [False, False, False]


async def test_members_come_in_pages_and_by_role(storage: Storage, works: TenantId) -> None:
    await storage.write(lambda tx: tx.tenants.add_member(works, CAROL, Role.MEMBER, joined_at=NOW))

    async def ids(**page: Any) -> list[str]:
        asked = MemberPage(tenant_id=works, **page)
        return [member.user_id for member in await storage.read(lambda view: view.tenants.members(asked))]

    assert await ids(limit=2) == [ALICE, BOB]
    assert await ids(limit=2, after=BOB) == [CAROL]
    assert await ids(limit=9, role=Role.MEMBER) == [BOB, CAROL]
    assert await ids(limit=9, role=Role.MEMBER, after=BOB) == [CAROL]
    assert await ids(limit=9, role=Role.VIEWER) == []


async def test_memberships_come_in_pages_both_ways(storage: Storage, works: TenantId) -> None:
    await storage.write(lambda tx: tx.tenants.add_member(OTHER, ALICE, Role.VIEWER, joined_at=NOW))

    async def found(**page: Any) -> list[tuple[str, Role]]:
        asked = MembershipPage(user_id=ALICE, **page)
        memberships = await storage.read(lambda view: view.tenants.memberships(asked))
        return [(membership.tenant.id, membership.role) for membership in memberships]

    first, second = (works, Role.OWNER), (OTHER, Role.VIEWER)
    assert await found(limit=9, is_newest_first=False) == [first, second]
    assert await found(limit=1, is_newest_first=True) == [second]
    assert await found(limit=9, is_newest_first=False, after=works) == [second]
    assert await found(limit=9, is_newest_first=True, after=OTHER) == [first]


async def test_an_invitation_comes_back_as_it_was_kept(storage: Storage, works: TenantId) -> None:
    ended = an_invitation("inv_2", accepted_by=BOB, accepted_at=NOW, revoked_at=LATER, role=Role.OWNER)
    await keep(storage, an_invitation(), ended)

    assert await kept(storage) == an_invitation()
    assert await kept(storage, "inv_2") == ended
    assert await kept(storage, "inv_3") is None


@pytest.mark.parametrize("role", ["king", "Owner", ""])
async def test_the_schema_knows_no_other_role(storage: Storage, works: TenantId, role: str) -> None:
    class Odd:
        value = role

    with pytest.raises(ConstraintError):
        await keep(storage, an_invitation(role=Odd))


async def test_an_invitation_is_accepted_once_and_by_whom_is_kept(storage: Storage, works: TenantId) -> None:
    await keep(storage, an_invitation(), an_invitation("inv_2"))

    first = await _accept(storage, BOB)
    second = await _accept(storage, CAROL)

    assert (first, second) == (True, False)
    assert await kept(storage) == an_invitation(accepted_by=BOB, accepted_at=NOW)
    assert await kept(storage, "inv_2") == an_invitation("inv_2")


async def test_of_two_servers_that_accept_at_once_one_does(
    open_another: OpenStorage, storage: Storage, works: TenantId
) -> None:
    await keep(storage, an_invitation())
    servers, barrier = [storage, await open_another()], asyncio.Barrier(2)

    async def accept(server: Storage, user_id: UserId) -> bool:
        await barrier.wait()
        return await _accept(server, user_id)

    accepted = await asyncio.gather(*map(accept, servers, (BOB, CAROL)))

    assert sorted(accepted) == [False, True]


@pytest.mark.parametrize(
    "invitation",
    [an_invitation(revoked_at=NOW), an_invitation(expires_at=NOW)],
    ids=["revoked", "expired"],
)
async def test_an_invitation_that_has_ended_is_not_accepted(
    storage: Storage, works: TenantId, invitation: Invitation
) -> None:
    await keep(storage, invitation)

    assert not await _accept(storage, BOB)
    assert await kept(storage) == invitation


async def test_an_invitation_is_revoked_once_unless_it_was_accepted(
    storage: Storage, works: TenantId
) -> None:
    accepted = an_invitation("inv_2", accepted_by=BOB, accepted_at=NOW)
    await keep(storage, an_invitation(), accepted, an_invitation("inv_3"))

    async def revoke(tx: Transaction) -> list[bool]:
        return [
            await tx.invitations.revoke(InvitationId(of), at)
            for of, at in (("inv_1", NOW), ("inv_1", LATER), ("inv_2", NOW))
        ]

    revoked = await storage.write(revoke)

    assert revoked == [True, False, False]
    assert await kept(storage) == an_invitation(revoked_at=NOW)
    assert await kept(storage, "inv_2") == accepted
    assert await kept(storage, "inv_3") == an_invitation("inv_3")


async def test_open_invitations_of_one_maker_and_role_are_revoked(storage: Storage, works: TenantId) -> None:
    others = [
        an_invitation("inv_2", role=Role.ADMIN),
        an_invitation("inv_3", created_by=BOB),
        an_invitation("inv_4", tenant_id=OTHER),
        an_invitation("inv_5", accepted_by=CAROL, accepted_at=NOW),
        an_invitation("inv_6", expires_at=NOW),
    ]
    await keep(storage, an_invitation(), *others)

    revoked = await storage.write(lambda tx: tx.invitations.revoke_made_by(works, ALICE, Role.MEMBER, NOW))

    assert revoked == 1
    assert await kept(storage) == an_invitation(revoked_at=NOW)
    for other in others:
        assert await kept(storage, other.id) == other


async def test_a_secret_of_an_invitation_is_replaced(storage: Storage, works: TenantId) -> None:
    await keep(storage, an_invitation(), an_invitation("inv_2"))

    await storage.write(lambda tx: tx.invitations.replace_secret(InvitationId("inv_1"), b"n" * 32))

    assert await kept(storage) == an_invitation(secret_hash=b"n" * 32)
    assert await kept(storage, "inv_2") == an_invitation("inv_2")


async def test_invitations_of_a_tenant_come_in_pages_both_ways(storage: Storage, works: TenantId) -> None:
    await keep(
        storage,
        *(an_invitation(f"inv_{number}") for number in (1, 2, 3)),
        an_invitation("inv_4", tenant_id=OTHER),
    )

    async def ids(**page: Any) -> list[str]:
        asked = InvitationPage(tenant_id=works, **page)
        return [found.id for found in await storage.read(lambda view: view.invitations.page(asked))]

    assert await ids(limit=2, is_newest_first=True) == ["inv_3", "inv_2"]
    assert await ids(limit=2, is_newest_first=True, after="inv_2") == ["inv_1"]
    assert await ids(limit=2, is_newest_first=False) == ["inv_1", "inv_2"]
    assert await ids(limit=2, is_newest_first=False, after="inv_2") == ["inv_3"]


async def test_registration_tokens_of_one_tenant_are_revoked_once(storage: Storage, works: TenantId) -> None:
    async def add(tx: Transaction) -> None:
        for number, tenant_id in ((1, TENANT), (2, TENANT), (3, OTHER)):
            await tx.registration_tokens.add(
                a_token(id=RegistrationTokenId(f"rgt_{number}"), tenant_id=tenant_id)
            )

    await storage.write(add)

    async def revoke(tx: Transaction) -> list[int]:
        return [await tx.registration_tokens.revoke_of_tenant(works, at) for at in (NOW, LATER)]

    async def look(view: Transaction) -> list[tuple[datetime | None, int]]:
        tokens = [
            await view.registration_tokens.by_id(RegistrationTokenId(f"rgt_{number}")) for number in (1, 2, 3)
        ]
        return [(token.revoked_at, token.version) for token in tokens if token is not None]

    assert await storage.write(revoke) == [2, 0]
    assert await storage.read(look) == [(NOW, 2), (NOW, 2), (None, 1)]


async def test_registration_tokens_of_an_owner_are_suspended_all_or_those_that_vouch(
    storage: Storage, works: TenantId
) -> None:
    tokens = {
        "usual": a_token(owner_id=BOB),
        "approving": a_token(owner_id=BOB, pre_approved=True),
        "tainting": a_token(owner_id=BOB, taints=("prod",)),
        "of another": a_token(owner_id=ALICE, pre_approved=True),
        "elsewhere": a_token(owner_id=BOB, tenant_id=OTHER, pre_approved=True),
        "revoked": a_token(owner_id=BOB, pre_approved=True, revoked_at=NOW),
    }

    async def add(tx: Transaction) -> None:
        for name, token in tokens.items():
            await tx.registration_tokens.add(replace(token, id=RegistrationTokenId(name)))

    async def suspended() -> set[str]:
        async def look(view: Transaction) -> set[str]:
            found = [await view.registration_tokens.by_id(RegistrationTokenId(name)) for name in tokens]
            return {token.id for token in found if token is not None and token.suspended_at == LATER}

        return await storage.read(look)

    await storage.write(add)

    assert (
        await storage.write(lambda tx: tx.registration_tokens.suspend_vouching_of_owner(works, BOB, LATER))
        == 2
    )
    assert await suspended() == {"approving", "tainting"}
    assert await storage.write(lambda tx: tx.registration_tokens.suspend_of_owner(works, BOB, LATER)) == 1
    assert await suspended() == {"usual", "approving", "tainting"}


async def _roles(storage: Storage, tenant_id: TenantId) -> dict[UserId, Role]:
    page = MemberPage(tenant_id=tenant_id, limit=9)
    members = await storage.read(lambda view: view.tenants.members(page))
    return {member.user_id: member.role for member in members}


async def _accept(storage: Storage, user_id: UserId) -> bool:
    return await storage.write(lambda tx: tx.invitations.accept(InvitationId("inv_1"), user_id, NOW))


async def test_the_personal_tenant_of_a_user_is_found_among_others(storage: Storage, works: TenantId) -> None:
    await storage.write(lambda tx: tx.tenants.add(a_tenant("ten_3", personal_of=BOB)))

    assert await storage.read(lambda view: view.tenants.personal_of(BOB)) == "ten_3"
    with pytest.raises(LookupError):
        await storage.read(lambda view: view.tenants.personal_of(ALICE))
