"""What a service may do: what its maker may by now, in one tenant, within its scopes."""

from typing import Any

import pytest
import pytest_asyncio

from apiserver.storage.contracts import Transaction
from apiserver.tenants.tenants import TenantId
from tests.apiserver.callers import Reply, holder
from tests.apiserver.tenants.people import DEVICES, TENANTS, Person
from tests.apiserver.tenants.services import (
    AUDIT,
    NEVER_WAS,
    REGISTRATION_TOKENS,
    SERVICE_TOKENS,
    everything_in,
    give,
    service_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def works(alice: Person, bob: Person) -> TenantId:
    """A tenant of Alice's with Bob as an admin."""
    tenant_id = await alice.makes_tenant(kind="community")
    await alice.brings_in(bob, tenant_id, "admin")
    return tenant_id


async def things_of(person: Person, tenant_id: TenantId) -> tuple[str, str, str]:
    """The tenant, a device that waits for its approval, a registration token: all of this person's."""
    await person.done("PATCH", f"{TENANTS}/{tenant_id}", {"device_approval": "required"})
    token = await person.has_token(tenant_id)
    device = await holder(person.server, token.secret).done("POST", DEVICES, {"name": "web"})
    return tenant_id, device["id"], token.id


async def tries(caller: Any, things: tuple[str, str, str]) -> dict[str, Reply]:
    """Each request of `everything_in`."""
    return {
        f"{method} {path} {body}": await call_raw(caller, method, path, body)
        for method, path, body in everything_in(*things)
    }


async def call_raw(caller: Any, method: str, path: str, body: Any) -> Reply:
    """As `Caller.call`; an export is no JSON."""
    sent = {"Authorization": f"Bearer {caller.bearer()}"}
    answer = await caller.server.public.request(method, f"/api/v1{path}", json=body, headers=sent)
    is_json = answer.content_type.endswith("json") and "ndjson" not in answer.content_type
    text = await answer.text()
    return Reply(answer.status, answer.headers, text, await answer.json() if is_json and text else None)


class TestItsTenant:
    async def test_it_does_what_its_maker_may(self, bob: Person, alice: Person, works: TenantId) -> None:
        """Also with what others own, since its maker is an administrator."""
        service = await service_of(bob, works)

        replies = await tries(service, await things_of(alice, works))

        assert {name: reply.text for name, reply in replies.items() if reply.status >= 300} == {}

    async def test_another_tenant_of_its_maker_is_like_one_that_never_was(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        other = await alice.makes_tenant()
        things = await things_of(alice, other)
        service = await service_of(alice, works)

        there, never = await tries(service, things), await tries(service, NEVER_WAS)

        for (name, reply), nothing in zip(there.items(), never.values(), strict=True):
            assert reply.refusal == (404, "not_found"), name
            assert reply.body | {"request_id": ""} == nothing.body | {"request_id": ""}, name
        assert {reply.status for reply in (await tries(alice, things)).values()} <= {200, 201}

    async def test_the_personal_tenant_of_its_maker_is_another_one(
        self, alice: Person, works: TenantId
    ) -> None:
        service = await service_of(alice, works)

        replies = await tries(service, await things_of(alice, await alice.personal_tenant()))

        assert {reply.refusal for reply in replies.values()} == {(404, "not_found")}

    async def test_where_no_tenant_is_named_it_is_its_own(self, alice: Person, works: TenantId) -> None:
        service = await service_of(alice, works)
        device = await service.done("POST", DEVICES, {"name": "web"})
        token = await service.done("POST", REGISTRATION_TOKENS, {"label": "lab"})
        devices, tokens = await service.done("GET", DEVICES), await service.done("GET", REGISTRATION_TOKENS)
        events = await service.done("GET", AUDIT)

        assert (device["tenant_id"], token["tenant_id"]) == (works, works)
        assert [item["id"] for item in devices["items"]] == [device["id"]]
        assert [item["id"] for item in tokens["items"]] == [token["id"]]
        assert {event["target_id"] for event in events["items"]} >= {device["id"], token["id"]}

    async def test_one_of_a_personal_tenant_acts_there(self, alice: Person) -> None:
        service = await service_of(alice)

        assert (await service.done("GET", f"{TENANTS}/{await alice.personal_tenant()}"))["is_personal"]

    async def test_what_it_makes_is_its_makers(self, alice: Person, works: TenantId) -> None:
        service = await service_of(alice, works)
        device = await service.done("POST", DEVICES, {"name": "web"})
        token = await service.done("POST", REGISTRATION_TOKENS, {"label": "lab"})
        shown = await alice.done("GET", f"{DEVICES}/{device['id']}")

        assert {shown["owner_id"], token["owner_id"]} == {await alice.id()}


class TestItsMaker:
    async def test_a_demoted_maker_demotes_it_at_once(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        service = await service_of(bob, works)
        of_alice, own = await things_of(alice, works), await bob.registers_device(works, "own")
        await give(alice, bob, works, "member")

        seen = await service.done("GET", DEVICES)
        approved = await service.call("POST", f"{DEVICES}/{own['id']}/approve")
        others = await service.call("POST", f"{DEVICES}/{of_alice[1]}/revoke")
        audit, members = (
            await service.call("GET", AUDIT),
            await service.call("GET", f"{TENANTS}/{works}/members"),
        )

        assert [device["id"] for device in seen["items"]] == [own["id"]]
        assert others.refusal == (404, "not_found")
        assert {reply.refusal for reply in (approved, audit, members)} == {(403, "forbidden")}

    async def test_that_of_a_viewer_changes_nothing(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        service = await service_of(bob, works)
        await give(alice, bob, works, "viewer")

        refused = [
            await service.call("POST", DEVICES, {"name": "web"}),
            await service.call("POST", REGISTRATION_TOKENS, {"label": "lab"}),
        ]

        assert {reply.refusal for reply in refused} == {(403, "forbidden")}
        assert (await service.done("GET", DEVICES))["items"] == []

    async def test_a_maker_who_is_an_admin_again_lifts_it_again(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        service = await service_of(bob, works)
        await give(alice, bob, works, "viewer")
        await give(alice, bob, works, "admin")

        assert (await service.call("GET", AUDIT)).status == 200

    @pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "left"])
    async def test_it_ends_with_the_membership_of_its_maker_and_for_ever(
        self, alice: Person, bob: Person, works: TenantId, is_removed: bool
    ) -> None:
        service, elsewhere = await service_of(bob, works), await service_of(bob)
        of_alice = await service_of(alice, works)
        who = alice if is_removed else bob
        await who.done("DELETE", f"{TENANTS}/{works}/members/{await bob.id()}")

        gone = await service.call("GET", f"{TENANTS}/{works}")
        await alice.brings_in(bob, works, "admin")
        back = await service.call("GET", f"{TENANTS}/{works}")

        assert gone.refusal == back.refusal == (401, "service_token_revoked")
        assert (await of_alice.call("GET", f"{TENANTS}/{works}")).status == 200
        assert (await elsewhere.call("GET", DEVICES)).status == 200

    async def test_the_event_of_a_departure_tells_how_many_ended(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        for _ in range(2):
            await service_of(bob, works)
        await alice.done("DELETE", f"{TENANTS}/{works}/members/{await bob.id()}")

        events = await alice.done("GET", f"{AUDIT}?tenant_id={works}&action=member.removed")
        assert events["items"][0]["after"]["revoked_service_tokens"] == 2

    async def test_without_a_membership_it_finds_nothing_though_it_was_not_revoked(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        """Its maker's membership is looked up with each deed: nothing has to be cleaned up in time."""
        service, things = await service_of(bob, works), await things_of(alice, works)
        bob_id = await bob.id()

        async def remove(transaction: Transaction) -> None:
            await transaction.tenants.remove_member(works, bob_id)

        await alice.server.parts.storage.write(remove)
        replies = await tries(service, things)

        assert {reply.refusal for reply in replies.values()} == {(404, "not_found")}

    async def test_it_ends_with_its_tenant(self, alice: Person, works: TenantId) -> None:
        service = await service_of(alice, works)
        await alice.done("DELETE", f"{TENANTS}/{works}")

        refused = await service.call("GET", f"{TENANTS}/{works}")
        listed = await alice.call("GET", f"{SERVICE_TOKENS}/{service.id}")

        assert refused.refusal == (401, "service_token_revoked")
        assert listed.refusal == (404, "not_found")


class TestWhatItIsCalled:
    async def test_the_audit_names_it_and_not_its_maker(self, alice: Person, works: TenantId) -> None:
        service = await service_of(alice, works)
        device = await service.done("POST", DEVICES, {"name": "web"})
        await service.done("POST", f"{DEVICES}/{device['id']}/suspend")

        events = await alice.done("GET", f"{AUDIT}?tenant_id={works}&target_id={device['id']}")
        assert [(event["action"], event["actor_kind"], event["actor_id"]) for event in events["items"]] == [
            ("device.suspended", "service_token", service.id),
            ("device.registered", "service_token", service.id),
        ]

    async def test_the_log_names_it(
        self, alice: Person, works: TenantId, capsys: pytest.CaptureFixture[str]
    ) -> None:
        service = await service_of(alice, works)
        await service.call("GET", DEVICES)

        line = next(line for line in capsys.readouterr().out.splitlines() if service.id in line)
        assert "caller=service_token" in line
        assert service.bearer()[26:] not in line

    async def test_idempotency_keys_are_its_own(self, alice: Person, works: TenantId) -> None:
        callers = [await service_of(alice, works), await service_of(alice, works), alice]
        key, body = {"Idempotency-Key": "once"}, {"name": "web", "tenant_id": works}

        made = [await caller.call("POST", DEVICES, body, headers=key) for caller in callers]
        again = [await caller.call("POST", DEVICES, body, headers=key) for caller in callers]

        assert len({reply.body["id"] for reply in made}) == 3
        assert [reply.body["id"] for reply in again] == [reply.body["id"] for reply in made]

    async def test_what_it_suspends_of_its_makers_was_not_done_by_an_administrator(
        self, alice: Person, bob: Person, works: TenantId
    ) -> None:
        """Else a member could not resume what their own service suspended."""
        service = await service_of(bob, works)
        alone = await bob.registers_device(works, "alone")
        token = await bob.has_token(works)
        joined = await holder(bob.server, token.secret).done("POST", DEVICES, {"name": "joined"})
        await service.done("POST", f"{DEVICES}/{alone['id']}/suspend")
        await service.done("POST", f"{REGISTRATION_TOKENS}/{token.id}/revoke", {"devices": "suspend"})
        await give(alice, bob, works, "member")

        resumed = [await bob.call("POST", f"{DEVICES}/{device['id']}/resume") for device in (alone, joined)]

        assert [reply.status for reply in resumed] == [200, 200]


class TestItsScopes:
    async def test_it_shuts_out_no_devices_of_a_token_without_the_scope_for_devices(
        self, alice: Person, works: TenantId
    ) -> None:
        service, token = await service_of(alice, works, "tokens:write"), await alice.has_token(works)
        path = f"{REGISTRATION_TOKENS}/{token.id}/revoke"

        refused = await service.call("POST", path, {"devices": "revoke"})

        assert refused.refusal == (403, "insufficient_scope")
        assert (await service.call("POST", path, {"devices": "keep"})).status == 200

    @pytest.mark.parametrize("given", [{"pre_approved": True}, {"taints": ["prod"]}], ids=str)
    async def test_it_vouches_for_no_devices_by_a_token_without_the_scope_for_devices(
        self, alice: Person, works: TenantId, given: dict[str, Any]
    ) -> None:
        """Its maker may approve devices; it may not, and nobody who joins by what it makes is approved."""
        service = await service_of(alice, works, "tokens:write")
        both = await service_of(alice, works, "tokens:write", "devices:write")

        refused = await service.call("POST", REGISTRATION_TOKENS, {"label": "lab", **given})

        assert refused.refusal == (403, "insufficient_scope")
        assert (await service.call("POST", REGISTRATION_TOKENS, {"label": "lab"})).status == 201
        assert (await both.call("POST", REGISTRATION_TOKENS, {"label": "lab", **given})).status == 201

    @pytest.mark.parametrize("claim", ["tenants:admin", "tenants:admin devices:read"])
    async def test_nobody_gives_a_scope_that_their_own_login_lacks(self, alice: Person, claim: str) -> None:
        narrowed = alice.with_claims(scope=claim)
        scopes = ["devices:read", "devices:write"]

        refused = await narrowed.call("POST", SERVICE_TOKENS, {"label": "ci", "scopes": scopes})
        own = await narrowed.call("POST", SERVICE_TOKENS, {"label": "ci", "scopes": claim.split()})

        assert refused.refusal == (403, "insufficient_scope")
        assert own.status == 201

    async def test_no_repeat_from_a_narrower_login_shows_a_secret(self, alice: Person) -> None:
        body, key = {"label": "ci", "scopes": ["devices:write"]}, {"Idempotency-Key": "once"}
        await alice.call("POST", SERVICE_TOKENS, body, headers=key)

        again = await alice.with_claims(scope="tenants:admin").call("POST", SERVICE_TOKENS, body, headers=key)

        assert again.refusal == (403, "insufficient_scope")

    async def test_a_login_without_the_scope_for_tenants_has_nothing_to_do_with_them(
        self, alice: Person
    ) -> None:
        service = await service_of(alice)
        narrowed = alice.with_claims(scope="devices:read devices:write tokens:write")

        refused = [
            await narrowed.call("POST", SERVICE_TOKENS, {"label": "ci", "scopes": ["devices:read"]}),
            await narrowed.call("GET", SERVICE_TOKENS),
            await narrowed.call("GET", f"{SERVICE_TOKENS}/{service.id}"),
            await narrowed.call("POST", f"{SERVICE_TOKENS}/{service.id}/revoke"),
        ]

        assert {reply.refusal for reply in refused} == {(403, "insufficient_scope")}
