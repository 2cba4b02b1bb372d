"""Service tokens over HTTP: made, listed, ended; and what is told to who presents one."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from apiserver.auth.scopes import Scope
from apiserver.tokens.secret import SecretKind, mint
from common.randomness import SystemRandomness
from tests.apiserver.callers import Caller, Reply, holder
from tests.apiserver.server import ApiServer
from tests.fakes.clock import FakeClock

PATH = "/service-tokens"
UNKNOWN = "svt_0000000000000000000000"


def body(**fields: Any) -> dict[str, Any]:
    return {"label": "ci", "scopes": ["devices:read"], **fields}


def written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


async def made(maker: Caller, **fields: Any) -> dict[str, Any]:
    return dict(await maker.done("POST", PATH, body(**fields)))


async def revoke(maker: Caller, token: dict[str, Any]) -> Reply:
    return await maker.call("POST", f"{PATH}/{token['id']}/revoke")


class TestMaking:
    async def test_it_shows_its_secret_once_and_holds_for_ninety_days(
        self, alice: Caller, clock: FakeClock
    ) -> None:
        answer = await alice.call("POST", PATH, body(scopes=["tokens:read", "devices:read"]))

        me = await alice.done("GET", "/users/me")
        token = answer.body.pop("token")
        assert answer.status == 201
        assert token.startswith("dws_")
        assert answer.body.pop("id").removeprefix("svt_") == token[4:26]
        assert answer.body == {
            "tenant_id": me["personal_tenant_id"],
            "owner_id": me["id"],
            "label": "ci",
            "scopes": ["devices:read", "tokens:read"],
            "created_at": written(clock.now()),
            "expires_at": written(clock.now() + timedelta(days=90)),
            "last_used_at": None,
            "state": "active",
        }

    async def test_nobody_is_shown_the_secret_again(self, alice: Caller) -> None:
        token = await made(alice)
        shown = await alice.call("GET", f"{PATH}/{token['id']}")
        listed = await alice.call("GET", PATH)

        del token["token"]
        assert shown.body == token
        assert listed.body == {"items": [token], "next_cursor": None}

    @pytest.mark.parametrize(
        ("days", "status"), [(-1, 422), (0, 422), (1, 201), (366, 201), (366.001, 422), (400_000, 422)]
    )
    async def test_it_holds_for_a_year_at_most(
        self, alice: Caller, clock: FakeClock, days: float, status: int
    ) -> None:
        expires_at = (clock.now() + timedelta(days=days)).isoformat()

        assert (await alice.call("POST", PATH, body(expires_at=expires_at))).status == status

    @pytest.mark.parametrize(
        "fields",
        [
            {"scopes": []},
            {"scopes": ["devices:everything"]},
            {"scopes": "devices:read"},
            {"scopes": None},
            {"label": " "},
            {"label": "x" * 101},
            {"label": "a\u202eb"},
            {"tenant_id": "ten_1"},
            {"expires_at": "9999-12-31T23:59:59-23:00"},
            {"expires_at": "2030-01-01T00:00:00"},
            {"owner_id": "usr_0000000000000000000000"},
            {"token": "dws_"},
        ],
        ids=str,
    )
    async def test_what_it_cannot_be_is_refused(self, alice: Caller, fields: dict[str, Any]) -> None:
        assert (await alice.call("POST", PATH, body(**fields))).refusal == (422, "invalid_body")

    async def test_a_scope_that_is_named_twice_is_given_once(self, alice: Caller) -> None:
        assert (await made(alice, scopes=["devices:read", "devices:read"]))["scopes"] == ["devices:read"]


class TestRepeating:
    KEY = {"Idempotency-Key": "once"}  # noqa: RUF012 - it is not changed

    async def test_a_repeat_shows_a_new_secret_for_the_same_token_while_the_first_is_unused(
        self, server: ApiServer, alice: Caller
    ) -> None:
        first = await alice.call("POST", PATH, body(), headers=self.KEY)
        again = await alice.call("POST", PATH, body(), headers=self.KEY)

        assert (again.status, first.status) == (200, 201)
        assert {**again.body, "token": ""} == {**first.body, "token": ""}
        old, new = holder(server, first.body["token"]), holder(server, again.body["token"])
        assert (await old.call("GET", "/users/me")).refusal == (401, "invalid_token")
        assert (await new.call("GET", "/users/me")).refusal == (403, "forbidden")

    async def test_a_repeat_after_the_first_use_locks_nobody_out(
        self, server: ApiServer, alice: Caller
    ) -> None:
        """However short ago that was: a first use is written at once."""
        first = await alice.call("POST", PATH, body(), headers=self.KEY)
        service = holder(server, first.body["token"])
        await service.call("GET", "/users/me")

        again = await alice.call("POST", PATH, body(), headers=self.KEY)

        assert again.refusal == (409, "secret_already_used")
        assert (await service.call("GET", "/users/me")).status == 403

    async def test_a_repeat_of_what_was_revoked_opens_nothing(self, alice: Caller) -> None:
        first = await alice.call("POST", PATH, body(), headers=self.KEY)
        await revoke(alice, first.body)

        again = await alice.call("POST", PATH, body(), headers=self.KEY)

        assert again.refusal == (409, "wrong_state")

    async def test_another_request_with_the_same_key_is_refused(self, alice: Caller) -> None:
        await alice.call("POST", PATH, body(), headers=self.KEY)

        other = await alice.call("POST", PATH, body(label="other"), headers=self.KEY)

        assert other.refusal == (422, "idempotency_key_reused")


class TestPresenting:
    async def test_an_unknown_one_is_refused_without_a_reason(
        self, server: ApiServer, alice: Caller, clock: FakeClock
    ) -> None:
        """One that was never, one with the id of another, one of another kind with its id: one answer."""
        token = await made(alice)
        own_id, randomness = token["id"].removeprefix("svt_"), SystemRandomness()
        secrets = [
            mint(SecretKind.SERVICE, "0" * 22, randomness),
            mint(SecretKind.SERVICE, own_id, randomness),
            mint(SecretKind.DEVICE, own_id, randomness),
            mint(SecretKind.REGISTRATION, own_id, randomness),
        ]

        bodies = [
            (await holder(server, secret.reveal()).call("GET", "/devices")).body | {"request_id": ""}
            for secret in secrets
        ]
        bent = await holder(server, token["token"][:-1] + "!").call("GET", "/devices")

        assert bodies[0]["code"] == "invalid_token"
        assert bodies == [bodies[0]] * 4
        assert bent.body | {"request_id": ""} == bodies[0]

    async def test_one_that_was_revoked_is_told_so(self, server: ApiServer, alice: Caller) -> None:
        token = await made(alice)
        await revoke(alice, token)

        refused = await holder(server, token["token"]).call("GET", "/devices")

        assert refused.refusal == (401, "service_token_revoked")
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    async def test_one_that_has_expired_is_told_so_to_the_second(
        self, server: ApiServer, alice: Caller, clock: FakeClock
    ) -> None:
        token = await made(alice, expires_at=(clock.now() + timedelta(hours=1)).isoformat())
        service = holder(server, token["token"])
        clock.advance(seconds=3599)
        before = await service.call("GET", "/devices")
        clock.advance(seconds=1)
        after = await service.call("GET", "/devices")

        assert before.status == 200
        assert after.refusal == (401, "service_token_expired")
        assert (await alice.done("GET", f"{PATH}/{token['id']}"))["state"] == "expired"

    async def test_a_wrong_one_is_not_told_that_the_right_one_was_revoked(
        self, server: ApiServer, alice: Caller
    ) -> None:
        token = await made(alice)
        await revoke(alice, token)
        wrong = mint(SecretKind.SERVICE, token["id"].removeprefix("svt_"), SystemRandomness())

        refused = await holder(server, wrong.reveal()).call("GET", "/devices")

        assert refused.refusal == (401, "invalid_token")

    async def test_it_is_neither_a_device_nor_a_registration_token_nor_a_user(
        self, server: ApiServer, alice: Caller
    ) -> None:
        service = holder(server, (await made(alice, scopes=sorted(Scope)))["token"])
        refused = [
            await service.call("GET", "/devices/me"),
            await service.call("GET", "/users/me"),
            await service.call("GET", PATH),
            await service.call("POST", PATH, body()),
        ]

        assert {reply.refusal for reply in refused} == {(403, "forbidden")}

    async def test_when_it_was_used_is_written_at_once_and_then_in_batches(
        self, server: ApiServer, alice: Caller, clock: FakeClock
    ) -> None:
        token = await made(alice)
        service = holder(server, token["token"])

        async def last_used() -> str:
            return str((await alice.done("GET", f"{PATH}/{token['id']}"))["last_used_at"])

        await service.call("GET", "/devices")
        first_use = written(clock.now())
        clock.advance(minutes=5)
        await service.call("GET", "/devices")
        before = await last_used()
        await server.parts.service_tokens_last_used.write()

        assert before == first_use
        assert await last_used() == written(clock.now())

    async def test_a_refused_one_was_not_used(self, server: ApiServer, alice: Caller) -> None:
        token = await made(alice)
        await revoke(alice, token)
        await holder(server, token["token"]).call("GET", "/devices")

        assert (await alice.done("GET", f"{PATH}/{token['id']}"))["last_used_at"] is None


class TestRevoking:
    async def test_it_ends_at_once_and_stays_so(self, server: ApiServer, alice: Caller) -> None:
        token = await made(alice)
        service = holder(server, token["token"])
        before = await service.call("GET", "/devices")
        replies = [await revoke(alice, token) for _ in range(2)]

        assert before.status == 200
        assert [(reply.status, reply.body["state"]) for reply in replies] == [(200, "revoked")] * 2
        assert (await service.call("GET", "/devices")).status == 401

    async def test_the_others_hold(self, server: ApiServer, alice: Caller) -> None:
        token, other = await made(alice), await made(alice)
        await revoke(alice, token)

        assert (await holder(server, other["token"]).call("GET", "/devices")).status == 200

    async def test_one_that_never_was_is_not_found(self, alice: Caller) -> None:
        refused = [
            await alice.call("GET", f"{PATH}/{UNKNOWN}"),
            await alice.call("POST", f"{PATH}/{UNKNOWN}/revoke"),
            await alice.call("GET", f"{PATH}/rgt_0000000000000000000000"),
        ]

        assert [reply.refusal for reply in refused] == [(404, "not_found")] * 3


class TestListing:
    async def test_it_goes_page_by_page_both_ways(self, alice: Caller, clock: FakeClock) -> None:
        ids = []
        for _ in range(3):
            clock.advance(seconds=1)
            ids.append((await made(alice))["id"])

        newest = await alice.done("GET", f"{PATH}?limit=2")
        rest = await alice.done("GET", f"{PATH}?limit=2&cursor={newest['next_cursor']}")
        oldest = await alice.done("GET", f"{PATH}?sort=created_at&limit=2")
        last = await alice.done("GET", f"{PATH}?sort=created_at&cursor={oldest['next_cursor']}")

        assert [item["id"] for page in (newest, rest) for item in page["items"]] == ids[::-1]
        assert [item["id"] for page in (oldest, last) for item in page["items"]] == ids
        assert rest["next_cursor"] is None

    @pytest.mark.parametrize("query", ["sort=label", "cursor=x", "limit=0", "state=active"])
    async def test_a_query_that_cannot_be_is_refused(self, alice: Caller, query: str) -> None:
        assert (await alice.call("GET", f"{PATH}?{query}")).refusal == (400, "bad_request")
