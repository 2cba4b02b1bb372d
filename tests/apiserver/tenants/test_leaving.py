"""What becomes of devices, registration tokens and invitations of who leaves, or may less than before."""

from typing import Any

import pytest
import pytest_asyncio

from apiserver.tenants.tenants import TenantId
from tests.apiserver.made import MadeToken
from tests.apiserver.tenants.people import ACCEPT, DEVICES, TENANTS, Person, somebody

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def works(alice: Person, bob: Person) -> TenantId:
    """A tenant of Alice's with Bob as an admin."""
    tenant_id = await alice.makes_tenant(kind="community")
    await alice.brings_in(bob, tenant_id, "admin")
    return tenant_id


async def leaves(bob: Person, alice: Person, tenant_id: TenantId) -> None:
    await bob.done("DELETE", f"{TENANTS}/{tenant_id}/members/{await bob.id()}")


async def is_removed(bob: Person, alice: Person, tenant_id: TenantId) -> None:
    await alice.done("DELETE", f"{TENANTS}/{tenant_id}/members/{await bob.id()}")


@pytest.mark.parametrize("ends", [leaves, is_removed])
async def test_devices_of_who_is_gone_are_suspended_in_that_tenant_alone(
    alice: Person, bob: Person, works: TenantId, ends: Any
) -> None:
    elsewhere = await bob.registers_device(await bob.personal_tenant())
    device, others = await bob.registers_device(works, "web"), await alice.registers_device(works, "db")

    await ends(bob, alice, works)

    assert (await bob.hears_of_itself(device)).refusal == (403, "device_suspended")
    assert await bob.can_act(others)
    assert await bob.can_act(elsewhere)
    shown = await alice.done("GET", f"{DEVICES}/{device['id']}")
    assert (shown["state"], shown["state_reason"]) == ("suspended", "owner_left")


@pytest.mark.parametrize("ends", [leaves, is_removed])
async def test_registration_tokens_of_who_is_gone_are_suspended_in_that_tenant_alone(
    alice: Person, bob: Person, works: TenantId, ends: Any
) -> None:
    token = await bob.has_token(works)
    own = await bob.has_token(await bob.personal_tenant())
    of_alice = await alice.has_token(works)

    await ends(bob, alice, works)

    suspended = [await _is_suspended(alice, made) for made in (token, own, of_alice)]
    assert suspended == [True, False, False]


