"""Who makes, sees and ends the services of a tenant, also when several things happen at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from apiserver.tenants.tenants import TenantId
from tests.apiserver.callers import holder
from tests.apiserver.tenants.people import DEVICES, TENANTS, Person
from tests.apiserver.tenants.services import (
    AUDIT,
    NEVER_WAS,
    REGISTRATION_TOKENS,
    SERVICE_TOKENS,
    give,
    service_of,
)
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def works(alice: Person, bob: Person) -> TenantId:
    """A tenant of Alice's with Bob as an admin."""
    tenant_id = await alice.makes_tenant()
    await alice.brings_in(bob, tenant_id, "admin")
    return tenant_id


class TestWhoManagesThem:
    @pytest.mark.parametrize("role", ["viewer", "member"])
    async def test_only_administrators_and_owners_do(
        self, alice: Person, bob: Person, works: TenantId, role: str
    ) -> None:
        service = await service_of(alice, works)
        await give(alice, bob, works, role)
        asked = {"label": "ci", "scopes": ["devices:read"], "tenant_id": works}

        made = await bob.call("POST", SERVICE_TOKENS, asked)
        listed = await bob.call("GET", f"{SERVICE_TOKENS}?tenant_id={works}")
        shown = await bob.call("GET", f"{SERVICE_TOKENS}/{service.id}")
        ended = await bob.call("POST", f"{SERVICE_TOKENS}/{service.id}/revoke")

        assert {made.refusal, listed.refusal} == {(403, "forbidden")}
        assert {shown.refusal, ended.refusal} == {(404, "not_found")}
        assert (await service.call("GET", DEVICES)).status == 200

    async def test_who_is_no_administrator_any_more_does_not_even_end_their_own(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        service = await service_of(bob, works)
        await give(alice, bob, works, "member")

        refused = await bob.call("POST", f"{SERVICE_TOKENS}/{service.id}/revoke")

        assert refused.refusal == (403, "forbidden")

    async def test_an_administrator_sees_and_ends_those_of_others(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        service = await service_of(alice, works)
        listed = await bob.done("GET", f"{SERVICE_TOKENS}?tenant_id={works}")
        ended = await bob.done("POST", f"{SERVICE_TOKENS}/{service.id}/revoke")

        assert [item["id"] for item in listed["items"]] == [service.id]
        assert (ended["state"], ended["owner_id"]) == ("revoked", await alice.id())
        assert (await service.call("GET", DEVICES)).refusal == (401, "service_token_revoked")

    async def test_to_a_stranger_they_are_like_what_never_was(
        self, alice: Person, carol: Person, works: TenantId
    ) -> None:
        service = await service_of(alice, works)

        async def told(tenant_id: str, token_id: str) -> list[Any]:
            asked = {"label": "ci", "scopes": ["devices:read"], "tenant_id": tenant_id}
            replies = [
                await carol.call("POST", SERVICE_TOKENS, asked),
                await carol.call("GET", f"{SERVICE_TOKENS}?tenant_id={tenant_id}"),
                await carol.call("GET", f"{SERVICE_TOKENS}/{token_id}"),
                await carol.call("POST", f"{SERVICE_TOKENS}/{token_id}/revoke"),
            ]
            return [reply.body | {"request_id": ""} for reply in replies]

        known, unknown = await told(works, service.id), await told(NEVER_WAS[0], "svt_0000000000000000000000")

        assert {body["code"] for body in known} == {"not_found"}
        assert known == unknown

    async def test_their_life_is_told_without_a_secret(self, alice: Person, works: TenantId) -> None:
        body = {"label": "ci", "scopes": ["devices:read"], "tenant_id": works}
        made = [
            await alice.call("POST", SERVICE_TOKENS, body, headers={"Idempotency-Key": "once"})
            for _ in range(2)
        ]
        token_id = made[0].body["id"]
        for _ in range(2):
            await alice.done("POST", f"{SERVICE_TOKENS}/{token_id}/revoke")

        events = await alice.call("GET", f"{AUDIT}?tenant_id={works}&target_id={token_id}")
        assert [event["action"] for event in events.body["items"]] == [
            "service_token.revoked",
            "service_token.rotated",
            "service_token.created",
        ]
        assert events.body["items"][-1]["after"] == {
            "owner_id": await alice.id(),
            "label": "ci",
            "scopes": ["devices:read"],
            "expires_at": made[0].body["expires_at"],
        }
        assert not [reply for reply in made if reply.body["token"][26:] in events.text]


class TestAtOnce:
    async def test_of_a_first_use_and_a_repeat_one_wins(self, alice: Person, works: TenantId) -> None:
        """Never both: the service would hold a secret that is replaced, or its maker one that never was."""
        outcomes = set()
        for number in range(12):
            body = {"label": "ci", "scopes": ["devices:read"], "tenant_id": works}
            key = {"Idempotency-Key": f"once-{number}"}
            first = await alice.call("POST", SERVICE_TOKENS, body, headers=key)
            service = holder(alice.server, first.body["token"])
            used, again = await asyncio.gather(
                service.call("GET", DEVICES), alice.call("POST", SERVICE_TOKENS, body, headers=key)
            )
            outcomes.add((used.refusal, again.refusal))

        service_won = ((200, None), (409, "secret_already_used"))
        repeat_won = ((401, "invalid_token"), (200, None))
        assert outcomes <= {service_won, repeat_won}

    async def test_of_many_revocations_one_is_told(self, alice: Person, works: TenantId) -> None:
        service = await service_of(alice, works)
        path = f"{SERVICE_TOKENS}/{service.id}/revoke"

        replies = await asyncio.gather(*(alice.call("POST", path) for _ in range(6)))

        told = await alice.done("GET", f"{AUDIT}?tenant_id={works}&action=service_token.revoked")
        assert [(reply.status, reply.body["state"]) for reply in replies] == [(200, "revoked")] * 6
        assert len(told["items"]) == 1

    async def test_nothing_is_done_after_an_acknowledged_revocation(
        self, alice: Person, works: TenantId
    ) -> None:
        """What was begun before may still be done: it was allowed then."""
        service = await service_of(alice, works)
        begun = asyncio.gather(
            *(service.call("POST", DEVICES, {"name": f"web-{number}"}) for number in range(6))
        )
        await alice.done("POST", f"{SERVICE_TOKENS}/{service.id}/revoke")
        late = await service.call("POST", DEVICES, {"name": "late"})

        assert late.refusal == (401, "service_token_revoked")
        assert {reply.status for reply in await begun} <= {201, 401}

    @pytest.mark.parametrize("path", [DEVICES, REGISTRATION_TOKENS])
    async def test_a_request_that_keeps_its_body_back_does_nothing_after_a_revocation(
        self, alice: Person, works: TenantId, path: str
    ) -> None:
        """Who holds a secret that is about to be found out could open many of these, and wait."""
        service, ended = await service_of(alice, works), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            yield b'{"name": "late"' if path == DEVICES else b'{"label": "late"'
            await ended.wait()
            yield b"}"

        sent = {"Authorization": f"Bearer {service.bearer()}", "Content-Type": "application/json"}
        request = asyncio.ensure_future(
            alice.server.public.post(f"/api/v1{path}", data=slow_body(), headers=sent)
        )
        shown = f"{SERVICE_TOKENS}/{service.id}"
        await eventually(lambda: alice.done("GET", shown), lambda token: token["last_used_at"] is not None)
        await alice.done("POST", f"{shown}/revoke")
        ended.set()

        assert (await request).status == 404
        assert (await alice.done("GET", f"{path}?tenant_id={works}"))["items"] == []

    async def test_who_is_removed_leaves_no_service_that_was_made_meanwhile(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        asked = {"label": "ci", "scopes": ["devices:read"], "tenant_id": works}
        bobs = f"{TENANTS}/{works}/members/{await bob.id()}"

        *made, _removed = await asyncio.gather(
            *(bob.call("POST", SERVICE_TOKENS, asked) for _ in range(5)), alice.call("DELETE", bobs)
        )

        assert {reply.status for reply in made} <= {201, 404}
        listed = await alice.done("GET", f"{SERVICE_TOKENS}?tenant_id={works}")
        assert [item for item in listed["items"] if item["state"] != "revoked"] == []

    async def test_who_is_removed_leaves_nothing_that_lets_devices_in_by_what_a_service_made_meanwhile(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        services = [await service_of(bob, works) for _ in range(4)]
        bobs = f"{TENANTS}/{works}/members/{await bob.id()}"

        *made, _removed = await asyncio.gather(
            *(service.call("POST", REGISTRATION_TOKENS, {"label": "lab"}) for service in services * 2),
            *(service.call("POST", DEVICES, {"name": "web"}) for service in services),
            alice.call("DELETE", bobs),
        )

        assert {reply.status for reply in made} <= {201, 401, 404}
        tokens = await alice.done("GET", f"{REGISTRATION_TOKENS}?tenant_id={works}")
        devices = await alice.done("GET", f"{DEVICES}?tenant_id={works}")
        assert {item["state"] for item in tokens["items"] + devices["items"]} <= {"suspended"}
        verdict = await alice.done("POST", f"{AUDIT}/verify", {"tenant_id": works})
        assert verdict["is_intact"]
