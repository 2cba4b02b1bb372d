"""Users, tenants, members and invitations over HTTP."""

from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from msgspec import UNSET

from apiserver.answers import json_answer, made, resource_answer
from apiserver.audit.trail import Actor, actor_of
from apiserver.auth.access import MEMBER, USER
from apiserver.bodies import parse_body, read_body, read_bytes, values_checked
from apiserver.etags import expected_version
from apiserver.idempotency import repeatable_request
from apiserver.storage.contracts import Storage
from apiserver.tenants import refusals
from apiserver.tenants.answers import (
    BroughtInvitation,
    ChangedMember,
    ChangedTenant,
    NewInvitation,
    NewTenant,
    created_invitation,
    me,
    member_answer,
    tenant_answer,
)
from apiserver.tenants.invitation import InvitationId, checked_expiry
from apiserver.tenants.invitations import AskedInvitation, Invitations
from apiserver.tenants.lifecycle import AskedTenant, TenantChange, TenantLifecycle
from apiserver.tenants.members import Members
from apiserver.tenants.membership import membership_of
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.texts import checked_tenant_name
from apiserver.tokens.secret import parse
from common.clock import Clock


@dataclass(frozen=True)
class UserHandlers:
    storage: Storage

    async def show_me(self, request: web.Request) -> web.Response:
        user = request[USER].user
        memberships = await self.storage.read(lambda view: view.tenants.memberships_of(user.id))
        return json_answer(me(user, memberships))


@dataclass(frozen=True)
class TenantHandlers:
    storage: Storage
    lifecycle: TenantLifecycle
    clock: Clock

    async def create(self, request: web.Request) -> web.Response:
        body = await read_bytes(request)
        asked, actor = _checked(parse_body(body, NewTenant)), _actor(request, self.clock)
        membership, is_new = await self.lifecycle.create(
            request[USER].user.id, asked, actor, repeatable_request(request, body, actor)
        )
        return resource_answer(
            tenant_answer(membership), membership.tenant.version, status=made(is_new=is_new)
        )

    async def show(self, request: web.Request) -> web.Response:
        acting, tenant_id = request[MEMBER].acting, _tenant_id(request)
        membership = await self.storage.read(lambda view: membership_of(view, tenant_id, acting))
        return resource_answer(tenant_answer(membership), membership.tenant.version)

    async def change(self, request: web.Request) -> web.Response:
        change = _checked_change(await read_body(request, ChangedTenant))
        membership = await self.lifecycle.change(
            request[USER].user.id,
            _tenant_id(request),
            change,
            _actor(request, self.clock),
            expected_version(request),
        )
        return resource_answer(tenant_answer(membership), membership.tenant.version)

    async def delete(self, request: web.Request) -> web.Response:
        actor = _actor(request, self.clock)
        await self.lifecycle.delete(request[USER].user.id, _tenant_id(request), actor)
        return web.Response(status=HTTPStatus.NO_CONTENT)


@dataclass(frozen=True)
class MemberHandlers:
    members: Members
    clock: Clock

    async def join(self, request: web.Request) -> web.Response:
        actor = _actor(request, self.clock)
        membership = await self.members.join(request[USER].user.id, _tenant_id(request), actor)
        return resource_answer(tenant_answer(membership), membership.tenant.version)

    async def change(self, request: web.Request) -> web.Response:
        asked = await read_body(request, ChangedMember)
        member = await self.members.set_role(
            request[USER].user.id,
            _tenant_id(request),
            _member_id(request),
            asked.role,
            _actor(request, self.clock),
        )
        return json_answer(member_answer(member))

    async def remove(self, request: web.Request) -> web.Response:
        user_id, tenant_id, member_id = request[USER].user.id, _tenant_id(request), _member_id(request)
        actor = _actor(request, self.clock)
        if member_id == user_id:
            await self.members.leave(user_id, tenant_id, actor)
        else:
            await self.members.remove(user_id, tenant_id, member_id, actor)
        return web.Response(status=HTTPStatus.NO_CONTENT)


@dataclass(frozen=True)
class InvitationHandlers:
    invitations: Invitations
    clock: Clock

    async def create(self, request: web.Request) -> web.Response:
        body, actor = await read_bytes(request), _actor(request, self.clock)
        asked = _checked_invitation(parse_body(body, NewInvitation), actor)
        invited = await self.invitations.create(
            request[USER].user.id, _tenant_id(request), asked, actor, repeatable_request(request, body, actor)
        )
        return json_answer(created_invitation(invited), status=made(is_new=invited.is_new))

    async def revoke(self, request: web.Request) -> web.Response:
        await self.invitations.revoke(
            request[USER].user.id,
            _tenant_id(request),
            InvitationId(request.match_info["invitation_id"]),
            _actor(request, self.clock),
        )
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def accept(self, request: web.Request) -> web.Response:
        presented = parse((await read_body(request, BroughtInvitation)).token)
        if presented is None:
            raise refusals.unknown_invitation()
        actor = _actor(request, self.clock)
        membership = await self.invitations.accept(request[USER].user.id, presented, actor)
        return resource_answer(tenant_answer(membership), membership.tenant.version)


def _actor(request: web.Request, clock: Clock) -> Actor:
    return actor_of(request, request[USER], clock.now())


def _tenant_id(request: web.Request) -> TenantId:
    return TenantId(request.match_info["tenant_id"])


def _member_id(request: web.Request) -> UserId:
    return UserId(request.match_info["user_id"])


@values_checked()
def _checked(body: NewTenant) -> AskedTenant:
    return AskedTenant(checked_tenant_name(body.name), body.kind, body.device_approval)


@values_checked()
def _checked_change(body: ChangedTenant) -> TenantChange:
    return TenantChange(
        name=None if body.name is UNSET else checked_tenant_name(body.name),
        kind=None if body.kind is UNSET else body.kind,
        device_approval=None if body.device_approval is UNSET else body.device_approval,
    )


@values_checked()
def _checked_invitation(body: NewInvitation, actor: Actor) -> AskedInvitation:
    return AskedInvitation(body.role, checked_expiry(body.expires_at, actor.at))
