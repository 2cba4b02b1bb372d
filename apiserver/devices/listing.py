"""Lists of devices over HTTP: pages, filters, an exact sort."""

from dataclasses import dataclass, replace

from aiohttp import web

from apiserver.answers import json_answer
from apiserver.auth.access import MEMBER
from apiserver.auth.permissions import Deed, Reach
from apiserver.bodies import read_query
from apiserver.devices.answers import DeviceList, DeviceQuery, device_answer
from apiserver.devices.device import LIVE_STATES, Device
from apiserver.devices.names import name_key
from apiserver.pages import Cursors, Listing
from apiserver.paging import after_of, page_of
from apiserver.storage.contracts import Storage, Transaction
from apiserver.storage.records import DevicePage
from apiserver.tenants.acting import Acting
from apiserver.tenants.membership import membership_for
from apiserver.tenants.personal import tenant_meant
from apiserver.tenants.tenants import TenantId
from apiserver.tenants.users import UserId
from apiserver.tokens.registration_token import RegistrationTokenId
from common.problems import ProblemCode, ProblemError


@dataclass(frozen=True)
class DeviceListing:
    storage: Storage
    cursors: Cursors

    async def show(self, request: web.Request) -> web.Response:
        """The devices of a tenant that the caller may see: all of them, or those that they own."""
        query, acting = read_query(request, DeviceQuery), request[MEMBER].acting
        by_name = query.sort.endswith("name")
        if by_name and query.state is not None and query.state not in LIVE_STATES:
            raise ProblemError(ProblemCode.BAD_REQUEST, "Devices that have ended are not sorted by name.")
        tenant_id = await tenant_meant(self.storage, query.tenant_id, acting)
        listing = _listing(query, tenant_id, acting.user_id)
        page = DevicePage(
            tenant_id=tenant_id,
            limit=query.limit + 1,
            by_name=by_name,
            is_descending=query.sort.startswith("-"),
            owner_id=None if query.owner_id is None else UserId(query.owner_id),
            registration_token_id=(
                None
                if query.registration_token_id is None
                else RegistrationTokenId(query.registration_token_id)
            ),
            state=query.state,
            name=query.name,
            after=after_of(self.cursors, query.cursor, listing),
        )
        found = await self.storage.read(lambda view: _visible(view, page, acting))
        shown, next_cursor = page_of(
            self.cursors, listing, found, query.limit, _key_of_name if by_name else _id
        )
        return json_answer(DeviceList([device_answer(device) for device in shown], next_cursor))


async def _visible(view: Transaction, page: DevicePage, acting: Acting) -> list[Device]:
    _, reach = await membership_for(view, page.tenant_id, acting, Deed.SEE_DEVICES)
    if reach is Reach.ALL:
        return list(await view.devices.page(page))
    if page.owner_id not in {None, acting.user_id}:
        return []
    return list(await view.devices.page(replace(page, owner_id=acting.user_id)))


def _listing(query: DeviceQuery, tenant_id: TenantId, user_id: UserId) -> Listing:
    return Listing(
        "devices",
        query.sort,
        {
            "tenant_id": tenant_id,
            "user_id": user_id,
            "state": query.state,
            "owner_id": query.owner_id,
            "registration_token_id": query.registration_token_id,
            "name": query.name,
        },
    )


def _id(device: Device) -> str:
    return device.id


def _key_of_name(device: Device) -> str:
    return name_key(device.name)
