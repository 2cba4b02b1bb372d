"""Service tokens over HTTP: made, listed, ended; and what is told to who presents one."""

from datetime import datetime, timedelta
from typing import Any

import pytest

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
