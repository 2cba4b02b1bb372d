"""`GET /.well-known/jwks.json`: the public keys by which third parties verify our JWTs (RFC 7517)."""

import hashlib
from dataclasses import dataclass

import msgspec
from aiohttp import hdrs, web

from apiserver.signing.key import JWKS_MAX_AGE
from apiserver.signing.rotation import SigningKeys
from common.clock import Clock

# A rotation counts on it: see LEAD in `key`.
_CACHE = f"public, max-age={JWKS_MAX_AGE.seconds}"


class JsonWebKey(msgspec.Struct, frozen=True):
    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str


class JsonWebKeySet(msgspec.Struct, frozen=True):
    keys: list[JsonWebKey]


@dataclass(frozen=True)
class PublishedKeys:
    keys: SigningKeys
    clock: Clock

    async def show(self, request: web.Request) -> web.Response:
        """From memory: it is there when the storage is not."""
        pairs = self.keys.known.published(self.clock.now())
        body = msgspec.json.encode(JsonWebKeySet([JsonWebKey(**pair.as_jwk()) for pair in pairs]))
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {hdrs.CACHE_CONTROL: _CACHE, hdrs.ETAG: tag}
        if tag in request.headers.get(hdrs.IF_NONE_MATCH, "").replace("W/", "").split(", "):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers, content_type="application/json")
