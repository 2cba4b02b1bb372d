"""The janitor: which devices leave by themselves and when, what is removed after its keeping time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from apiserver.audit.trail import Actor
from apiserver.devices.device import DeviceId
from apiserver.devices.last_seen import WRITE_INTERVAL, LastSeen
from apiserver.devices.lifecycle import DeviceLifecycle
from apiserver.janitor import KEEPING, LONGEST_LISTENING, PATIENCE, Janitor
from apiserver.storage.contracts import Transaction
from apiserver.storage.records import Step
from apiserver.tenants.invitation import Invitation, InvitationId
from apiserver.tenants.tenants import Role, TenantId
from apiserver.tenants.users import UserId
from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.machines import Machine, Person, Token, World, my_device
from tests.apiserver.made import RANDOMNESS, add_secret, device_of, token_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

SILENCE_S = 300
DUE = timedelta(seconds=SILENCE_S) + PATIENCE
SECOND = timedelta(seconds=1)


def lifecycle(world: World) -> DeviceLifecycle:
    return DeviceLifecycle(world.storage, world.server.parts.auditor, RANDOMNESS)


def a_janitor(world: World, registry: CollectorRegistry | None = None) -> Janitor:
    """One that begins to listen now."""
    last_seen = world.server.parts.last_seen
    return Janitor(world.storage, lifecycle(world), last_seen, world.clock, registry or CollectorRegistry())


@pytest.fixture
def janitor(world: World) -> Janitor:
    return a_janitor(world)


async def joined(token: Token, machine: Machine | None = None, **said: Any) -> dict[str, Any]:
    """A device of this token; `device_token` in clear where the machine has no key."""
    answer = await token.register(machine, **said)
    device = answer.device()
    return device if machine is None else device | {"device_token": machine.opened(answer)}


async def state(world: World, device: dict[str, Any]) -> tuple[str, str | None]:
    kept = await device_of(world.storage, device["id"])
    return kept.state.value, kept.state_reason


def advance(world: World, time: timedelta) -> None:
    world.clock.advance(seconds=time.total_seconds())


class TestDevicesThatLeave:
    async def test_an_ephemeral_device_leaves_after_its_silence(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        device = await joined(await alice.token(ephemeral_s=SILENCE_S), Machine())
        advance(world, DUE - SECOND)
        await janitor.clean()
        before = await state(world, device)
        advance(world, SECOND)
        await janitor.clean()

        assert before == ("active", None)
        assert await state(world, device) == ("expired", "silent")

    async def test_what_it_had_is_free_for_others_and_its_token_is_over(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        token = await alice.token(ephemeral_s=SILENCE_S)
        gone = await joined(token, Machine(), name="same")
        advance(world, DUE)
        await janitor.clean()
        next_one = await joined(token, Machine(), name="same")
        tenant_id = TenantId(alice.tenant_id)
        freed = await world.storage.write(lambda transaction: transaction.addresses.take_freed(tenant_id))

        assert next_one["name"] == "same"
        assert freed == (gone["ipv4"], gone["ipv6"])
        assert (await my_device(world, gone["device_token"])).refusal == (401, "device_expired")

    async def test_the_audit_says_that_the_server_did_it(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        device = await joined(await alice.token(ephemeral_s=SILENCE_S))
        advance(world, DUE)
        await janitor.clean()

        answer = await alice.call("GET", "/api/v1/audit-events", params={"target_id": device["id"]})
        event = answer.body["items"][0]
        assert (event["action"], event["actor_kind"], event["actor_id"]) == (
            "device.expired",
            "server",
            "janitor",
        )
        assert (event["before"]["state"], event["after"]["state"]) == ("active", "expired")

    async def test_one_that_was_heard_stays_though_nothing_of_it_is_written_yet(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        device = await joined(await alice.token(ephemeral_s=SILENCE_S))
        advance(world, DUE - SECOND)
        await my_device(world, device["device_token"])
        advance(world, SECOND)
        await janitor.clean()

        assert await state(world, device) == ("active", None)

    async def test_one_that_is_heard_just_before_its_transaction_stays(
        self, world: World, alice: Person
    ) -> None:
        device = await joined(await alice.token(ephemeral_s=SILENCE_S))
        advance(world, DUE)
        now = world.clock.now()
        await my_device(world, device["device_token"])
        await world.server.parts.last_seen.write()

        left = await lifecycle(world).expire(DeviceId(device["id"]), Actor("server", "janitor", now), by=now)

        assert left is False
        assert await state(world, device) == ("active", None)

    async def test_one_that_another_server_heard_stays_until_that_one_has_written_it(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        device = await joined(await alice.token(ephemeral_s=SILENCE_S))
        elsewhere = LastSeen(world.storage)
        advance(world, timedelta(seconds=SILENCE_S))
        elsewhere.note(DeviceId(device["id"]), world.clock.now())
        advance(world, 2 * WRITE_INTERVAL)
        await janitor.clean()
        await elsewhere.write()

        assert await state(world, device) == ("active", None)

    async def test_suspended_ones_keep_nobody_waiting(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        suspended = await alice.token(ephemeral_s=SILENCE_S)
        for number in range(110):
            await joined(suspended, name=f"web-{number}")
        kept = await token_of(world.storage, suspended.made.id)
        await world.storage.write(
            lambda transaction: transaction.device_sets.of_registration_token(
                kept.tenant_id, kept.id
            ).suspend("x", Step(200))
        )
        device = await joined(await alice.token(ephemeral_s=SILENCE_S))
        advance(world, DUE)
        await janitor.clean()

        assert await state(world, device) == ("expired", "silent")

    async def test_each_leaves_after_its_own_silence(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        """However many silent ones are not due yet."""
        patient = [await joined(await alice.token(ephemeral_s=3_000 + number)) for number in range(110)]
        short = await joined(await alice.token(ephemeral_s=SILENCE_S))
        never = await joined(await alice.token())
        advance(world, DUE)
        await janitor.clean()

        assert await state(world, short) == ("expired", "silent")
        assert {await state(world, device) for device in [*patient, never]} == {("active", None)}

    async def test_many_leave_at_once(self, world: World, alice: Person, janitor: Janitor) -> None:
        token = await alice.token(ephemeral_s=SILENCE_S)
        devices = [await joined(token, name=f"web-{number}") for number in range(120)]
        advance(world, DUE)
        await janitor.clean()

        assert {await state(world, device) for device in devices} == {("expired", "silent")}

    async def test_a_device_whose_time_has_come_leaves_though_it_is_heard(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        device = await joined(await alice.token())
        expires_at = world.clock.now() + timedelta(hours=1)

        async def set_end(transaction: Transaction) -> None:
            found = await transaction.devices.locked(DeviceId(device["id"]))
            assert found is not None
            changed = replace(found, expires_at=expires_at, version=found.version + 1)
            assert await transaction.devices.update(changed, former_version=found.version)

        await world.storage.write(set_end)
        advance(world, expires_at - world.clock.now() + PATIENCE)
        await my_device(world, device["device_token"])
        await janitor.clean()

        assert await state(world, device) == ("expired", "time_is_up")

    async def test_a_suspended_device_stays_and_has_its_silence_again_when_it_is_resumed(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        device = await joined(await alice.token(ephemeral_s=SILENCE_S))
        await alice.do("suspend", device["id"])
        advance(world, DUE)
        await janitor.clean()
        suspended = await state(world, device)
        await alice.do("resume", device["id"])
        await janitor.clean()
        resumed = await state(world, device)
        advance(world, DUE)
        await janitor.clean()

        assert (suspended[0], resumed[0]) == ("suspended", "active")
        assert await state(world, device) == ("expired", "silent")

    async def test_a_server_that_begins_listens_before_it_judges(self, world: World, alice: Person) -> None:
        """While no server ran, no device could be heard."""
        device = await joined(await alice.token(ephemeral_s=SILENCE_S))
        advance(world, timedelta(days=1))
        janitor = a_janitor(world)
        advance(world, timedelta(seconds=SILENCE_S - 1))
        await janitor.clean()
        early = await state(world, device)
        advance(world, SECOND)
        await janitor.clean()

        assert early == ("active", None)
        assert await state(world, device) == ("expired", "silent")

    async def test_a_long_silence_is_judged_after_an_hour(self, world: World, alice: Person) -> None:
        device = await joined(await alice.token(ephemeral_s=86_400))
        advance(world, timedelta(days=2))
        janitor = a_janitor(world)
        advance(world, LONGEST_LISTENING + SECOND)
        await janitor.clean()

        assert await state(world, device) == ("expired", "silent")

    async def test_of_several_servers_one_does_it(
        self, world: World, alice: Person, janitor: Janitor
    ) -> None:
        # What other tests left behind leaves now, so that it is not counted below.
        advance(world, timedelta(days=3))
        await janitor.clean()
        token = await alice.token(ephemeral_s=SILENCE_S)
        devices = [await joined(token, name=f"web-{number}") for number in range(10)]
        registries = [CollectorRegistry() for _ in range(3)]
        janitors = [a_janitor(world, registry) for registry in registries]
        advance(world, DUE)
        await asyncio.gather(*(janitor.clean() for janitor in janitors))

        counts = [registry.get_sample_value("apiserver_expired_devices_total") for registry in registries]
        query = {"action": "device.expired", "limit": 200}
        answer = await alice.call("GET", "/api/v1/audit-events", params=query)
        assert sum(count or 0 for count in counts) == 10
        assert sorted(event["target_id"] for event in answer.body["items"]) == sorted(
            device["id"] for device in devices
        )


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


Make = Callable[[World, Person], Awaitable[str]]
Find = Callable[[Transaction, str], Awaitable[object]]
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
            return await world.storage.read(lambda view: find(view, id_)) is not None  # type: ignore[arg-type, return-value]

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
        advance(world, timedelta(days=300))
        await janitor.clean()

        assert (await my_device(world, device["device_token"])).status == 200
        assert (await token.register(name="another")).status == 201
        assert await world.storage.read(lambda view: view.invitations.by_id(open_invitation)) is not None

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
