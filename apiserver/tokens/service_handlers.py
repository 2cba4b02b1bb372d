"""Service tokens over HTTP."""

from dataclasses import dataclass

from aiohttp import web

from apiserver.answers import json_answer, made
from apiserver.audit.trail import Actor, actor_of
from apiserver.auth.access import USER, check_scope
from apiserver.auth.permissions import Deed
from apiserver.auth.principal import UserCaller
from apiserver.bodies import parse_body, read_bytes, read_query, values_checked
from apiserver.idempotency import repeatable_request
from apiserver.pages import Cursors, Listing
from apiserver.paging import after_of, page_of
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import ServiceTokenPage
from apiserver.tenants.membership import membership_for
from apiserver.tenants.personal import tenant_meant
from apiserver.texts import checked_label
from apiserver.tokens.service_answers import (
    NewServiceToken,
    ServiceTokenList,
    ServiceTokenQuery,
    service_token_answer,
    service_token_with_secret,
)
from apiserver.tokens.service_token import ServiceToken, ServiceTokenId, checked_expiry
from apiserver.tokens.service_tokens import AskedServiceToken, ServiceTokens, allowed_service_token
from common.clock import Clock


@dataclass(frozen=True)
class ServiceTokenHandlers:
    storage: Storage
    service_tokens: ServiceTokens
    cursors: Cursors
    clock: Clock

    async def create(self, request: web.Request) -> web.Response:
        caller, actor = request[USER], self._actor(request)
        raw = await read_bytes(request)
        body = parse_body(raw, NewServiceToken)
        asked = _checked(body, actor)
        _check_may_give(caller, asked)
        repeatable = repeatable_request(request, raw, actor)
        tenant_id = await tenant_meant(self.storage, body.tenant_id, caller.acting)
        token = await self.service_tokens.create(caller.user.id, tenant_id, asked, actor, repeatable)
        return json_answer(service_token_with_secret(token, actor.at), status=made(is_new=token.is_new))

    async def show(self, request: web.Request) -> web.Response:
        token_id, user_id = _token_id(request), request[USER].user.id
        token = await self.storage.read(lambda view: allowed_service_token(view, user_id, token_id))
        return json_answer(service_token_answer(token, self.clock.now()))

    async def revoke(self, request: web.Request) -> web.Response:
        actor = self._actor(request)
        token = await self.service_tokens.revoke(request[USER].user.id, _token_id(request), actor)
        return json_answer(service_token_answer(token, actor.at))

    async def show_all(self, request: web.Request) -> web.Response:
        query, acting = read_query(request, ServiceTokenQuery), request[USER].acting
        tenant_id = await tenant_meant(self.storage, query.tenant_id, acting)
        listing = Listing("service_tokens", query.sort, {"tenant_id": tenant_id})
        page = ServiceTokenPage(
            tenant_id=tenant_id,
            limit=query.limit + 1,
            is_newest_first=query.sort.startswith("-"),
            after=after_of(self.cursors, query.cursor, listing),
        )

        async def look(view: Transaction) -> list[ServiceToken]:
            await membership_for(view, tenant_id, acting, Deed.MANAGE_SERVICE_TOKENS)
            return [*await view.service_tokens.page(page)]

        found = await self.storage.read(look)
        shown, next_cursor = page_of(self.cursors, listing, found, query.limit, lambda token: token.id)
        now = self.clock.now()
        return json_answer(
            ServiceTokenList([service_token_answer(token, now) for token in shown], next_cursor)
        )

    def _actor(self, request: web.Request) -> Actor:
        return actor_of(request, request[USER], self.clock.now())


def _token_id(request: web.Request) -> ServiceTokenId:
    return ServiceTokenId(request.match_info["service_token_id"])


@values_checked()
def _checked(body: NewServiceToken, actor: Actor) -> AskedServiceToken:
    return AskedServiceToken(
        label=checked_label(body.label),
        scopes=frozenset(body.scopes),
        expires_at=checked_expiry(body.expires_at, actor.at),
    )


def _check_may_give(caller: UserCaller, asked: AskedServiceToken) -> None:
    """Without this, whoever has a narrowed token could make themselves one that is not."""
    for scope in sorted(asked.scopes):
        check_scope(caller, scope)
