"""`POST /api/v1/registration-tokens`: what can be made, by whom, and a request that is repeated."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from apiserver.tenants.tenants import DeviceApproval, Role
from tests.apiserver.callers import Caller, holder, id_of, shared_tenant, user
from tests.apiserver.server import ApiServer
from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer

TOKENS = "/registration-tokens"
KEY = {"Idempotency-Key": "key-1"}
WRONG: list[dict[str, Any]] = [
    {"label": None},
    {"label": " "},
    {"label": "x" * 101},
    {"label": "two\nlines"},
    {"label": "\x1b[31mred"},
    {"label": "gpj.\u202eexe"},
    {"label": "nul\0"},
    {"description": "x" * 501},
    {"description": "two\r\nlines"},
    {"max_uses": 0},
    {"max_uses": -1},
    {"max_uses": 1_000_001},
    {"max_uses": 10**30},
    {"max_uses": "1"},
    {"max_uses": True},
    {"max_uses": 1.5},
    {"expires_at": "0001-01-01T00:00:00Z"},
    {"expires_at": "2020-01-01T00:00:00Z"},
    {"expires_at": "2999-01-01T00:00:00"},
    {"expires_at": "9999-12-31T23:59:59-23:00"},
    {"expires_at": "tomorrow"},
    {"expires_at": ""},
    {"expires_at": 0},
    {"not_before": "2999-01-01T00:00:00"},
    {"not_before": "0001-01-01T00:00:00+23:00"},
    {"not_before": "2999-01-02T00:00:00Z", "expires_at": "2999-01-01T00:00:00Z"},
    {"idle_s": 119},
    {"idle_s": -3600},
    {"idle_s": 10**12},
    {"ephemeral_s": 119},
    {"ephemeral_s": 0},
    {"ephemeral_s": 10**12},
    {"rate_per_minute": 0},
    {"rate_per_minute": 60_001},
    {"rate_per_minute": -1},
    {"name_pattern": ""},
    {"name_pattern": "(a+)+$"},
    {"name_pattern": "*" * 64},
    {"source_networks": ["10.0.0.1/8"]},
    {"source_networks": ["10.0.0.0/33"]},
    {"source_networks": ["example.test"]},
    {"source_networks": [""]},
    {"source_networks": ["::ffff:10.0.0.0/104"]},
    {"source_networks": ["fe80::%eth0/64"]},
    {"source_networks": ["10.0.0.0/8"] * 33},
    {"taints": ["with space"]},
    {"taints": ["a", "a"]},
    {"taints": [f"t{number}" for number in range(33)]},
    {"labels": {"Key": "x"}},
    {"labels": {"key": "two\nlines"}},
    {"labels": {f"k{number}": "x" for number in range(33)}},
    {"pre_approved": "yes"},
    {"uses": 0},
    {"owner_id": "usr_1"},
    {"token": "dwr_mine"},
    {"revoked_at": None},
    {"maxUses": 1},
]


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_token_is_what_was_asked_for_with_its_secret_shown_once(
    alice: Caller, clock: FakeClock
) -> None:
    asked = {
        "label": "  Build farm ",
        "description": "Runners in rack 7",
        "max_uses": 3,
        "expires_at": written(clock.now() + timedelta(days=7)),
        "not_before": written(clock.now() + timedelta(hours=1)),
        "idle_s": 3600,
        "taints": ["prod", "ci"],
        "labels": {"site": "Zürich"},
        "name_pattern": "ci-*",
        "source_networks": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"],
        "pre_approved": True,
        "ephemeral_s": 120,
        "rate_per_minute": 60,
    }
    me = await alice.done("GET", "/users/me")

    reply = await alice.call("POST", TOKENS, asked)

    made = reply.body
    assert reply.status == 201
    assert reply.headers["ETag"] == '"1"'
    assert made.pop("id").startswith("rgt_")
    assert made.pop("token").startswith("dwr_")
    assert made == asked | {
        "label": "Build farm",
        "taints": ["ci", "prod"],
        "source_networks": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"],
        "tenant_id": me["personal_tenant_id"],
        "owner_id": me["id"],
        "state": "not_yet_valid",
        "uses": 0,
        "last_used_at": None,
        "suspended_at": None,
        "revoked_at": None,
        "created_at": written(clock.now()),
    }


async def test_a_token_is_reusable_and_never_expires_unless_asked(alice: Caller, clock: FakeClock) -> None:
    made = await alice.done("POST", TOKENS, {"label": "lab"})
    clock.advance(days=36500)

    shown = await alice.done("GET", f"{TOKENS}/{made['id']}")

    assert (shown["state"], shown["expires_at"], shown["max_uses"]) == ("active", None, None)


async def test_the_secret_is_in_no_later_answer(alice: Caller) -> None:
    made = await alice.done("POST", TOKENS, {"label": "lab"})
    path = f"{TOKENS}/{made['id']}"

    replies = [
        await alice.call("GET", path),
        await alice.call("GET", TOKENS),
        await alice.call("PATCH", path, {"label": "other"}),
        await alice.call("POST", f"{path}/take-over"),
        await alice.call("POST", f"{path}/revoke", {"devices": "keep"}),
    ]

    assert {reply.status for reply in replies} == {200}
    for reply in replies:
        assert "dwr_" not in reply.text
        assert "hash" not in reply.text
        assert made["token"][4:] not in reply.text


async def test_times_of_other_zones_are_kept_in_utc(alice: Caller) -> None:
    made = await alice.done("POST", TOKENS, {"label": "lab", "expires_at": "2999-01-01T00:00:00+02:00"})

    assert made["expires_at"] == "2998-12-31T22:00:00Z"


async def test_what_cannot_be_kept_is_refused(alice: Caller) -> None:
    replies = [(wrong, await alice.call("POST", TOKENS, {"label": "lab"} | wrong)) for wrong in WRONG]

    assert [wrong for wrong, reply in replies if reply.refusal != (422, "invalid_body")] == []
    assert (await alice.done("GET", TOKENS))["items"] == []


async def test_a_token_that_expires_now_is_refused_and_one_of_a_second_later_is_not(
    alice: Caller, clock: FakeClock
) -> None:
    now, later = clock.now(), clock.now() + timedelta(seconds=1)

    refused = await alice.call("POST", TOKENS, {"label": "lab", "expires_at": written(now)})
    made = await alice.call("POST", TOKENS, {"label": "lab", "expires_at": written(later)})

    assert refused.refusal == (422, "invalid_body")
    assert made.status == 201


async def test_a_label_for_pages_and_shells_is_kept_as_it_is(alice: Caller) -> None:
    label = "</script><b>'\";$(reboot) Zoë"

    made = await alice.done("POST", TOKENS, {"label": label})

    assert made["label"] == label


# Who may


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN, Role.OWNER])
async def test_members_make_tokens_that_they_own(
    server: ApiServer, alice: Caller, bob: Caller, role: Role
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.OWNER, bob: role})

    made = await bob.done("POST", TOKENS, {"label": "lab", "tenant_id": tenant_id})

    assert (made["tenant_id"], made["owner_id"]) == (tenant_id, await id_of(bob))


async def test_a_viewer_makes_none(server: ApiServer, alice: Caller, bob: Caller) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.OWNER, bob: Role.VIEWER})

    reply = await bob.call("POST", TOKENS, {"label": "lab", "tenant_id": tenant_id})

    assert reply.refusal == (403, "forbidden")


async def test_a_foreign_tenant_looks_like_one_that_never_was(alice: Caller, bob: Caller) -> None:
    foreign = (await bob.done("GET", "/users/me"))["personal_tenant_id"]

    replies = [
        await alice.call("POST", TOKENS, {"label": "lab", "tenant_id": tenant_id})
        for tenant_id in (foreign, "ten_0000000000000000000000")
    ]

    assert [reply.refusal for reply in replies] == [(404, "not_found")] * 2
    assert replies[0].body["detail"] == replies[1].body["detail"]


@pytest.mark.parametrize("vouching", [{"pre_approved": True}, {"taints": ["prod"]}], ids=str)
async def test_a_member_cannot_give_devices_what_only_administrators_give(
    server: ApiServer, alice: Caller, bob: Caller, vouching: dict[str, Any]
) -> None:
    """Otherwise a member would approve, by way of a token, what they may not approve."""
    members = {alice: Role.ADMIN, bob: Role.MEMBER}
    tenant_id = await shared_tenant(server, members, approval=DeviceApproval.REQUIRED)
    asked = {"label": "lab", "tenant_id": tenant_id, **vouching}

    by_member = await bob.call("POST", TOKENS, asked)
    by_admin = await alice.call("POST", TOKENS, asked)

    assert by_member.refusal == (403, "forbidden")
    assert by_admin.status == 201


@pytest.mark.parametrize(
    ("scope", "may_read", "may_write"),
    [("tokens:read", True, False), ("tokens:write", False, True), ("devices:write", False, False)],
)
async def test_a_narrowed_login_does_what_its_scope_says(
    server: ApiServer, issuer: FakeIssuer, scope: str, may_read: bool, may_write: bool
) -> None:
    narrowed = user(server, issuer, "alice", scope=f"openid {scope}")

    read = await narrowed.call("GET", TOKENS)
    written_ = await narrowed.call("POST", TOKENS, {"label": "lab"})

    assert read.status == (200 if may_read else 403)
    assert written_.status == (201 if may_write else 403)


# A request that is repeated


async def test_a_repeat_shows_a_new_secret_of_the_same_token(server: ApiServer, alice: Caller) -> None:
    first = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)
    again = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)

    by_first = await holder(server, first.body["token"]).call("POST", "/devices", {"name": "web"})
    by_second = await holder(server, again.body["token"]).call("POST", "/devices", {"name": "web"})

    assert (first.status, again.status) == (201, 200)
    assert first.body["id"] == again.body["id"]
    assert len((await alice.done("GET", TOKENS))["items"]) == 1
    assert by_first.refusal == (401, "invalid_token")
    assert by_second.status == 201


async def test_a_repeat_after_the_secret_was_used_is_refused(server: ApiServer, alice: Caller) -> None:
    made = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)
    await holder(server, made.body["token"]).done("POST", "/devices", {"name": "web"})

    again = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)

    assert again.refusal == (409, "secret_already_used")
    await holder(server, made.body["token"]).done("POST", "/devices", {"name": "web2"})


async def test_a_key_of_another_request_is_refused(alice: Caller) -> None:
    await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)

    reply = await alice.call("POST", TOKENS, {"label": "other"}, headers=KEY)

    assert reply.refusal == (422, "idempotency_key_reused")


async def test_two_callers_may_use_one_key(alice: Caller, bob: Caller) -> None:
    first = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)
    second = await bob.call("POST", TOKENS, {"label": "lab"}, headers=KEY)

    assert (first.status, second.status) == (201, 201)
    assert first.body["id"] != second.body["id"]


async def test_a_refused_request_leaves_its_key_free(alice: Caller) -> None:
    body = {"label": "lab", "tenant_id": "ten_0000000000000000000000"}

    refused = await alice.call("POST", TOKENS, body, headers=KEY)
    made = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)

    assert (refused.status, made.status) == (404, 201)


async def test_a_repeat_brings_no_secret_of_a_revoked_token(alice: Caller) -> None:
    made = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)
    await alice.done("POST", f"{TOKENS}/{made.body['id']}/revoke", {"devices": "keep"})

    again = await alice.call("POST", TOKENS, {"label": "lab"}, headers=KEY)

    assert again.refusal == (409, "wrong_state")


async def test_a_repeat_brings_no_secret_of_a_token_that_was_taken_over(
    server: ApiServer, alice: Caller, bob: Caller
) -> None:
    tenant_id = await shared_tenant(server, {alice: Role.ADMIN, bob: Role.MEMBER})
    body = {"label": "lab", "tenant_id": tenant_id}
    made = await bob.call("POST", TOKENS, body, headers=KEY)
    await alice.done("POST", f"{TOKENS}/{made.body['id']}/take-over")

    again = await bob.call("POST", TOKENS, body, headers=KEY)

    assert again.refusal == (404, "not_found")
