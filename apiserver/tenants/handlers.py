"""The signed-in user over HTTP."""

from dataclasses import dataclass

from aiohttp import web

from apiserver.answers import json_answer
from apiserver.auth.access import USER
from apiserver.storage.contracts import Storage
from apiserver.tenants.answers import me


@dataclass(frozen=True)
class UserHandlers:
    storage: Storage

    async def show_me(self, request: web.Request) -> web.Response:
        user = request[USER].user
        memberships = await self.storage.read(lambda view: view.tenants.memberships_of(user.id))
        return json_answer(me(user, memberships))
