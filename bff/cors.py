"""CORS for configured origins of the same site: others would never get the cookie, and do not start."""

from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_CORS_HEADERS = "access-control-"
_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Accept, Content-Type, X-CSRF, Idempotency-Key, If-Match, If-None-Match"
    ),
    "Access-Control-Max-Age": "600",
}
_ANSWER_HEADERS = {
    "Access-Control-Expose-Headers": "ETag, Location, Retry-After, X-Request-Id, X-Claims-Source"
}


@dataclass(frozen=True)
class Cors:
    """`origins`: exactly those of the settings, never a pattern and never what the request says."""

    origins: Collection[str]

    def middleware(self) -> Middleware:
        """Answers preflights, which carry no cookie."""

        @web.middleware
        async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
            if _is_preflight(request) and self._allowed_origin(request) is not None:
                return web.Response(status=204)
            return await handler(request)

        return answer_preflight

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """On every answer, refusals and streams too, as its head goes out (`on_response_prepare`).

        What an upstream says of CORS does not count: it knows bearers, and who may use the cookie is not for
        it to say.
        """
        for name in [name for name in response.headers if name.lower().startswith(_CORS_HEADERS)]:
            del response.headers[name]
        if self.origins:
            response.headers.add("Vary", "Origin")
        origin = self._allowed_origin(request)
        if origin is not None:
            response.headers.update(_allowing(origin))
            response.headers.update(_PREFLIGHT_HEADERS if _is_preflight(request) else _ANSWER_HEADERS)

    def _allowed_origin(self, request: web.Request) -> str | None:
        origin = request.headers.get("Origin")
        return origin if origin in self.origins else None


def answer_headers(origin: str, origins: Collection[str]) -> dict[str, str]:
    """What every answer carries when `origins` are configured, and what one to a page of theirs carries."""
    headers = {"Vary": "Origin"}
    return headers | _allowing(origin) | _ANSWER_HEADERS if origin in origins else headers


def _allowing(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}


def _is_preflight(request: web.Request) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
