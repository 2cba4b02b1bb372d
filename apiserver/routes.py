"""The whole surface: method, path, handler, who may call it."""

from dataclasses import dataclass

import msgspec

from apiserver.audit.answers import (
    AuditEventAnswer,
    AuditEventList,
    AuditExportQuery,
    AuditQuery,
    AuditVerdict,
    AuditVerification,
)
from apiserver.audit.handlers import NDJSON, AuditHandlers
from apiserver.auth.access import Access
from apiserver.auth.scopes import DeviceScope, Scope
from apiserver.devices.answers import (
    ChangedDevice,
    DeviceAnswer,
    DeviceList,
    DeviceQuery,
    DeviceTokenAnswer,
    MyDevice,
    NewDevice,
    RegisteredDevice,
)
from apiserver.devices.handlers import DeviceHandlers
from apiserver.devices.listing import DeviceListing
from apiserver.exchange.introspection import IntrospectAnswer, IntrospectForm, Introspection
from apiserver.exchange.token import ExchangeAnswer, ExchangeForm, TokenExchange
from apiserver.ids import id_form
from apiserver.openapi import OpenApi, openapi_document
from apiserver.signing.jwks import JsonWebKeySet, PublishedKeys
from apiserver.tenants.answers import (
    BroughtInvitation,
    ChangedMember,
    ChangedTenant,
    CreatedInvitation,
    InvitationList,
    InvitationQuery,
    Me,
    MemberAnswer,
    MemberList,
    MemberQuery,
    NewInvitation,
    NewTenant,
    TenantAnswer,
    TenantList,
    TenantQuery,
)
from apiserver.tenants.handlers import InvitationHandlers, MemberHandlers, TenantHandlers, UserHandlers
from apiserver.tenants.listing import TenantListing
from apiserver.tokens.answers import (
    ChangedRegistrationToken,
    NewRegistrationToken,
    RegistrationTokenAnswer,
    RegistrationTokenList,
    RegistrationTokenQuery,
    RegistrationTokenWithSecret,
    RevokedRegistrationToken,
    RevokeRegistrationToken,
)
from apiserver.tokens.handlers import RegistrationTokenHandlers
from apiserver.tokens.listing import RegistrationTokenListing
from apiserver.tokens.service_answers import (
    NewServiceToken,
    ServiceTokenAnswer,
    ServiceTokenList,
    ServiceTokenQuery,
    ServiceTokenWithSecret,
)
from apiserver.tokens.service_handlers import ServiceTokenHandlers
from common.problems import ProblemCode
from common.routing import Route

_TENANTS = "/api/v1/tenants"
# An address with an id of another form is not there.
_TENANT = f"{_TENANTS}/{{tenant_id:{id_form('ten')}}}"
_MEMBERS = f"{_TENANT}/members"
_MEMBER = f"{_MEMBERS}/{{user_id:{id_form('usr')}}}"
_INVITATIONS = f"{_TENANT}/invitations"
_INVITATION = f"{_INVITATIONS}/{{invitation_id:{id_form('inv')}}}"
_DEVICES = "/api/v1/devices"
_DEVICE = f"{_DEVICES}/{{device_id:{id_form('dev')}}}"
_MY_DEVICE = f"{_DEVICES}/me"
_TOKENS = "/api/v1/registration-tokens"
_TOKEN = f"{_TOKENS}/{{registration_token_id:{id_form('rgt')}}}"
_SERVICE_TOKENS = "/api/v1/service-tokens"
_SERVICE_TOKEN = f"{_SERVICE_TOKENS}/{{service_token_id:{id_form('svt')}}}"
_AUDIT = "/api/v1/audit-events"
_EXCHANGE = "/api/v1/token"
_INTROSPECT = "/api/v1/introspect"
OAUTH_PATHS = frozenset({_EXCHANGE, _INTROSPECT})
"""Where refusals are OAuth errors, and bodies are forms."""

