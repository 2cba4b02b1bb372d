"""What the first middlewares find out about a request, for all that comes after."""

from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class CallerLabel:
    """Who called, for the request log: the kind of credential and a public id, never the credential."""

    kind: str
    id: str | None = None


REQUEST_ID = web.RequestKey("request_id", str)
CLIENT_ADDRESS = web.RequestKey("client_address", str)
IS_FROM_TRUSTED_PROXY = web.RequestKey("is_from_trusted_proxy", bool)
CALLER_LABEL = web.RequestKey("caller_label", CallerLabel)
# Where one handler serves many routes: the one that this request belongs to.
ROUTE_NAME = web.RequestKey("route_name", str)
