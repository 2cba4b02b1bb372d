"""Registration tokens over HTTP."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from apiserver.answers import json_answer, made, resource_answer
from apiserver.audit.trail import Actor, actor_of
from apiserver.auth.access import MEMBER, USER, check_scope
from apiserver.auth.principal import MemberCaller
from apiserver.auth.scopes import Scope
from apiserver.bodies import parse_body, read_body, read_bytes, values_checked
from apiserver.etags import expected_version
from apiserver.idempotency import repeatable_request
from apiserver.storage.contracts import Storage, Transaction
from apiserver.tenants.personal import tenant_meant
from apiserver.tokens.answers import (
    ChangedRegistrationToken,
    NewRegistrationToken,
    RevokeRegistrationToken,
    registration_token_answer,
    registration_token_with_secret,
    revoked_registration_token,
)
from apiserver.tokens.checks import checked_change, checked_token
from apiserver.tokens.lifecycle import RegistrationTokenLifecycle, WithSecret, allowed_token
from apiserver.tokens.registration_token import DeviceChoice, RegistrationToken, RegistrationTokenId
from common.clock import Clock


@dataclass(frozen=True)
class RegistrationTokenHandlers:
    storage: Storage
    lifecycle: RegistrationTokenLifecycle
    clock: Clock

    async def create(self, request: web.Request) -> web.Response:
        actor, acting = self._actor(request, request[MEMBER]), request[MEMBER].acting
        raw = await read_bytes(request)
        body = parse_body(raw, NewRegistrationToken)
        with values_checked():
            asked = checked_token(body, actor.at)
        if asked.pre_approved or asked.taints:
            # Without this, who may write tokens alone could approve devices by way of one.
            check_scope(request[MEMBER], Scope.DEVICES_WRITE)
        repeatable = repeatable_request(request, raw, actor)
        tenant_id = await tenant_meant(self.storage, body.tenant_id, acting)
        token = await self.lifecycle.create(acting, tenant_id, asked, actor, repeatable)
        return _shown_once(token, actor, made(is_new=token.is_new))

    async def show(self, request: web.Request) -> web.Response:
        token_id, acting = _token_id(request), request[MEMBER].acting

        async def look(view: Transaction) -> RegistrationToken:
            return await allowed_token(view, await view.registration_tokens.by_id(token_id), acting)

        return _shown(await self.storage.read(look), self.clock.now())

    async def change(self, request: web.Request) -> web.Response:
        actor, acting = self._actor(request, request[MEMBER]), request[MEMBER].acting
        body = await read_body(request, ChangedRegistrationToken)
        with values_checked():
            change = checked_change(body, actor.at)
        token = await self.lifecycle.change(
            acting, _token_id(request), change, actor, expected_version(request)
        )
        return _shown(token, actor.at)

    async def rotate(self, request: web.Request) -> web.Response:
        actor = self._actor(request, request[MEMBER])
        token = await self.lifecycle.rotate(request[MEMBER].acting, _token_id(request), actor)
        return _shown_once(token, actor, HTTPStatus.OK)

    async def revoke(self, request: web.Request) -> web.Response:
        actor, acting = self._actor(request, request[MEMBER]), request[MEMBER].acting
        body = await read_body(request, RevokeRegistrationToken)
        if body.devices is not DeviceChoice.KEEP:
            # Without this, who may write tokens alone could shut out every device that joined with one.
            check_scope(request[MEMBER], Scope.DEVICES_WRITE)
        if body.dry_run:
            revocation = await self.lifecycle.what_revoking_does(acting, _token_id(request), body.devices)
        else:
            revocation = await self.lifecycle.revoke(acting, _token_id(request), body.devices, actor)
        return json_answer(revoked_registration_token(revocation, actor.at))

    async def take_over(self, request: web.Request) -> web.Response:
        actor = self._actor(request, request[USER])
        token = await self.lifecycle.take_over(request[USER].user.id, _token_id(request), actor)
        return _shown(token, actor.at)

    def _actor(self, request: web.Request, caller: MemberCaller) -> Actor:
        return actor_of(request, caller, self.clock.now())


def _token_id(request: web.Request) -> RegistrationTokenId:
    return RegistrationTokenId(request.match_info["registration_token_id"])


def _shown(token: RegistrationToken, now: datetime) -> web.Response:
    return resource_answer(registration_token_answer(token, now), token.version)


def _shown_once(token: WithSecret, actor: Actor, status: HTTPStatus) -> web.Response:
    answer = registration_token_with_secret(token, actor.at)
    return resource_answer(answer, token.token.version, status=status)
