"""The janitor: what has ended is removed after its keeping time."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from apiserver.devices.device import DeviceId
from apiserver.janitor import KEEPING, Janitor
from apiserver.storage.contracts import Transaction
from apiserver.tenants.invitation import Invitation, InvitationId
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.service_token import ServiceToken, ServiceTokenId
from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.devices.janitors import SECOND, a_janitor, advance, joined
from tests.apiserver.machines import Machine, Person, World, my_device
from tests.apiserver.made import add_secret

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]


async def an_ended_device(world: World, alice: Person) -> str:
    device = await joined(await alice.token(), Machine())
    await alice.do("revoke", device["id"])
    return str(device["id"])


async def a_revoked_device_token(world: World, alice: Person) -> str:
    device = await joined(await alice.token())
    token_id = str(device["device_token_id"])
    now = world.clock.now()
    await world.storage.write(lambda transaction: transaction.devices.revoke_token(token_id, now))
    return token_id


async def a_revoked_secret(world: World, alice: Person) -> str:
    token, now = await alice.token(), world.clock.now()
    await world.storage.write(lambda transaction: add_secret(transaction, token.made.id, now))
    secrets = await world.storage.read(lambda view: view.registration_tokens.secrets_of(token.made.id))
    await world.storage.write(
        lambda transaction: transaction.registration_tokens.revoke_secret(secrets[-1].id, now)
    )
    return secrets[-1].id


async def an_idempotency_key(world: World, alice: Person) -> str:
    await _add_key(world, alice.id)
    return alice.id


async def _add_key(world: World, caller: str, key: str = "key") -> None:
    now = world.clock.now()
    assert await world.storage.write(
        lambda transaction: transaction.idempotency_keys.add(
            caller, key, request_hash=b"", resource_id="dev_1", now=now
        )
    )


async def an_invitation(
    world: World, alice: Person, *, lasts: timedelta = timedelta(days=7), **fields: Any
) -> str:
    now = world.clock.now()
    invitation = Invitation(
        id=InvitationId(f"inv_{alice.id}"),
        tenant_id=TenantId(alice.tenant_id),
        role=Role.MEMBER,
        secret_hash=bytes(32),
        created_by=UserId(alice.id),
        created_at=now,
        expires_at=now + lasts,
        **{"accepted_by": None, "accepted_at": None, "revoked_at": None, **fields},
    )
    await world.storage.write(lambda transaction: transaction.invitations.add(invitation))
    return invitation.id


async def an_expired_invitation(world: World, alice: Person) -> str:
    return await an_invitation(world, alice, lasts=timedelta(0))


async def a_revoked_invitation(world: World, alice: Person) -> str:
    return await an_invitation(world, alice, revoked_at=world.clock.now())


async def an_accepted_invitation(world: World, alice: Person) -> str:
    accepted: dict[str, Any] = {"accepted_at": world.clock.now(), "accepted_by": alice.id}
    return await an_invitation(world, alice, **accepted)


async def a_service_token(
    world: World, alice: Person, *, lasts: timedelta = timedelta(days=7), **fields: Any
) -> str:
    now = world.clock.now()
    token = ServiceToken(
        id=ServiceTokenId(f"svt_{alice.id}"),
        tenant_id=TenantId(alice.tenant_id),
        owner_id=UserId(alice.id),
        label="ci",
        scopes=frozenset(),
        secret_hash=bytes(32),
        created_at=now,
        expires_at=now + lasts,
        **fields,
    )
    await world.storage.write(lambda transaction: transaction.service_tokens.add(token))
    return token.id


async def an_expired_service_token(world: World, alice: Person) -> str:
    return await a_service_token(world, alice, lasts=timedelta(0))


async def a_revoked_service_token(world: World, alice: Person) -> str:
    return await a_service_token(world, alice, revoked_at=world.clock.now())


Make = Callable[[World, Person], Awaitable[str]]
Find = Callable[[Transaction, str], Coroutine[Any, Any, object]]
THINGS: dict[str, tuple[str, Make, Find]] = {
    "device": (
        "ended_devices",
        an_ended_device,
        lambda view, id_: view.devices.by_id(DeviceId(id_)),
    ),
    "device token": (
        "revoked_device_tokens",
        a_revoked_device_token,
        lambda view, id_: view.devices.by_token(id_),
    ),
    "secret": (
        "revoked_registration_token_secrets",
        a_revoked_secret,
        lambda view, id_: view.registration_tokens.by_secret(id_),
    ),
    "idempotency key": (
        "idempotency_keys",
        an_idempotency_key,
        lambda view, id_: view.idempotency_keys.find(id_, "key"),
    ),
    "expired invitation": (
        "ended_invitations",
        an_expired_invitation,
        lambda view, id_: view.invitations.by_id(InvitationId(id_)),
    ),
    "revoked invitation": (
        "ended_invitations",
        a_revoked_invitation,
        lambda view, id_: view.invitations.by_id(InvitationId(id_)),
    ),
    "expired service token": (
        "ended_service_tokens",
        an_expired_service_token,
        lambda view, id_: view.service_tokens.by_id(ServiceTokenId(id_)),
    ),
    "revoked service token": (
        "ended_service_tokens",
        a_revoked_service_token,
        lambda view, id_: view.service_tokens.by_id(ServiceTokenId(id_)),
    ),
    "accepted invitation": (
        "ended_invitations",
        an_accepted_invitation,
        lambda view, id_: view.invitations.by_id(InvitationId(id_)),
    ),
}


class TestWhatIsRemoved:
    @pytest.mark.parametrize("thing", THINGS)
    async def test_it_is_kept_for_its_time_and_no_longer(
        self, world: World, alice: Person, janitor: Janitor, thing: str
    ) -> None:
        what, make, find = THINGS[thing]
        (kept,) = [keeping.kept for keeping in KEEPING if keeping.what == what]
        id_ = await make(world, alice)
        ended_at = world.clock.now()

        async def is_there() -> bool:
            return await world.storage.read(lambda view: find(view, id_)) is not None

        advance(world, ended_at + kept - SECOND - world.clock.now())
        await janitor.clean()
        before = await is_there()
        advance(world, 2 * SECOND)
        await janitor.clean()

        assert before
        assert not await is_there()

    async def test_what_has_not_ended_stays(self, world: World, alice: Person, janitor: Janitor) -> None:
        token = await alice.token()
        device = await joined(token)
        open_invitation = InvitationId(await an_invitation(world, alice, lasts=timedelta(days=365)))
        service_token = ServiceTokenId(await a_service_token(world, alice, lasts=timedelta(days=365)))
        advance(world, timedelta(days=300))
        await janitor.clean()

        assert (await my_device(world, device["device_token"])).status == 200
        assert (await token.register(name="another")).status == 201
        assert await world.storage.read(lambda view: view.invitations.by_id(open_invitation)) is not None
        assert await world.storage.read(lambda view: view.service_tokens.by_id(service_token)) is not None

    async def test_all_of_many_are_removed(self, world: World, alice: Person, janitor: Janitor) -> None:
        for number in range(250):
            await _add_key(world, alice.id, f"key-{number}")
        advance(world, timedelta(days=1) + SECOND)
        with capture_logs() as lines:
            await janitor.clean()
            await janitor.clean()

        (line,) = [line for line in lines if line["event"] == "cleaned"]
        assert line["idempotency_keys"] == 250

    async def test_the_audit_of_a_removed_device_stays_and_its_key_may_come_anew(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        token, machine = await alice.token(), Machine()
        device = await joined(token, machine)
        await alice.do("revoke", device["id"])
        advance(world, timedelta(days=30) + SECOND)
        await janitor.clean()
        anew = await token.register(machine)

        verdict = await alice.call("POST", "/api/v1/audit-events/verify", json={})
        events = await alice.call("GET", "/api/v1/audit-events", params={"target_id": device["id"]})
        assert (anew.status, anew.body["id"] == device["id"]) == (201, False)
        assert verdict.body["is_intact"]
        assert [event["action"] for event in events.body["items"]] == ["device.revoked", "device.registered"]

    async def test_it_is_counted(self, world: World, alice: Person) -> None:
        registry = CollectorRegistry()
        janitor = a_janitor(world, registry)
        await janitor.clean()
        before = registry.get_sample_value("apiserver_removed_total", {"what": "idempotency_keys"})
        await _add_key(world, alice.id)
        advance(world, timedelta(days=1) + SECOND)
        await janitor.clean()

        after = registry.get_sample_value("apiserver_removed_total", {"what": "idempotency_keys"})
        assert (after or 0) - (before or 0) == 1
        assert all(keeping.what in generate_latest(registry).decode() for keeping in KEEPING)
