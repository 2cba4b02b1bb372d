"""Janitors of a server's storage, devices that they look after, and time that passes."""

from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from apiserver.devices.lifecycle import DeviceLifecycle
from apiserver.janitor import Janitor
from tests.apiserver.machines import Machine, Token, World
from tests.apiserver.made import RANDOMNESS

SECOND = timedelta(seconds=1)


def lifecycle(world: World) -> DeviceLifecycle:
    return DeviceLifecycle(world.storage, world.server.parts.auditor, RANDOMNESS)


def a_janitor(world: World, registry: CollectorRegistry | None = None) -> Janitor:
    """One that begins to listen now."""
    last_seen = world.server.parts.last_seen
    return Janitor(
        world.storage,
        lifecycle(world),
        last_seen,
        world.server.parts.signing_keys,
        world.clock,
        registry or CollectorRegistry(),
    )


async def joined(token: Token, machine: Machine | None = None, **said: Any) -> dict[str, Any]:
    """A device of this token; `device_token` in clear where the machine has no key."""
    answer = await token.register(machine, **said)
    device = answer.device()
    return device if machine is None else device | {"device_token": machine.opened(answer)}


def advance(world: World, time: timedelta) -> None:
    world.clock.advance(seconds=time.total_seconds())
