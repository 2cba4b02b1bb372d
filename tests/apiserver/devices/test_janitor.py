"""The janitor: which devices leave by themselves, and when."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from apiserver.audit.trail import Actor
from apiserver.devices.device import DeviceId
from apiserver.janitor import LONGEST_LISTENING, PATIENCE, Janitor
from apiserver.last_seen import WRITE_INTERVAL, LastSeen
from apiserver.storage.contracts import Transaction
from apiserver.storage.records import Step
from apiserver.tenants.tenants import TenantId
from tests.apiserver.devices.engines import ON_BOTH
from tests.apiserver.devices.janitors import SECOND, a_janitor, advance, joined, lifecycle
from tests.apiserver.machines import Machine, Person, World, my_device
from tests.apiserver.made import device_of, token_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), ON_BOTH]

SILENCE_S = 300
DUE = timedelta(seconds=SILENCE_S) + PATIENCE


async def state(world: World, device: dict[str, Any]) -> tuple[str, str | None]:
    kept = await device_of(world.storage, device["id"])
    return kept.state.value, kept.state_reason


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
        elsewhere = LastSeen[DeviceId](
            world.storage, lambda transaction, *seen: transaction.devices.seen(*seen)
        )
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
