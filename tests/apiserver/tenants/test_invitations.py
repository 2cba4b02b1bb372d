"""Invitations: made, listed, revoked, accepted once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from apiserver.tenants.tenants import TenantId
from apiserver.tokens.secret import SecretKind, mint
from tests.apiserver.callers import holder
from tests.apiserver.tenants.people import ACCEPT, TENANTS, Person, somebody
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "This invitation cannot be used."


@pytest_asyncio.fixture(loop_scope="module")
async def works(alice: Person) -> TenantId:
    """A private tenant of Alice's."""
    return await alice.makes_tenant()


def written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_an_invitation_shows_its_token_once_and_holds_for_a_week(
    alice: Person, works: TenantId, clock: FakeClock
) -> None:
    answer = await alice.call("POST", f"{TENANTS}/{works}/invitations", {"role": "member"})

    token = answer.body.pop("token")
    assert answer.status == 201
    assert answer.body.pop("id").removeprefix("inv_") == token[4:26]
    assert token.startswith("dwi_")
    assert answer.body == {
        "tenant_id": works,
        "role": "member",
        "created_by": await alice.id(),
        "created_at": written(clock.now()),
        "expires_at": written(clock.now() + timedelta(days=7)),
    }
    listed = await alice.call("GET", f"{TENANTS}/{works}/invitations")
    assert [invitation["state"] for invitation in listed.body["items"]] == ["open"]
    assert token[26:] not in str(listed.body)


async def test_who_accepts_becomes_a_member_with_that_role(
    alice: Person, bob: Person, works: TenantId, clock: FakeClock
) -> None:
    invitation = await alice.invites(works, "admin")
    clock.advance(days=6)

    accepted = await bob.done("POST", ACCEPT, {"token": invitation["token"]})

    assert (accepted["id"], accepted["role"]) == (works, "admin")
    assert await bob.done("GET", f"{TENANTS}/{works}") == accepted
    (listed,) = (await alice.done("GET", f"{TENANTS}/{works}/invitations"))["items"]
    assert (listed["state"], listed["accepted_by"]) == ("accepted", await bob.id())
    assert listed["accepted_at"] == written(clock.now())


async def test_an_invitation_is_accepted_once(
    alice: Person, bob: Person, carol: Person, works: TenantId
) -> None:
    token = {"token": (await alice.invites(works))["token"]}
    await bob.done("POST", ACCEPT, token)

    again = await carol.call("POST", ACCEPT, token)

    assert again.refusal == (403, "invitation_not_usable")
    assert again.body["detail"].startswith("This invitation was accepted before.")
    assert (await carol.call("GET", f"{TENANTS}/{works}")).status == 404


async def test_of_many_who_accept_at_once_one_gets_in(alice: Person, works: TenantId) -> None:
    token = {"token": (await alice.invites(works))["token"]}
    people = [somebody(alice.server, alice.issuer) for _ in range(6)]
    await asyncio.gather(*(person.id() for person in people))

    answers = await asyncio.gather(*(person.call("POST", ACCEPT, token) for person in people))

    assert sorted(answer.status for answer in answers) == [200, 403, 403, 403, 403, 403]
    members = await alice.done("GET", f"{TENANTS}/{works}/members")
    assert len(members["items"]) == 2


async def test_who_is_a_member_spends_no_invitation(alice: Person, bob: Person, works: TenantId) -> None:
    token = {"token": (await alice.invites(works, "viewer"))["token"]}

    own = await alice.call("POST", ACCEPT, token)

    assert own.refusal == (409, "already_member")
    assert (await alice.done("GET", f"{TENANTS}/{works}"))["role"] == "owner"
    assert (await bob.call("POST", ACCEPT, token)).status == 200


async def test_an_expired_invitation_says_so(
    alice: Person, bob: Person, works: TenantId, clock: FakeClock
) -> None:
    expires_at = clock.now() + timedelta(hours=1)
    first = await alice.invites(works, expires_at=written(expires_at))
    second = await alice.invites(works, expires_at=written(expires_at + timedelta(seconds=1)))
    clock.advance(hours=1)

    late = await bob.call("POST", ACCEPT, {"token": first["token"]})

    assert late.refusal == (403, "invitation_not_usable")
    assert late.body["detail"].startswith("This invitation has expired.")
    assert (await bob.call("POST", ACCEPT, {"token": second["token"]})).status == 200


