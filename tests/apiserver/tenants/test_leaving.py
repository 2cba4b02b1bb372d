"""What becomes of devices, registration tokens and invitations of who leaves, or may less than before."""

from typing import Any

import pytest

from apiserver.tenants.tenants import TenantId
from apiserver.tokens.registration_token import RegistrationTokenId
from tests.apiserver.builders import a_token
from tests.apiserver.people import ACCEPT, DEVICES, TENANTS, Person


@pytest.fixture
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

    assert await _me(bob, device) == (403, "device_suspended")
    assert await _me(bob, others) == (200, None)
    assert await _me(bob, elsewhere) == (200, None)
    shown = await alice.done("GET", f"{DEVICES}/{device['id']}")
    assert (shown["state"], shown["state_reason"]) == ("suspended", "owner_left")


@pytest.mark.parametrize("ends", [leaves, is_removed])
async def test_registration_tokens_of_who_is_gone_are_suspended_in_that_tenant_alone(
    alice: Person, bob: Person, works: TenantId, ends: Any
) -> None:
    await _add_token(bob, "rgt_works", works)
    await _add_token(bob, "rgt_own", await bob.personal_tenant())
    await _add_token(alice, "rgt_alice", works)

    await ends(bob, alice, works)

    suspended = [await _is_suspended(alice, name) for name in ("rgt_works", "rgt_own", "rgt_alice")]
    assert suspended == [True, False, False]


async def test_a_departure_that_is_refused_suspends_nothing(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()
    device = await alice.registers_device(tenant_id)
    await _add_token(alice, "rgt_1", tenant_id)

    refused = await alice.ask("DELETE", f"{TENANTS}/{tenant_id}/members/{await alice.id()}")

    assert refused.status == 409
    assert await _me(alice, device) == (200, None)
    assert not await _is_suspended(alice, "rgt_1")


async def test_who_takes_over_a_device_of_one_who_left_lets_it_act_again(
    alice: Person, bob: Person, works: TenantId
) -> None:
    device = await bob.registers_device(works)
    await leaves(bob, alice, works)

    taken = await alice.done("POST", f"{DEVICES}/{device['id']}/take-over")

    assert (taken["owner_id"], taken["state"], taken["state_reason"]) == (await alice.id(), "active", None)
    assert await _me(bob, device) == (200, None)


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

    assert await _me(bob, device) == (200, None)


async def test_who_comes_back_resumes_their_devices_themselves(
    alice: Person, bob: Person, works: TenantId
) -> None:
    device = await bob.registers_device(works)
    await leaves(bob, alice, works)
    gone = await bob.ask("POST", f"{DEVICES}/{device['id']}/resume")
    await bob.done("POST", f"{TENANTS}/{works}/join")

    resumed = await bob.done("POST", f"{DEVICES}/{device['id']}/resume")

    assert gone.status == 404
    assert resumed["state"] == "active"


async def test_a_viewer_keeps_devices_and_lets_none_in(alice: Person, bob: Person, works: TenantId) -> None:
    device = await bob.registers_device(works)
    await _add_token(bob, "rgt_1", works)

    await _give(alice, bob, works, "viewer")

    assert await _me(bob, device) == (200, None)
    assert await _is_suspended(alice, "rgt_1")


async def test_a_member_keeps_registration_tokens(alice: Person, bob: Person, works: TenantId) -> None:
    await _add_token(bob, "rgt_1", works)

    await _give(alice, bob, works, "member")

    assert not await _is_suspended(alice, "rgt_1")


@pytest.mark.parametrize("ends", [leaves, is_removed])
async def test_who_is_gone_does_not_come_back_by_an_invitation_of_their_own(
    alice: Person, bob: Person, works: TenantId, ends: Any
) -> None:
    invitation = await bob.invites(works, "admin")

    await ends(bob, alice, works)

    refused = await bob.ask("POST", ACCEPT, {"token": invitation["token"]})
    assert (refused.status, refused.code) == (403, "invitation_not_usable")
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

    carol, dave = (Person(alice.server, alice.issuer, name) for name in ("carol", "dave"))
    assert (await carol.ask("POST", ACCEPT, {"token": of_bob["token"]})).status == status
    assert (await dave.ask("POST", ACCEPT, {"token": of_alice["token"]})).status == 200


async def _give(giver: Person, member: Person, tenant_id: TenantId, role: str) -> None:
    await giver.done("PATCH", f"{TENANTS}/{tenant_id}/members/{await member.id()}", {"role": role})


async def _me(person: Person, device: dict[str, Any]) -> tuple[int, str | None]:
    """What the device hears when it asks for itself."""
    answer = await person.server.public.get(
        f"{DEVICES}/me", headers={"Authorization": f"Bearer {device['device_token']}"}
    )
    return answer.status, (await answer.json()).get("code")


async def _add_token(owner: Person, token_id: str, tenant_id: TenantId) -> None:
    token = a_token(id=RegistrationTokenId(token_id), tenant_id=tenant_id, owner_id=await owner.id())
    await owner.server.parts.storage.write(lambda tx: tx.registration_tokens.add(token))


async def _is_suspended(person: Person, token_id: str) -> bool:
    token = await person.server.parts.storage.read(
        lambda view: view.registration_tokens.by_id(RegistrationTokenId(token_id))
    )
    assert token is not None
    return token.suspended_at is not None
