"""The route table: every route says who may call it, or it is not registered.

Each server has its own enumeration of access rules and its own guard that enforces them; this file makes
sure that no handler is reachable without passing the guard.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from common.problems import ProblemCode

AccessT = TypeVar("AccessT", bound=Enum)


@dataclass(frozen=True)
class Route(Generic[AccessT]):
    """One row of the surface. `answer`, `body` and `query` are the types that describe them, if any does.

    `media_type` is that of the answer, `status` that of a success; `scope` what a narrowed token must have
    been given, and `service_scope` what a service must have where a user needs none. `problems` are the
    refusals of its own, beyond those that whoever is admitted, a body, a query and an id in the path bring
    with them. `is_oauth`: the body is a form, and refusals are OAuth errors.
    """

    method: str
    path: str
    handler: Handler
    access: AccessT
    summary: str
    answer: type | None = None
    body: type | None = None
    query: type | None = None
    status: int = 200
    scope: Enum | None = None
    service_scope: Enum | None = None
    media_type: str = "application/json"
    problems: tuple[ProblemCode, ...] = ()
    is_oauth: bool = False


Guard = Callable[[Route[AccessT]], Handler]


def add_routes(app: web.Application, routes: Iterable[Route[AccessT]], guard: Guard[AccessT]) -> None:
    """Register each route behind `guard`. A route whose access is not a rule is refused (`TypeError`)."""
    for route in routes:
        if not isinstance(route.access, Enum):
            raise TypeError(f"{route.method} {route.path} declares no access rule")
        app.router.add_route(route.method, route.path, guard(route), expect_handler=_answer_expectation)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, guard(route), expect_handler=_answer_expectation)


async def _answer_expectation(request: web.Request) -> None:
    """RFC 9110 section 10.1.1: what is expected beyond `100-continue` may be passed over.

    aiohttp would refuse it before any middleware: without a request id, and unseen by the log.
    """
    if request.version == HttpVersion11 and request.headers[hdrs.EXPECT].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # As aiohttp's own does: the answer itself has not begun.
        request.writer.output_size = 0
