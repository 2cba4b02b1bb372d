"""Small parts of the fake issuer: users and grants, and how it reads and writes OAuth."""

import gzip
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web


@dataclass
class Grant:
    """What a user agreed to; all refresh tokens that were ever made of it form one family."""

    sub: str
    scope: str
    nonce: str | None
    redirect_uri: str
    code_challenge: str
    is_revoked: bool = False
    refresh_token: str = ""


def profile(sub: str) -> dict[str, Any]:
    return {"name": sub.capitalize(), "email": f"{sub}@example.test", "email_verified": True}


async def read_form(request: web.Request) -> dict[str, str]:
    """RFC 6749 section 3.2: no parameter more than once."""
    posted = await request.post()
    if len(posted) != len(set(posted)):
        raise web.HTTPBadRequest(text='{"error": "invalid_request"}', content_type="application/json")
    return {name: str(value) for name, value in posted.items()}


def oauth_error(error: str, *, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status)


def compressed_zeros() -> web.Response:
    body = gzip.compress(b"0" * 10_000_000)
    return web.Response(
        body=body, headers={hdrs.CONTENT_TYPE: "application/json", hdrs.CONTENT_ENCODING: "gzip"}
    )
