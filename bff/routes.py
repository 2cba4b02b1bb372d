"""The whole surface of the agent: method, path, handler, who may call it.

What is not in this table is not served. Health, readiness and metrics are on the private listener
(`common.health`).
"""

from dataclasses import dataclass

from bff.access import Access
from bff.device.start import DeviceStart
from bff.login.end import LoginEnd
from bff.login.start import LoginStart
from bff.proxy.handlers import ProxyHandler
from bff.proxy.route_table import RouteTable
from bff.session.backchannel import BackchannelLogout
from bff.session.listing import SessionListing
from bff.session.logout import Logout
from bff.user import UserHandlers
from common.routing import Route


@dataclass(frozen=True)
class WebHandlers:
    start: LoginStart
    end: LoginEnd
    user: UserHandlers
    logout: Logout
    backchannel: BackchannelLogout
    listing: SessionListing


def web_routes(mount: str, handlers: WebHandlers) -> list[Route[Access]]:
    """Web mode, under `mount` (empty for the root)."""
    anyone, either, session, provider = Access.ANYONE, Access.EITHER, Access.SESSION, Access.PROVIDER
    start, end, user, logout = handlers.start, handlers.end, handlers.user, handlers.logout
    backchannel, listing = handlers.backchannel, handlers.listing
    return [
        Route("GET", f"{mount}/login/start", start.handle, anyone, "Start a login"),
        Route("GET", f"{mount}/login/end", end.handle, anyone, "Finish a login: the redirect URI"),
        Route("GET", f"{mount}/userinfo", user.userinfo, session, "The signed-in user"),
        Route("GET", f"{mount}/user_info", user.userinfo, session, "The signed-in user (older name)"),
        Route("GET", f"{mount}/claims", user.claims, session, "The claims of the access token"),
        Route("GET", f"{mount}/session", user.session, either, "Whether somebody is signed in"),
        Route("POST", f"{mount}/refresh", user.refresh, session, "Refresh the access token"),
        Route("POST", f"{mount}/logout", logout.post, either, "End the session"),
        Route("GET", f"{mount}/logout", logout.get, either, "End the session, for links of this site"),
        Route("GET", f"{mount}/logout/{{ticket}}", logout.to_provider, either, "Go on to the provider"),
        Route("POST", f"{mount}/backchannel-logout", backchannel.handle, provider, "Provider ends a login"),
        Route("GET", f"{mount}/sessions", listing.show, session, "My sessions on other browsers"),
        Route("DELETE", f"{mount}/sessions/{{id}}", listing.kill, session, "End one of them"),
    ]


def device_routes(mount: str, start: DeviceStart) -> list[Route[Access]]:
    """Device mode, under `mount` (empty for the root)."""
    return [
        Route("GET", f"{mount}/login/start", start.handle, Access.ANYONE, "Where to log in"),
        Route("POST", f"{mount}/login/start", start.handle, Access.ANYONE, "Where to log in"),
    ]


def proxied_routes(mount: str, table: RouteTable, proxy: ProxyHandler) -> list[Route[Access]]:
    """What is forwarded, under `mount`. Which path belongs to which route, the table says."""
    prefixes = [route.prefix for route in table.routes]
    below = [f"{mount}{prefix.rstrip('/')}/{{path:.*}}" for prefix in prefixes]
    exact = [f"{mount}{prefix}" for prefix in prefixes if not prefix.endswith("/")]
    return [
        Route("*", path, proxy.handle, Access.BY_ROUTE, "Proxied, as its route says")
        for path in below + exact
    ]
