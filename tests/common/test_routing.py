"""A route that does not say who may call it is not registered."""

from enum import Enum, auto
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from common.routing import Route, add_routes
from tests.common.server import serving


class Access(Enum):
    ANYONE = auto()
    NOBODY = auto()


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


def guard(route: Route[Access]) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if route.access is Access.NOBODY:
            raise web.HTTPForbidden
        return await route.handler(request)

    return guarded


@pytest.mark.parametrize("access", [None, "", "anyone", 0, object()])
def test_a_route_without_an_access_rule_is_refused(access: object) -> None:
    app = web.Application()
    route = Route("GET", "/open", hello, cast("Any", access), "Open to all by mistake")

    with pytest.raises(TypeError, match="GET /open declares no access rule"):
        add_routes(app, [route], guard)

    assert len(app.router.routes()) == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_each_method_of_a_route_stands_behind_the_guard(method: str) -> None:
    app = web.Application()
    routes = [
        Route("GET", "/open", hello, Access.ANYONE, "Open"),
        Route("GET", "/closed", hello, Access.NOBODY, "Closed"),
    ]
    add_routes(app, routes, guard)

    async with serving(app) as client:
        assert (await client.request(method, "/open")).status_code == 200
        assert (await client.request(method, "/closed")).status_code == 403
