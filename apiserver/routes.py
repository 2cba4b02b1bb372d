"""The whole surface: method, path, handler, who may call it."""

import msgspec

from apiserver.auth.access import Access
from apiserver.openapi import OpenApi, openapi_document
from apiserver.storage.contracts import Storage
from apiserver.tenants.answers import Me
from apiserver.tenants.handlers import UserHandlers
from common.routing import Route


def api_routes(storage: Storage) -> list[Route[Access]]:
    users = UserHandlers(storage)
    routes = [
        Route("GET", "/api/v1/users/me", users.show_me, Access.USER, "The signed-in user", Me),
    ]
    openapi = OpenApi(msgspec.json.encode(openapi_document(routes)))
    return [
        *routes,
        Route("GET", "/openapi.json", openapi.show, Access.ANYONE, "The description of this API"),
    ]