async def test_a_departure_that_is_refused_suspends_nothing(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()
    device = await alice.registers_device(tenant_id)
    token = await alice.has_token(tenant_id)

    refused = await alice.call("DELETE", f"{TENANTS}/{tenant_id}/members/{await alice.id()}")

    assert refused.status == 409
    assert await alice.can_act(device)
    assert not await _is_suspended(alice, token)


async def test_who_takes_over_a_device_of_one_who_left_lets_it_act_again(
    alice: Person, bob: Person, works: TenantId
) -> None:
    device = await bob.registers_device(works)
    await leaves(bob, alice, works)

    taken = await alice.done("POST", f"{DEVICES}/{device['id']}/take-over")

    assert (taken["owner_id"], taken["state"], taken["state_reason"]) == (await alice.id(), "active", None)
    assert await bob.can_act(device)


async def test_a_device_that_waited_for_its_approval_still_waits_after_a_take_over(
    alice: Person, bob: Person, carol: Person, works: TenantId
) -> None:
    await alice.done("PATCH", f"{TENANTS}/{works}", {"device_approval": "required"})
    await carol.done("POST", f"{TENANTS}/{works}/join")
    device = await carol.registers_device(works)
    await leaves(carol, alice, works)

    taken = await alice.done("POST", f"{DEVICES}/{device['id']}/take-over")

    assert taken["state"] == "pending"


async def test_a_device_that_was_suspended_for_itself_stays_so_after_a_take_over(
    alice: Person, bob: Person, works: TenantId
) -> None:
    device = await bob.registers_device(works)
    await alice.done("POST", f"{DEVICES}/{device['id']}/suspend")
    await leaves(bob, alice, works)

    taken = await alice.done("POST", f"{DEVICES}/{device['id']}/take-over")

    assert (taken["owner_id"], taken["state"]) == (await alice.id(), "suspended")


async def test_a_device_that_was_taken_over_does_not_leave_with_its_former_owner(
    alice: Person, bob: Person, works: TenantId
) -> None:
    device = await bob.registers_device(works)
    await alice.done("POST", f"{DEVICES}/{device['id']}/take-over")

    await leaves(bob, alice, works)

    assert await bob.can_act(device)


async def test_who_comes_back_resumes_their_devices_themselves(
    alice: Person, bob: Person, works: TenantId
) -> None:
    device = await bob.registers_device(works)
    await leaves(bob, alice, works)
    gone = await bob.call("POST", f"{DEVICES}/{device['id']}/resume")
    await bob.done("POST", f"{TENANTS}/{works}/join")

    resumed = await bob.done("POST", f"{DEVICES}/{device['id']}/resume")

    assert gone.status == 404
    assert resumed["state"] == "active"


async def test_who_comes_back_does_not_resume_what_an_administrator_suspended(
    alice: Person, bob: Person, works: TenantId
) -> None:
    device = await bob.registers_device(works)
    await alice.done("POST", f"{DEVICES}/{device['id']}/suspend")
    await leaves(bob, alice, works)
    await bob.done("POST", f"{TENANTS}/{works}/join")

    refused = await bob.call("POST", f"{DEVICES}/{device['id']}/resume")

    assert refused.refusal == (403, "forbidden")


async def test_a_viewer_keeps_devices_and_lets_none_in(alice: Person, bob: Person, works: TenantId) -> None:
    device = await bob.registers_device(works)
    token = await bob.has_token(works)

    await _give(alice, bob, works, "viewer")

    assert await bob.can_act(device)
    assert await _is_suspended(alice, token)


async def test_a_member_keeps_tokens_but_those_that_only_an_admin_may_make(
    alice: Person, bob: Person, works: TenantId
) -> None:
    usual, approving, tainting = [
        await bob.has_token(works, **fields) for fields in ({}, {"pre_approved": True}, {"taints": ("prod",)})
    ]
    of_alice = await alice.has_token(works, pre_approved=True)

    await _give(alice, bob, works, "owner")
    before = [await _is_suspended(alice, token) for token in (usual, approving, tainting, of_alice)]
    await _give(alice, bob, works, "member")
    after = [await _is_suspended(alice, token) for token in (usual, approving, tainting, of_alice)]

    assert before == [False] * 4
    assert after == [False, True, True, False]


@pytest.mark.parametrize("ends", [leaves, is_removed])
async def test_who_is_gone_does_not_come_back_by_an_invitation_of_their_own(
    alice: Person, bob: Person, works: TenantId, ends: Any
) -> None:
    invitation = await bob.invites(works, "admin")

    await ends(bob, alice, works)

    refused = await bob.call("POST", ACCEPT, {"token": invitation["token"]})
    assert refused.refusal == (403, "invitation_not_usable")
    assert refused.body["detail"].startswith("This invitation was revoked.")


@pytest.mark.parametrize(
    ("roles", "status"),
    [
        (("owner", "owner", "admin"), 403),
        (("owner", "admin", "admin"), 200),
        (("owner", "viewer", "member"), 403),
        (("admin", "viewer", "viewer"), 403),
        (("admin", "viewer", "owner"), 200),
    ],
)
async def test_invitations_that_their_maker_may_no_longer_give_are_revoked(
    alice: Person, bob: Person, works: TenantId, roles: tuple[str, str, str], status: int
) -> None:
    before, invited, after = roles
    await _give(alice, bob, works, before)
    of_bob, of_alice = await bob.invites(works, invited), await alice.invites(works, "owner")

    await _give(alice, bob, works, after)

    carol, dave = (somebody(alice.server, alice.issuer) for _ in range(2))
    assert (await carol.call("POST", ACCEPT, {"token": of_bob["token"]})).status == status
    assert (await dave.call("POST", ACCEPT, {"token": of_alice["token"]})).status == 200


async def _give(giver: Person, member: Person, tenant_id: TenantId, role: str) -> None:
    await giver.done("PATCH", f"{TENANTS}/{tenant_id}/members/{await member.id()}", {"role": role})


async def _is_suspended(person: Person, token: MadeToken) -> bool:
    return (await person.kept(token)).suspended_at is not None