async def test_a_revoked_invitation_says_so_and_stays_revoked(
    alice: Person, bob: Person, works: TenantId
) -> None:
    invitation = await alice.invites(works)
    path = f"{TENANTS}/{works}/invitations/{invitation['id']}"

    assert [(await alice.call("DELETE", path)).status for _ in range(2)] == [204, 204]

    refused = await bob.call("POST", ACCEPT, {"token": invitation["token"]})
    assert refused.refusal == (403, "invitation_not_usable")
    assert refused.body["detail"].startswith("This invitation was revoked.")


async def test_an_accepted_invitation_is_not_revoked(alice: Person, bob: Person, works: TenantId) -> None:
    invitation = await alice.invites(works)
    await bob.done("POST", ACCEPT, {"token": invitation["token"]})

    refused = await alice.call("DELETE", f"{TENANTS}/{works}/invitations/{invitation['id']}")

    assert refused.refusal == (409, "wrong_state")
    assert (await bob.call("GET", f"{TENANTS}/{works}")).status == 200


async def test_an_invitation_ends_with_its_tenant(alice: Person, bob: Person, works: TenantId) -> None:
    invitation = await alice.invites(works)
    await alice.done("DELETE", f"{TENANTS}/{works}")

    refused = await bob.call("POST", ACCEPT, {"token": invitation["token"]})

    assert refused.refusal == (403, "invitation_not_usable")


def one_letter_on(token: str) -> str:
    """The token with another secret, and without a checksum that fits."""
    return token[:30] + ("a" if token[30] != "a" else "b") + token[31:]


@pytest.mark.parametrize(
    "bent",
    [
        lambda token: "",
        lambda token: "dwi_",
        lambda token: token[:-1],
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token + "\0",
        lambda token: "dwr_" + token[4:],
        one_letter_on,
        lambda token: token * 800,
        lambda token: "x" * 75,
        lambda token: "ä" * 75,
    ],
)
async def test_what_is_no_invitation_is_refused_without_a_reason(
    alice: Person, bob: Person, works: TenantId, bent: Any
) -> None:
    token = (await alice.invites(works))["token"]

    refused = await bob.call("POST", ACCEPT, {"token": bent(token)})

    assert (refused.refusal, refused.body["detail"]) == ((403, "invitation_not_usable"), UNKNOWN)
    assert (await bob.call("POST", ACCEPT, {"token": token})).status == 200


async def test_well_formed_secrets_that_are_none_are_refused_as_junk_is(
    alice: Person, bob: Person, works: TenantId, clock: FakeClock
) -> None:
    """A secret that was never, one of another row's id, one of another kind: one answer."""
    invitation = await alice.invites(works)
    own_id = invitation["id"].removeprefix("inv_")
    randomness = alice.server.parts.randomness
    secrets = [
        mint(SecretKind.INVITATION, "0" * 22, randomness),
        mint(SecretKind.INVITATION, own_id, randomness),
        mint(SecretKind.DEVICE, own_id, randomness),
    ]

    for secret in secrets:
        refused = await bob.call("POST", ACCEPT, {"token": secret.reveal()})
        assert (refused.status, refused.body["detail"]) == (403, UNKNOWN)


async def test_an_invitation_opens_nothing_as_a_bearer_token(alice: Person, works: TenantId) -> None:
    token = (await alice.invites(works))["token"]

    answer = await holder(alice.server, token).call("GET", f"{TENANTS}/{works}")

    assert answer.status == 401


@pytest.mark.parametrize("inviter", ["viewer", "member", "admin", "owner"])
async def test_who_may_invite_as_what(alice: Person, bob: Person, works: TenantId, inviter: str) -> None:
    await alice.brings_in(bob, works, inviter)
    path = f"{TENANTS}/{works}/invitations"

    invited = {
        role: (await bob.call("POST", path, {"role": role})).status
        for role in ("viewer", "member", "admin", "owner")
    }

    assert invited == {
        role: 201 if inviter == "owner" or (inviter == "admin" and role != "owner") else 403
        for role in invited
    }