_WRONG_STATE = (ProblemCode.WRONG_STATE,)
_NOT_INVITED = (ProblemCode.INVITATION_NOT_USABLE, ProblemCode.ALREADY_MEMBER)
_LAST_OWNER = (ProblemCode.LAST_OWNER,)
_ON_REGISTERING = (
    ProblemCode.REGISTRATION_TOKEN_EXPIRED,
    ProblemCode.REGISTRATION_TOKEN_REVOKED,
    ProblemCode.REGISTRATION_TOKEN_USED_UP,
    ProblemCode.REGISTRATION_TOKEN_SUSPENDED,
    ProblemCode.REGISTRATION_TOKEN_NOT_YET_VALID,
    ProblemCode.SOURCE_NOT_ALLOWED,
    ProblemCode.NAME_NOT_ALLOWED,
    ProblemCode.NAME_TAKEN,
    ProblemCode.KEY_IN_USE,
    ProblemCode.NO_ADDRESS_LEFT,
    ProblemCode.SECRET_ALREADY_USED,
    ProblemCode.PUBLIC_KEY_INVALID,
    ProblemCode.TOO_MANY_REQUESTS,
)


@dataclass(frozen=True)
class Handlers:
    """All that answers a request."""

    users: UserHandlers
    tenants: TenantHandlers
    members: MemberHandlers
    invitations: InvitationHandlers
    tenant_lists: TenantListing
    devices: DeviceHandlers
    device_list: DeviceListing
    registration_tokens: RegistrationTokenHandlers
    registration_token_list: RegistrationTokenListing
    service_tokens: ServiceTokenHandlers
    audit: AuditHandlers
    token_exchange: TokenExchange
    introspection: Introspection
    published_keys: PublishedKeys


def api_routes(handlers: Handlers) -> list[Route[Access]]:
    routes = [
        *_user_routes(handlers),
        *_tenant_routes(handlers),
        *_device_routes(handlers),
        *_registration_token_routes(handlers),
        *_service_token_routes(handlers),
        *_audit_routes(handlers),
        *_token_routes(handlers),
    ]
    openapi = OpenApi(msgspec.json.encode(openapi_document(routes)))
    return [
        *routes,
        Route("GET", "/openapi.json", openapi.show, Access.ANYONE, "The description of this API"),
    ]


def _user_routes(handlers: Handlers) -> list[Route[Access]]:
    users = handlers.users
    return [
        Route("GET", "/api/v1/users/me", users.show_me, Access.USER, "The signed-in user", Me),
    ]


def _tenant_routes(handlers: Handlers) -> list[Route[Access]]:
    tenants, members, invitations = handlers.tenants, handlers.members, handlers.invitations
    lists, user, member, admin = handlers.tenant_lists, Access.USER, Access.MEMBER, Scope.TENANTS_ADMIN
    return [
        Route("GET", _TENANTS, lists.show_mine, user, "The tenants that the caller is in", TenantList, query=TenantQuery),
        Route("POST", _TENANTS, tenants.create, user, "Make a tenant", TenantAnswer, NewTenant, status=201, scope=admin, problems=(ProblemCode.NOT_FOUND,)),
        Route("GET", _TENANT, tenants.show, member, "One tenant", TenantAnswer, service_scope=admin),
        Route("PATCH", _TENANT, tenants.change, user, "Change a tenant", TenantAnswer, ChangedTenant, scope=admin, problems=_WRONG_STATE),
        Route("DELETE", _TENANT, tenants.delete, user, "Delete a tenant without devices", status=204, scope=admin, problems=(ProblemCode.TENANT_IN_USE,)),
        Route("POST", f"{_TENANT}/join", members.join, user, "Join a community tenant", TenantAnswer, scope=admin, problems=(ProblemCode.ALREADY_MEMBER,)),
        Route("GET", _MEMBERS, lists.show_members, member, "The members of a tenant", MemberList, query=MemberQuery, scope=admin),
        Route("PATCH", _MEMBER, members.change, user, "Give a member another role", MemberAnswer, ChangedMember, scope=admin, problems=_LAST_OWNER),
        Route("DELETE", _MEMBER, members.remove, user, "Leave a tenant, or remove a member", status=204, scope=admin, problems=_LAST_OWNER),
        Route("GET", _INVITATIONS, lists.show_invitations, user, "The invitations of a tenant", InvitationList, query=InvitationQuery, scope=admin),
        Route("POST", _INVITATIONS, invitations.create, user, "Invite somebody", CreatedInvitation, NewInvitation, status=201, scope=admin, problems=(ProblemCode.SECRET_ALREADY_USED, ProblemCode.INVITATION_NOT_USABLE, ProblemCode.WRONG_STATE)),
        Route("DELETE", _INVITATION, invitations.revoke, user, "Revoke an invitation", status=204, scope=admin, problems=_WRONG_STATE),
        Route("POST", "/api/v1/invitations/accept", invitations.accept, user, "Become a member by an invitation", TenantAnswer, BroughtInvitation, scope=admin, problems=_NOT_INVITED),
    ]  # fmt: skip


