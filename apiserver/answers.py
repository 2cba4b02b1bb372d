"""Writing answers."""

from http import HTTPStatus

import msgspec
from aiohttp import hdrs, web

from apiserver.etags import etag


def json_answer(
    body: msgspec.Struct, *, status: HTTPStatus = HTTPStatus.OK, version: int | None = None
) -> web.Response:
    """This body as JSON, with the entity tag of its `version`."""
    headers = {} if version is None else {hdrs.ETAG: etag(version)}
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers
    )
