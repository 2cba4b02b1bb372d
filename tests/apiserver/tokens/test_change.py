"""One registration token: shown, narrowed, taken over; and hidden from everybody else."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from apiserver.storage.contracts import Transaction
from apiserver.storage.records import AuditPage
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import UserId
from tests.apiserver.callers import Caller, holder, id_of, shared_tenant
from tests.apiserver.server import ApiServer
from tests.fakes.clock import FakeClock

TOKENS = "/registration-tokens"
# Every operation on one token, with a body that would do something.
OPERATIONS: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("PATCH", "", {"label": "other"}),
    ("POST", "/rotate", None),
    ("POST", "/revoke", {"devices": "keep"}),
    ("POST", "/revoke", {"devices": "keep", "dry_run": True}),
    ("POST", "/take-over", None),
]

WIDENING: list[dict[str, Any]] = [
    {"max_uses": 3},
    {"max_uses": None},
    {"max_uses": 1_000_000},
    {"expires_at": None},
    {"expires_at": "2999-01-01T00:00:01Z"},
    {"expires_at": "9999-12-31T23:59:59Z"},
    {"pre_approved": True},
    {"label": "narrow", "max_uses": 1, "pre_approved": True},
]
OTHERS: list[dict[str, Any]] = [
    {"taints": ["prod"]},
    {"labels": {}},
    {"name_pattern": "*"},
    {"source_networks": []},
    {"rate_per_minute": None},
    {"idle_s": None},
    {"ephemeral_s": None},
    {"not_before": None},
    {"uses": 0},
    {"owner_id": "usr_1"},
    {"tenant_id": "ten_1"},
    {"revoked_at": None},
    {"suspended_at": None},
    {"max_uses": 0},
    {"max_uses": -1},
    {"label": ""},
    {"label": None},
    {"expires_at": "2020-01-01T00:00:00Z"},
    {"expires_at": "2998-01-01T00:00:00"},
]


def at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def make(caller: Caller, **fields: Any) -> dict[str, Any]:
    return dict(await caller.done("POST", TOKENS, {"label": "lab", **fields}))


async def suspend_of(server: ApiServer, tenant_id: TenantId, owner_id: UserId) -> None:
    """As when the owner leaves the tenant."""
    now = server.parts.clock.now()

    async def work(transaction: Transaction) -> None:
        await transaction.registration_tokens.suspend_of_owner(tenant_id, owner_id, now)

    await server.parts.storage.write(work)


# Shown


async def test_a_token_is_shown_with_its_uses(server: ApiServer, alice: Caller, clock: FakeClock) -> None:
    made = await make(alice, max_uses=1)
    clock.advance(seconds=5)
    await holder(server, made.pop("token")).done("POST", "/devices", {"name": "web"})

    shown = await alice.call("GET", f"{TOKENS}/{made['id']}")

    assert shown.headers["ETag"] == '"1"'
    assert shown.body == made | {"uses": 1, "state": "used_up", "last_used_at": at(clock.now())}


async def test_a_token_of_another_tenant_looks_like_one_that_never_was(alice: Caller, bob: Caller) -> None:
    made = await make(bob)

    for method, path, body in OPERATIONS:
        foreign = await alice.call(method, f"{TOKENS}/{made['id']}{path}", body)
        unknown = await alice.call(method, f"{TOKENS}/rgt_{'0' * 22}{path}", body)

        assert foreign.refusal == unknown.refusal == (404, "not_found")
        assert foreign.body["detail"] == unknown.body["detail"]
    assert (await bob.done("GET", f"{TOKENS}/{made['id']}"))["state"] == "active"


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_a_token_of_another_member_looks_like_one_that_never_was(
    server: ApiServer, alice: Caller, bob: Caller, role: Role
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.OWNER, bob: role})
    made = await make(alice, tenant_id=tenant_id)

    for method, path, body in OPERATIONS:
        reply = await bob.call(method, f"{TOKENS}/{made['id']}{path}", body)

        assert reply.refusal == (404, "not_found")


async def test_an_administrator_does_everything_with_the_token_of_a_member(
    server: ApiServer, alice: Caller, bob: Caller
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.ADMIN, bob: Role.MEMBER})

    for method, path, body in OPERATIONS:
        made = await make(bob, tenant_id=tenant_id)
        reply = await alice.call(method, f"{TOKENS}/{made['id']}{path}", body)

        assert reply.status == 200


async def test_nobody_and_no_secret_of_ours_does_anything_with_a_token(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice)
    device = await holder(server, made["token"]).done("POST", "/devices", {"name": "web"})

    for method, body in (("GET", None), ("POST", {"label": "x"})):
        assert (await holder(server, made["token"]).call(method, TOKENS, body)).status == 403
    for method, path, body in OPERATIONS:
        one = f"{TOKENS}/{made['id']}{path}"
        by_token = await holder(server, made["token"]).call(method, one, body)
        by_device = await holder(server, device["device_token"]).call(method, one, body)
        anonymous = await server.public.request(method, f"/api/v1{one}", json=body)

        assert by_token.refusal == by_device.refusal == (403, "forbidden")
        assert anonymous.status == 401


# Narrowed


async def test_words_are_free_and_limits_can_become_narrower(alice: Caller, clock: FakeClock) -> None:
    made = await make(alice, max_uses=5, pre_approved=True)
    change = {
        "label": "other",
        "description": "why",
        "max_uses": 2,
        "expires_at": at(clock.now() + timedelta(days=1)),
        "pre_approved": False,
    }

    changed = await alice.call("PATCH", f"{TOKENS}/{made['id']}", change)

    del made["token"]
    assert changed.body == made | change
    assert changed.headers["ETag"] == '"2"'
    assert (await alice.done("GET", f"{TOKENS}/{made['id']}")) == changed.body


async def test_what_would_let_a_token_do_more_is_refused_and_nothing_of_it_kept(alice: Caller) -> None:
    made = await make(alice, max_uses=2, expires_at="2999-01-01T00:00:00Z")
    del made["token"]

    replies = [(change, await alice.call("PATCH", f"{TOKENS}/{made['id']}", change)) for change in WIDENING]

    assert [change for change, reply in replies if reply.refusal != (409, "would_widen")] == []
    assert (await alice.done("GET", f"{TOKENS}/{made['id']}")) == made


async def test_other_changes_are_not_understood(alice: Caller) -> None:
    made = await make(alice, expires_at="2999-01-01T00:00:00Z")

    replies = [(change, await alice.call("PATCH", f"{TOKENS}/{made['id']}", change)) for change in OTHERS]

    assert [change for change, reply in replies if reply.refusal != (422, "invalid_body")] == []


async def test_fewer_uses_than_were_spent_close_a_token(server: ApiServer, alice: Caller) -> None:
    made = await make(alice, max_uses=5)
    machine = holder(server, made["token"])
    for name in ("a", "b"):
        await machine.done("POST", "/devices", {"name": name})

    changed = await alice.done("PATCH", f"{TOKENS}/{made['id']}", {"max_uses": 1})
    late = await machine.call("POST", "/devices", {"name": "c"})

    assert (changed["uses"], changed["max_uses"], changed["state"]) == (2, 2, "used_up")
    assert late.refusal == (403, "registration_token_used_up")


async def test_a_change_of_an_older_version_is_refused(alice: Caller) -> None:
    made = await make(alice)
    path = f"{TOKENS}/{made['id']}"
    await alice.done("PATCH", path, {"label": "second"})

    late = await alice.call("PATCH", path, {"label": "third"}, headers={"If-Match": '"1"'})
    weak = await alice.call("PATCH", path, {"label": "third"}, headers={"If-Match": 'W/"2"'})
    fresh = await alice.call("PATCH", path, {"label": "third"}, headers={"If-Match": '"2"'})

    assert late.refusal == weak.refusal == (412, "precondition_failed")
    assert (fresh.status, fresh.body["label"]) == (200, "third")


async def test_a_change_that_changes_nothing_is_no_new_version(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)

    unchanged = await alice.call("PATCH", f"{TOKENS}/{made['id']}", {"label": "lab"})

    assert unchanged.headers["ETag"] == '"1"'
    assert await actions(server, made) == ["registration_token.created"]


async def test_registrations_meanwhile_are_no_lost_update(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)
    await holder(server, made["token"]).done("POST", "/devices", {"name": "web"})

    changed = await alice.call("PATCH", f"{TOKENS}/{made['id']}", {"label": "b"}, headers={"If-Match": '"1"'})

    assert (changed.status, changed.body["uses"]) == (200, 1)


async def test_a_revoked_token_does_not_change(alice: Caller) -> None:
    made = await make(alice)
    path = f"{TOKENS}/{made['id']}"
    await alice.done("POST", f"{path}/revoke", {"devices": "keep"})

    changed = await alice.call("PATCH", path, {"label": "other"})

    assert changed.refusal == (409, "wrong_state")


# Taken over


async def test_a_token_whose_owner_left_lives_on_as_an_administrators(
    server: ApiServer, alice: Caller, bob: Caller
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.ADMIN, bob: Role.MEMBER})
    made = await make(bob, tenant_id=tenant_id)
    machine = holder(server, made["token"])
    await suspend_of(server, tenant_id, await id_of(bob))
    refused = await machine.call("POST", "/devices", {"name": "web"})
    suspended = await alice.done("GET", f"{TOKENS}/{made['id']}")

    taken = await alice.done("POST", f"{TOKENS}/{made['id']}/take-over")
    device = await machine.done("POST", "/devices", {"name": "web"})

    owner_id = await id_of(alice)
    assert refused.refusal == (403, "registration_token_suspended")
    assert suspended["state"] == "suspended"
    assert (taken["state"], taken["owner_id"], taken["suspended_at"]) == ("active", owner_id, None)
    assert (await alice.done("GET", f"/devices/{device['id']}"))["owner_id"] == owner_id


async def test_a_member_cannot_resume_their_own_token(server: ApiServer, alice: Caller, bob: Caller) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.OWNER, bob: Role.MEMBER})
    made = await make(bob, tenant_id=tenant_id)
    await suspend_of(server, tenant_id, await id_of(bob))

    reply = await bob.call("POST", f"{TOKENS}/{made['id']}/take-over")

    assert reply.refusal == (403, "forbidden")


async def test_a_token_that_has_ended_is_not_taken_over(
    server: ApiServer, alice: Caller, bob: Caller
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.ADMIN, bob: Role.MEMBER})
    made = await make(bob, tenant_id=tenant_id)
    await alice.done("POST", f"{TOKENS}/{made['id']}/revoke", {"devices": "keep"})

    reply = await alice.call("POST", f"{TOKENS}/{made['id']}/take-over")

    assert reply.refusal == (409, "wrong_state")


# Written down


async def actions(server: ApiServer, made: dict[str, Any]) -> list[str]:
    return [event.action for event in await events(server, made)]


async def events(server: ApiServer, made: dict[str, Any]) -> list[Any]:
    page = AuditPage(tenant_id=made["tenant_id"], limit=50, is_newest_first=False, target_id=made["id"])
    return list(await server.parts.storage.read(lambda view: view.audit.page(page)))


async def test_each_deed_is_written_down_and_no_secret_with_it(server: ApiServer, alice: Caller) -> None:
    made = await make(alice)
    path = f"{TOKENS}/{made['id']}"
    rotated = await alice.done("POST", f"{path}/rotate")
    await alice.done("PATCH", path, {"label": "other"})
    await alice.done("POST", f"{path}/take-over")
    await alice.done("POST", f"{path}/revoke", {"devices": "revoke", "dry_run": True})
    await alice.done("POST", f"{path}/revoke", {"devices": "revoke"})

    written = await events(server, made)

    assert [event.action for event in written] == [
        "registration_token.created",
        "registration_token.rotated",
        "registration_token.changed",
        "registration_token.taken_over",
        "registration_token.revoked",
    ]
    assert {event.actor_id for event in written} == {await id_of(alice)}
    assert '"label":"lab"' in written[2].before
    assert '"label":"other"' in written[2].after
    assert '"revoked_at":null' in written[4].before
    assert '"devices":{"choice":"revoke","count":0,"ids":[]}' in written[4].after
    everything = " ".join(f"{event.before}{event.after}" for event in written)
    for secret in (made["token"], rotated["token"]):
        assert secret[26:69] not in everything


async def test_a_later_choice_for_the_devices_is_written_down_where_it_did_something(
    server: ApiServer, alice: Caller
) -> None:
    made = await make(alice)
    device = await holder(server, made["token"]).done("POST", "/devices", {"name": "web"})
    for choice in ("keep", "keep", "suspend", "suspend", "revoke"):
        await alice.done("POST", f"{TOKENS}/{made['id']}/revoke", {"devices": choice})

    told = [(event.action, event.after) for event in (await events(server, made))[-2:]]

    assert told == [
        (
            f"registration_token.devices_{verb}",
            f'{{"devices":{{"choice":"{choice}","count":1,"ids":["{device["id"]}"]}}}}',
        )
        for choice, verb in (("suspend", "suspended"), ("revoke", "revoked"))
    ]
