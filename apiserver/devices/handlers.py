"""Devices over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from msgspec import UNSET

from apiserver.answers import json_answer, made, resource_answer
from apiserver.audit.trail import Actor, actor_of
from apiserver.auth.access import DEVICE, MEMBER, REGISTERING, USER, Registering
from apiserver.auth.permissions import Deed
from apiserver.auth.principal import RegistrationTokenCaller
from apiserver.bodies import parse_body, read_body, read_bytes, values_checked
from apiserver.devices.answers import (
    ChangedDevice,
    NewDevice,
    device_answer,
    device_token_answer,
    my_device,
    registered_device,
)
from apiserver.devices.device import Device, DeviceId
from apiserver.devices.keys import InvalidPublicKeyError, checked_public_key
from apiserver.devices.lifecycle import DeviceChange, DeviceLifecycle
from apiserver.devices.names import checked_fingerprint, checked_labels, checked_name, checked_taints
from apiserver.devices.register import AskedDevice, Registered, Registrar
from apiserver.etags import expected_version
from apiserver.idempotency import repeatable_request
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants.acting import Acting
from apiserver.tenants.membership import allowed_on, no_such_thing
from apiserver.tenants.personal import tenant_meant
from common.clock import Clock
from common.problems import ProblemCode, ProblemError

_Act = Callable[[Acting, DeviceId, Actor], Awaitable[Device]]


@dataclass(frozen=True)
class DeviceHandlers:
    storage: Storage
    registrar: Registrar
    lifecycle: DeviceLifecycle
    clock: Clock

    async def register(self, request: web.Request) -> web.Response:
        caller = request[REGISTERING]
        body = await read_bytes(request)
        asked = parse_body(body, NewDevice)
        registered = await self._registered(request, caller, asked, body)
        return json_answer(registered_device(registered), status=made(is_new=registered.is_new))

    async def show(self, request: web.Request) -> web.Response:
        device_id, acting = _device_id(request), request[MEMBER].acting

        async def look(view: Transaction) -> Device:
            device = await view.devices.by_id(device_id)
            if device is None:
                raise no_such_thing("device")
            await allowed_on(
                view, device.tenant_id, device.owner_id, acting, Deed.SEE_DEVICES, thing="device"
            )
            return device

        device = await self.storage.read(look)
        return resource_answer(device_answer(device), device.version)

    async def change(self, request: web.Request) -> web.Response:
        caller = request[MEMBER]
        change = _checked_change(await read_body(request, ChangedDevice))
        device = await self.lifecycle.change(
            caller.acting,
            _device_id(request),
            change,
            actor_of(request, caller, self.clock.now()),
            expected_version(request),
        )
        return resource_answer(device_answer(device), device.version)

    async def approve(self, request: web.Request) -> web.Response:
        return await self._done(request, self.lifecycle.approve)

    async def suspend(self, request: web.Request) -> web.Response:
        return await self._done(request, self.lifecycle.suspend)

    async def resume(self, request: web.Request) -> web.Response:
        return await self._done(request, self.lifecycle.resume)

    async def revoke(self, request: web.Request) -> web.Response:
        return await self._done(request, self.lifecycle.revoke)

    async def take_over(self, request: web.Request) -> web.Response:
        caller = request[USER]
        actor = actor_of(request, caller, self.clock.now())
        device = await self.lifecycle.take_over(caller.user.id, _device_id(request), actor)
        return resource_answer(device_answer(device), device.version)

    async def rotate_token(self, request: web.Request) -> web.Response:
        caller = request[MEMBER]
        actor = actor_of(request, caller, self.clock.now())
        registered = await self.lifecycle.rotate_token_by_member(caller.acting, _device_id(request), actor)
        return json_answer(device_token_answer(registered))

    async def show_me(self, request: web.Request) -> web.Response:
        device = request[DEVICE].device
        return resource_answer(my_device(device), device.version)

    async def rotate_my_token(self, request: web.Request) -> web.Response:
        caller = request[DEVICE]
        if caller.by_jwt:
            # It would outlive its five minutes: whoever saw one of them would have the device for ever.
            raise ProblemError(
                ProblemCode.FORBIDDEN,
                "A new device token is given for the device token alone, not for a JWT that was made of it.",
                cause="by_jwt",
            )
        actor = actor_of(request, caller, self.clock.now())
        return json_answer(device_token_answer(await self.lifecycle.rotate_token(caller.device, actor)))

    async def leave(self, request: web.Request) -> web.Response:
        caller = request[DEVICE]
        await self.lifecycle.leave(caller.device, actor_of(request, caller, self.clock.now()))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _registered(
        self, request: web.Request, caller: Registering, body: NewDevice, raw: bytes
    ) -> Registered:
        actor = actor_of(request, caller, self.clock.now())
        repeatable = repeatable_request(request, raw, actor)
        asked = _checked(body)
        if isinstance(caller, RegistrationTokenCaller):
            if body.tenant_id not in {None, caller.token.tenant_id}:
                raise ProblemError(
                    ProblemCode.FORBIDDEN, "A registration token lets devices join its own tenant alone."
                )
            return await self.registrar.by_token(caller, asked, actor, repeatable)
        tenant_id = await tenant_meant(self.storage, body.tenant_id, caller.acting)
        return await self.registrar.by_user(caller.acting, tenant_id, asked, actor, repeatable)

    async def _done(self, request: web.Request, act: _Act) -> web.Response:
        caller = request[MEMBER]
        actor = actor_of(request, caller, self.clock.now())
        device = await act(caller.acting, _device_id(request), actor)
        return resource_answer(device_answer(device), device.version)


def _device_id(request: web.Request) -> DeviceId:
    return DeviceId(request.match_info["device_id"])


@values_checked()
def _checked(body: NewDevice) -> AskedDevice:
    try:
        return AskedDevice(
            name=checked_name(body.name),
            public_key=None if body.public_key is None else checked_public_key(body.public_key),
            fingerprint=None if body.fingerprint is None else checked_fingerprint(body.fingerprint),
            labels=checked_labels(body.labels),
        )
    except InvalidPublicKeyError as error:
        raise ProblemError(ProblemCode.PUBLIC_KEY_INVALID, error.detail) from None


@values_checked()
def _checked_change(body: ChangedDevice) -> DeviceChange:
    return DeviceChange(
        name=None if body.name is UNSET else checked_name(body.name),
        labels=None if body.labels is UNSET else checked_labels(body.labels),
        taints=None if body.taints is UNSET else checked_taints(body.taints),
    )
