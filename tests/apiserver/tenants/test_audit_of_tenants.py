"""Each deed on a tenant leaves its events, who did what to what; a refused one leaves none."""

import json
from typing import Any

import pytest

from apiserver.audit.chain import AuditEvent
from apiserver.storage.records import AuditPage
from apiserver.tenants.tenants import TenantId
from tests.apiserver.tenants.people import ACCEPT, TENANTS, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def events(person: Person, tenant_id: TenantId) -> list[AuditEvent]:
    page = AuditPage(tenant_id=tenant_id, limit=100, is_newest_first=False)
    return list(await person.server.parts.storage.read(lambda view: view.audit.page(page)))


async def last_event(person: Person, tenant_id: TenantId) -> tuple[str, str, str, Any, Any]:
    event = (await events(person, tenant_id))[-1]
    before, after = (None if facts is None else json.loads(facts) for facts in (event.before, event.after))
    return event.action, event.actor_id, event.target_id, before, after


async def test_the_first_login_begins_the_chain_of_the_personal_tenant(alice: Person) -> None:
    (event,) = await events(alice, await alice.personal_tenant())

    assert (event.action, event.actor_kind, event.actor_id) == ("tenant.created", "user", await alice.id())
    assert event.seq == 1


async def test_the_life_of_a_tenant_is_told(alice: Person) -> None:
    alice_id, tenant_id = await alice.id(), await alice.makes_tenant()
    facts = {"name": "Works", "kind": "private", "device_approval": "automatic", "is_personal": False}
    path = f"{TENANTS}/{tenant_id}"

    assert await last_event(alice, tenant_id) == ("tenant.created", alice_id, tenant_id, None, facts)

    await alice.done("PATCH", path, {"name": "Plant"})
    changed = facts | {"name": "Plant"}
    assert await last_event(alice, tenant_id) == ("tenant.changed", alice_id, tenant_id, facts, changed)

    await alice.done("DELETE", path)
    assert await last_event(alice, tenant_id) == ("tenant.deleted", alice_id, tenant_id, changed, None)


async def test_the_comings_and_goings_of_members_are_told(alice: Person, bob: Person) -> None:
    alice_id, bob_id = await alice.id(), await bob.id()
    tenant_id = await alice.makes_tenant(kind="community")
    bobs = f"{TENANTS}/{tenant_id}/members/{bob_id}"

    await bob.done("POST", f"{TENANTS}/{tenant_id}/join")
    assert await last_event(alice, tenant_id) == (
        "member.joined",
        bob_id,
        bob_id,
        None,
        {"role": "member"},
    )

    await alice.done("PATCH", bobs, {"role": "admin"})
    ended = {"revoked_invitations": 0, "suspended_registration_tokens": 0}
    assert await last_event(alice, tenant_id) == (
        "member.role_changed",
        alice_id,
        bob_id,
        {"role": "member"},
        {"role": "admin", **ended},
    )

    device = await bob.registers_device(tenant_id)
    await bob.invites(tenant_id)
    await alice.done("DELETE", bobs)
    assert await last_event(alice, tenant_id) == (
        "member.removed",
        alice_id,
        bob_id,
        {"role": "admin"},
        ended
        | {"revoked_invitations": 1, "revoked_service_tokens": 0}
        | {"suspended_devices": 1, "suspended_device_ids": [device["id"]]},
    )

    await alice.brings_in(bob, tenant_id)
    await bob.done("DELETE", bobs)
    assert (await last_event(alice, tenant_id))[:3] == ("member.left", bob_id, bob_id)


async def test_the_life_of_an_invitation_is_told_without_its_secret(alice: Person, bob: Person) -> None:
    tenant_id = await alice.makes_tenant()
    revoked, accepted = await alice.invites(tenant_id), await alice.invites(tenant_id, "admin")
    for _ in range(2):
        await alice.done("DELETE", f"{TENANTS}/{tenant_id}/invitations/{revoked['id']}")
    await bob.done("POST", ACCEPT, {"token": accepted["token"]})

    told = await events(alice, tenant_id)

    alice_id, bob_id = await alice.id(), await bob.id()
    assert [(event.action, event.actor_id, event.target_id) for event in told[1:]] == [
        ("invitation.created", alice_id, revoked["id"]),
        ("invitation.created", alice_id, accepted["id"]),
        ("invitation.revoked", alice_id, revoked["id"]),
        ("invitation.accepted", bob_id, accepted["id"]),
        ("member.joined", bob_id, bob_id),
    ]
    assert told[-1].after == json.dumps(
        {"role": "admin", "invitation_id": accepted["id"]}, separators=(",", ":")
    )
    for invitation in (revoked, accepted):
        assert invitation["token"][26:] not in str(told)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"name": "Works"}),
        ("PATCH", "", {"name": ""}),
        ("POST", "/join", None),
        ("PATCH", "/members/{me}", {"role": "owner"}),
        ("PATCH", "/members/{me}", {"role": "viewer"}),
        ("DELETE", "/members/{me}", None),
        ("DELETE", "/members/usr_0000000000000000000000", None),
        ("POST", "/invitations", {"role": "king"}),
        ("DELETE", "/invitations/inv_0000000000000000000000", None),
    ],
)
async def test_what_was_not_done_is_not_told(alice: Person, method: str, path: str, body: Any) -> None:
    tenant_id = await alice.makes_tenant()

    await alice.call(method, f"{TENANTS}/{tenant_id}{path.format(me=await alice.id())}", body)

    assert len(await events(alice, tenant_id)) == 1


async def test_an_event_says_from_where_and_in_which_request(alice: Person) -> None:
    answer = await alice.call("POST", TENANTS, {"name": "Works"})

    (event,) = await events(alice, TenantId(answer.body["id"]))
    assert event.address == "127.0.0.1"
    assert event.request_id == answer.headers["X-Request-Id"]


async def test_another_secret_for_an_invitation_is_told(alice: Person) -> None:
    tenant_id = await alice.makes_tenant()
    path, key = f"{TENANTS}/{tenant_id}/invitations", {"Idempotency-Key": "once"}
    made = await alice.call("POST", path, {"role": "member"}, headers=key)

    await alice.call("POST", path, {"role": "member"}, headers=key)

    action, actor_id, target_id, _, after = await last_event(alice, tenant_id)
    assert (action, actor_id, target_id) == ("invitation.rotated", await alice.id(), made.body["id"])
    assert after["role"] == "member"
