"""Writing answers."""

import msgspec
from aiohttp import web


def json_answer(body: msgspec.Struct) -> web.Response:
    """A 200 with this body as JSON."""
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
