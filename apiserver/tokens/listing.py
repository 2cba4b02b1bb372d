"""Lists of registration tokens over HTTP: pages, filters, an exact sort."""

from dataclasses import dataclass, replace

from aiohttp import web

from apiserver.answers import json_answer
from apiserver.auth.access import MEMBER
from apiserver.auth.permissions import Deed, Reach
from apiserver.bodies import read_query
from apiserver.pages import Cursors, Listing
from apiserver.paging import after_of, page_of
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import RegistrationTokenPage
from apiserver.tenants.acting import Acting
from apiserver.tenants.membership import membership_for
from apiserver.tenants.personal import tenant_meant
from apiserver.tenants.users import UserId
from apiserver.tokens.answers import RegistrationTokenList, RegistrationTokenQuery, registration_token_answer
from apiserver.tokens.registration_token import RegistrationToken
from common.clock import Clock


@dataclass(frozen=True)
class RegistrationTokenListing:
    storage: Storage
    cursors: Cursors
    clock: Clock

    async def show(self, request: web.Request) -> web.Response:
        """The registration tokens of a tenant that the caller may see: all of them, or those they own."""
        query, acting = read_query(request, RegistrationTokenQuery), request[MEMBER].acting
        tenant_id = await tenant_meant(self.storage, query.tenant_id, acting)
        filters = {"tenant_id": tenant_id, "user_id": acting.user_id, "owner_id": query.owner_id}
        listing = Listing("registration_tokens", query.sort, filters)
        page = RegistrationTokenPage(
            tenant_id=tenant_id,
            limit=query.limit + 1,
            is_newest_first=query.sort.startswith("-"),
            owner_id=None if query.owner_id is None else UserId(query.owner_id),
            after=after_of(self.cursors, query.cursor, listing),
        )
        found = await self.storage.read(lambda view: _visible(view, page, acting))
        shown, next_cursor = page_of(self.cursors, listing, found, query.limit, _id)
        now = self.clock.now()
        items = [registration_token_answer(token, now) for token in shown]
        return json_answer(RegistrationTokenList(items, next_cursor))


async def _visible(view: Transaction, page: RegistrationTokenPage, acting: Acting) -> list[RegistrationToken]:
    _, reach = await membership_for(view, page.tenant_id, acting, Deed.MANAGE_REGISTRATION_TOKENS)
    if reach is Reach.ALL:
        return list(await view.registration_tokens.page(page))
    if page.owner_id not in {None, acting.user_id}:
        return []
    return list(await view.registration_tokens.page(replace(page, owner_id=acting.user_id)))


def _id(token: RegistrationToken) -> str:
    return token.id