def _device_routes(handlers: Handlers) -> list[Route[Access]]:
    devices, user, member, device = handlers.devices, Access.USER, Access.MEMBER, Access.DEVICE
    read, write = Scope.DEVICES_READ, Scope.DEVICES_WRITE
    # `me` before `{device_id}`: the first that matches is taken.
    return [
        Route("POST", _DEVICES, devices.register, Access.REGISTERING, "Register a device", RegisteredDevice, NewDevice, status=201, scope=write, problems=_ON_REGISTERING),
        Route("GET", _DEVICES, handlers.device_list.show, member, "The devices of a tenant", DeviceList, query=DeviceQuery, scope=read),
        Route("GET", _MY_DEVICE, devices.show_me, device, "The device that asks", MyDevice, scope=DeviceScope.SELF_READ),
        Route("DELETE", _MY_DEVICE, devices.leave, device, "The device leaves for ever", status=204, scope=DeviceScope.SELF_WRITE, problems=_WRONG_STATE),
        Route("POST", f"{_MY_DEVICE}/rotate-token", devices.rotate_my_token, device, "A new device token", DeviceTokenAnswer, scope=DeviceScope.SELF_WRITE, problems=_WRONG_STATE),
        Route("GET", _DEVICE, devices.show, member, "One device", DeviceAnswer, scope=read),
        Route("PATCH", _DEVICE, devices.change, member, "Change a device", DeviceAnswer, ChangedDevice, scope=write, problems=(ProblemCode.WRONG_STATE, ProblemCode.NAME_TAKEN)),
        Route("POST", f"{_DEVICE}/approve", devices.approve, member, "Let a device in", DeviceAnswer, scope=write, problems=_WRONG_STATE),
        Route("POST", f"{_DEVICE}/suspend", devices.suspend, member, "Shut a device out for a while", DeviceAnswer, scope=write, problems=_WRONG_STATE),
        Route("POST", f"{_DEVICE}/resume", devices.resume, member, "Let a suspended device in again", DeviceAnswer, scope=write, problems=_WRONG_STATE),
        Route("POST", f"{_DEVICE}/revoke", devices.revoke, member, "Shut a device out for ever", DeviceAnswer, scope=write, problems=_WRONG_STATE),
        Route("POST", f"{_DEVICE}/take-over", devices.take_over, user, "Become a device's owner", DeviceAnswer, scope=write, problems=_WRONG_STATE),
        Route("POST", f"{_DEVICE}/rotate-token", devices.rotate_token, member, "A new token for a device", DeviceTokenAnswer, scope=write, problems=_WRONG_STATE),
    ]  # fmt: skip


