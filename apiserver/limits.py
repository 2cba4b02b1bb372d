"""How large a request's body may be."""

from aiohttp import web
from aiohttp.typedefs import Handler

from common.problems import ProblemCode, ProblemError

BODY_LIMIT_BYTES = 64 * 1024


@web.middleware
async def refuse_large_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses by the announced length, before anything is read and whether the handler reads it or not.

    A body of unannounced length meets the same limit where it is read: it is the application's
    `client_max_size`.
    """
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise ProblemError(
            ProblemCode.REQUEST_TOO_LARGE, f"A request's body may have {BODY_LIMIT_BYTES} bytes."
        )
    return await handler(request)
