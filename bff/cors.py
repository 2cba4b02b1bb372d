"""CORS for configured origins of the same site: others would never get the cookie, and do not start."""

from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_ALLOWED_HEADERS = "Accept, Content-Type, X-CSRF, Idempotency-Key, If-Match, If-None-Match"
_ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_EXPOSED_HEADERS = "ETag, Location, Retry-After, X-Request-Id, X-Claims-Source"
_PREFLIGHT_LIFETIME_S = "600"


@dataclass(frozen=True)
class Cors:
    """`origins`: exactly those of the settings, never a pattern and never what the request says."""

    origins: Collection[str]

    def middleware(self) -> Middleware:
        @web.middleware
        async def answer_cors(request: web.Request, handler: Handler) -> web.StreamResponse:
            origin = request.headers.get("Origin")
            if origin is None or origin not in self.origins:
                return await handler(request)
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                return web.Response(status=204, headers=_preflight_headers(origin))
            # Set here and not after the handler: a proxied answer is on its way by then.
            request[CORS_ORIGIN] = origin
            return await handler(request)

        return answer_cors


CORS_ORIGIN = web.RequestKey("cors_origin", str)


async def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, refusals and streams too; what an upstream says of CORS does not count here."""
    for name in [name for name in response.headers if name.lower().startswith("access-control-")]:
        del response.headers[name]
    response.headers.add("Vary", "Origin")
    origin = request.get(CORS_ORIGIN)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS


def _preflight_headers(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": _ALLOWED_METHODS,
        "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
        "Access-Control-Max-Age": _PREFLIGHT_LIFETIME_S,
        "Vary": "Origin",
    }