def _registration_token_routes(handlers: Handlers) -> list[Route[Access]]:
    tokens, user, member = handlers.registration_tokens, Access.USER, Access.MEMBER
    read, write = Scope.TOKENS_READ, Scope.TOKENS_WRITE
    shown, shown_once = RegistrationTokenAnswer, RegistrationTokenWithSecret
    return [
        Route("POST", _TOKENS, tokens.create, member, "Make a registration token", shown_once, NewRegistrationToken, status=201, scope=write, problems=(ProblemCode.SECRET_ALREADY_USED, ProblemCode.WRONG_STATE)),
        Route("GET", _TOKENS, handlers.registration_token_list.show, member, "The registration tokens of a tenant", RegistrationTokenList, query=RegistrationTokenQuery, scope=read),
        Route("GET", _TOKEN, tokens.show, member, "One registration token", shown, scope=read),
        Route("PATCH", _TOKEN, tokens.change, member, "Narrow a registration token", shown, ChangedRegistrationToken, scope=write, problems=(ProblemCode.WRONG_STATE, ProblemCode.WOULD_WIDEN)),
        Route("POST", f"{_TOKEN}/rotate", tokens.rotate, member, "A new secret for a registration token", shown_once, scope=write, problems=_WRONG_STATE),
        Route("POST", f"{_TOKEN}/revoke", tokens.revoke, member, "End a registration token", RevokedRegistrationToken, RevokeRegistrationToken, scope=write),
        Route("POST", f"{_TOKEN}/take-over", tokens.take_over, user, "Become a registration token's owner", shown, scope=write, problems=_WRONG_STATE),
    ]  # fmt: skip


def _service_token_routes(handlers: Handlers) -> list[Route[Access]]:
    tokens, user, admin = handlers.service_tokens, Access.USER, Scope.TENANTS_ADMIN
    return [
        Route("POST", _SERVICE_TOKENS, tokens.create, user, "Make a service token", ServiceTokenWithSecret, NewServiceToken, status=201, scope=admin, problems=(ProblemCode.SECRET_ALREADY_USED, ProblemCode.WRONG_STATE)),
        Route("GET", _SERVICE_TOKENS, tokens.show_all, user, "The service tokens of a tenant", ServiceTokenList, query=ServiceTokenQuery, scope=admin),
        Route("GET", _SERVICE_TOKEN, tokens.show, user, "One service token", ServiceTokenAnswer, scope=admin),
        Route("POST", f"{_SERVICE_TOKEN}/revoke", tokens.revoke, user, "End a service token", ServiceTokenAnswer, scope=admin),
    ]  # fmt: skip


def _audit_routes(handlers: Handlers) -> list[Route[Access]]:
    audit, member, read = handlers.audit, Access.MEMBER, Scope.AUDIT_READ
    return [
        Route("GET", _AUDIT, audit.show, member, "The audit events of a tenant", AuditEventList, query=AuditQuery, scope=read),
        Route("GET", f"{_AUDIT}/export", audit.export, member, "All audit events of a tenant, a line each", AuditEventAnswer, query=AuditExportQuery, scope=read, media_type=NDJSON, problems=(ProblemCode.TOO_MANY_REQUESTS,)),
        Route("POST", f"{_AUDIT}/verify", audit.verify, member, "Whether the audit events are what was written", AuditVerdict, AuditVerification, scope=read, problems=(ProblemCode.TOO_MANY_REQUESTS,)),
    ]  # fmt: skip


def _token_routes(handlers: Handlers) -> list[Route[Access]]:
    anyone = Access.ANYONE
    return [
        Route("POST", _EXCHANGE, handlers.token_exchange.exchange, Access.IN_BODY, "Exchange a secret for a JWT", ExchangeAnswer, ExchangeForm, is_oauth=True),
        Route("POST", _INTROSPECT, handlers.introspection.introspect, Access.SERVICE, "Whether a token still holds", IntrospectAnswer, IntrospectForm, scope=Scope.TOKENS_INTROSPECT, is_oauth=True),
        Route("GET", "/.well-known/jwks.json", handlers.published_keys.show, anyone, "The keys that verify our JWTs", JsonWebKeySet),
    ]  # fmt: skip
