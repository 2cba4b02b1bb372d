"""Lists of tenants, members and invitations over HTTP."""

from dataclasses import dataclass

from aiohttp import web

from apiserver.answers import json_answer
from apiserver.auth.access import MEMBER, USER
from apiserver.auth.permissions import Deed
from apiserver.bodies import read_query
from apiserver.pages import Cursors, Listing
from apiserver.paging import after_of, page_of
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import InvitationPage, MemberPage, MembershipPage
from apiserver.tenants.answers import (
    InvitationList,
    InvitationQuery,
    MemberList,
    MemberQuery,
    TenantList,
    TenantQuery,
    invitation_answer,
    member_answer,
    tenant_answer,
)
from apiserver.tenants.invitation import Invitation
from apiserver.tenants.membership import membership_for
from apiserver.tenants.tenants import Member, TenantId
from common.clock import Clock


@dataclass(frozen=True)
class TenantListing:
    storage: Storage
    cursors: Cursors
    clock: Clock

    async def show_mine(self, request: web.Request) -> web.Response:
        """The tenants that the caller is in."""
        query, user_id = read_query(request, TenantQuery), request[USER].user.id
        listing = Listing("tenants", query.sort, {"user_id": user_id})
        page = MembershipPage(
            user_id=user_id,
            limit=query.limit + 1,
            is_newest_first=query.sort.startswith("-"),
            after=after_of(self.cursors, query.cursor, listing),
        )
        found = await self.storage.read(lambda view: view.tenants.memberships(page))
        shown, next_cursor = page_of(
            self.cursors, listing, found, query.limit, lambda membership: membership.tenant.id
        )
        return json_answer(TenantList([tenant_answer(membership) for membership in shown], next_cursor))

    async def show_members(self, request: web.Request) -> web.Response:
        """For those who manage them: the list tells who its members are outside of here."""
        query, acting, tenant_id = (
            read_query(request, MemberQuery),
            request[MEMBER].acting,
            _tenant_id(request),
        )
        listing = Listing("members", "user_id", {"tenant_id": tenant_id, "role": query.role})
        page = MemberPage(
            tenant_id=tenant_id,
            limit=query.limit + 1,
            role=query.role,
            after=after_of(self.cursors, query.cursor, listing),
        )

        async def look(view: Transaction) -> list[Member]:
            await membership_for(view, tenant_id, acting, Deed.MANAGE_MEMBERS)
            return list(await view.tenants.members(page))

        found = await self.storage.read(look)
        shown, next_cursor = page_of(self.cursors, listing, found, query.limit, lambda member: member.user_id)
        return json_answer(MemberList([member_answer(member) for member in shown], next_cursor))

    async def show_invitations(self, request: web.Request) -> web.Response:
        query, acting, tenant_id = (
            read_query(request, InvitationQuery),
            request[USER].acting,
            _tenant_id(request),
        )
        listing = Listing("invitations", query.sort, {"tenant_id": tenant_id})
        page = InvitationPage(
            tenant_id=tenant_id,
            limit=query.limit + 1,
            is_newest_first=query.sort.startswith("-"),
            after=after_of(self.cursors, query.cursor, listing),
        )

        async def look(view: Transaction) -> list[Invitation]:
            await membership_for(view, tenant_id, acting, Deed.MANAGE_MEMBERS)
            return list(await view.invitations.page(page))

        found = await self.storage.read(look)
        shown, next_cursor = page_of(
            self.cursors, listing, found, query.limit, lambda invitation: invitation.id
        )
        now = self.clock.now()
        return json_answer(
            InvitationList([invitation_answer(invitation, now) for invitation in shown], next_cursor)
        )


def _tenant_id(request: web.Request) -> TenantId:
    return TenantId(request.match_info["tenant_id"])
