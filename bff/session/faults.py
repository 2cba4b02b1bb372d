"""The store being away becomes one answer, here: 503, to be tried again, and the browser keeps its cookie."""

from aiohttp import web
from aiohttp.typedefs import Handler

from bff.session.store import StoreUnavailableError
from common.problems import ProblemCode, ProblemError

RETRY_AFTER_S = 2


@web.middleware
async def answer_store_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever the handler was about to answer is dropped, cookies as well: nobody knows what is true now."""
    try:
        return await handler(request)
    except StoreUnavailableError as error:
        raise store_problem(error) from error


def store_problem(error: StoreUnavailableError) -> ProblemError:
    detail = "Sessions cannot be looked up at the moment. You stay signed in: try again in a moment."
    return ProblemError(ProblemCode.STORE_UNAVAILABLE, detail, cause=error.cause, retry_after_s=RETRY_AFTER_S)
