r"""A service behind the door that knows nothing of Doorward: it verifies JWTs, and says who called.

    ISSUERS='https://door.example.com=https://door.example.com/.well-known/jwks.json' \
    AUDIENCE=example-service python verifying_service.py      # needs: pip install aiohttp 'pyjwt[crypto]'

`ISSUERS`: whose JWTs it takes and where their keys are, parted by blanks. Devices and services come with
one of the apiserver, users with one of the OpenID provider, whose discovery document tells its `jwks_uri`.
`AUDIENCE`: whom a JWT must be for, parted by commas. `LISTEN`: default 127.0.0.1:8090.
"""

import asyncio
import os

import jwt
from aiohttp import web

AUDIENCE = os.environ["AUDIENCE"].split(",")
# One fetch of the keys serves all requests for five minutes; an unknown key is looked for at once.
KEYS = {
    issuer: jwt.PyJWKClient(keys, lifespan=300, timeout=5)
    for issuer, _, keys in (pair.partition("=") for pair in os.environ["ISSUERS"].split())
}


def verify(token: str) -> dict[str, object]:
    """The claims. Raises jwt.PyJWTError for whatever is not a good JWT of a known issuer for us."""
    # Only picks the keys: what it says counts when the signature has been checked with them.
    claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
    if claimed not in KEYS:
        raise jwt.InvalidIssuerError("not an issuer of ours")
    key = KEYS[claimed].get_signing_key_from_jwt(token)
    return jwt.decode(
        token,
        key,
        algorithms=["ES256", "EdDSA", "RS256"],  # never one that a secret signs: the keys are public
        audience=AUDIENCE,
        issuer=claimed,
        options={"require": ["iss", "sub", "aud", "exp"]},
    )


async def who(request: web.Request) -> web.Response:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = await asyncio.to_thread(verify, token if scheme.lower() == "bearer" else "")
    except jwt.PyJWTError as error:
        return web.json_response({"error": type(error).__name__}, status=401)
    # A user's JWT has no `kind`: that is the provider's own.
    told = {name: claims.get(name) for name in ("sub", "owner", "user", "tenant", "taints", "scope")}
    return web.json_response({"kind": claims.get("kind", "user"), **told})


if __name__ == "__main__":
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:8090").rpartition(":")
    app = web.Application()
    app.router.add_get("/{path:.*}", who)
    web.run_app(app, host=host, port=int(port))