@pytest.mark.parametrize(
    ("days", "status"), [(-1, 422), (0, 422), (1, 201), (30, 201), (30.001, 422), (40000, 422)]
)
async def test_an_invitation_holds_for_a_month_at_most(
    alice: Person, works: TenantId, clock: FakeClock, days: float, status: int
) -> None:
    expires_at = (clock.now() + timedelta(days=days)).isoformat()

    answer = await alice.call(
        "POST", f"{TENANTS}/{works}/invitations", {"role": "member", "expires_at": expires_at}
    )

    assert answer.status == status


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"role": "king"},
        {"role": "member", "expires_at": "2030-01-01T00:00:00"},
        {"role": "member", "expires_at": "tomorrow"},
        {"role": "member", "expires_at": 0},
        {"role": "member", "email": "bob@example.test"},
    ],
    ids=str,
)
async def test_what_an_invitation_cannot_be_is_refused(
    alice: Person, works: TenantId, fields: dict[str, Any]
) -> None:
    answer = await alice.call("POST", f"{TENANTS}/{works}/invitations", fields)

    assert answer.refusal == (422, "invalid_body")


async def test_a_repeat_shows_a_new_token_for_the_same_invitation_while_it_is_open(
    alice: Person, bob: Person, carol: Person, works: TenantId
) -> None:
    path, key = f"{TENANTS}/{works}/invitations", {"Idempotency-Key": "once"}
    first = await alice.call("POST", path, {"role": "member"}, headers=key)
    again = await alice.call("POST", path, {"role": "member"}, headers=key)

    assert again.status == 200
    assert again.body["token"] != first.body["token"]
    assert {**again.body, "token": ""} == {**first.body, "token": ""}

    assert (await bob.call("POST", ACCEPT, {"token": first.body["token"]})).status == 403
    assert (await bob.call("POST", ACCEPT, {"token": again.body["token"]})).status == 200

    late = await alice.call("POST", path, {"role": "member"}, headers=key)
    assert late.refusal == (409, "secret_already_used")


async def test_a_repeat_of_what_was_revoked_opens_nothing(alice: Person, works: TenantId) -> None:
    path, key = f"{TENANTS}/{works}/invitations", {"Idempotency-Key": "once"}
    first = await alice.call("POST", path, {"role": "member"}, headers=key)
    await alice.done("DELETE", f"{path}/{first.body['id']}")

    again = await alice.call("POST", path, {"role": "member"}, headers=key)

    assert again.refusal == (403, "invitation_not_usable")


async def test_invitations_are_listed_the_newest_first_page_by_page(
    alice: Person, works: TenantId, clock: FakeClock
) -> None:
    made = []
    for _ in range(3):
        clock.advance(seconds=1)
        made.append((await alice.invites(works))["id"])
    path = f"{TENANTS}/{works}/invitations"

    first = await alice.done("GET", f"{path}?limit=2")
    second = await alice.done("GET", f"{path}?limit=2&cursor={first['next_cursor']}")
    oldest = await alice.done("GET", f"{path}?sort=created_at&limit=2")
    newest = await alice.done("GET", f"{path}?sort=created_at&cursor={oldest['next_cursor']}")

    assert [item["id"] for page in (first, second) for item in page["items"]] == made[::-1]
    assert [item["id"] for page in (oldest, newest) for item in page["items"]] == made
    assert second["next_cursor"] is None


async def test_invitations_of_another_tenant_are_not_there(alice: Person, works: TenantId) -> None:
    other = await alice.makes_tenant()
    invitation = await alice.invites(works)

    assert (await alice.done("GET", f"{TENANTS}/{other}/invitations"))["items"] == []
    refused = await alice.call("DELETE", f"{TENANTS}/{other}/invitations/{invitation['id']}")
    never = await alice.call("DELETE", f"{TENANTS}/{works}/invitations/inv_0000000000000000000000")
    assert [(answer.status, answer.body["detail"]) for answer in (refused, never)] == [
        (404, "There is no such invitation.")
    ] * 2


async def test_no_log_line_holds_the_token(
    alice: Person, bob: Person, works: TenantId, capsys: pytest.CaptureFixture[str]
) -> None:
    token = (await alice.invites(works))["token"]
    for person in (bob, bob, alice):
        await person.call("POST", ACCEPT, {"token": token})

    printed = capsys.readouterr()
    assert f"/api/v1{ACCEPT}" in printed.out + printed.err
    assert token[26:] not in printed.out + printed.err
