"""Writing answers."""

from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web

from apiserver.etags import etag


class Resource(msgspec.Struct, frozen=True):
    """A single thing that has versions: each answer that shows one has its entity tag."""


def resource_answer(resource: Resource, version: int, *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """The thing as JSON, with the entity tag of this version."""
    answer = json_answer(resource, status=status)
    answer.headers[hdrs.ETAG] = etag(version)
    return answer


def json_answer(body: msgspec.Struct, *, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """This body as JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def made(*, is_new: bool) -> HTTPStatus:
    """201 for a thing that was made, 200 for the thing that a former request made."""
    return HTTPStatus.CREATED if is_new else HTTPStatus.OK
