"""A small real OpenID provider on a loopback port: own key, own grants, and switches for what can go wrong.

`authorize` plays the user's consent at the authorization endpoint; everything else is asked over HTTP.
"""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, Self
from urllib.parse import unquote_plus

from aiohttp import hdrs, web
from multidict import MultiMapping
from yarl import URL

from common.clock import Clock, SystemClock
from common.randomness import SystemRandomness, token_urlsafe
from tests.fakes.client_assertions import ClientAssertions
from tests.fakes.oauth_parts import Grant, compressed_zeros, oauth_error, profile, read_form
from tests.fakes.tokens import SigningKey, b64url, compact

ABSENT: Final = object()
"""As the value of a claim or header: leave it out of the token."""

ACCESS_TOKEN_LIFETIME_S: Final = 300
LOGOUT_TOKEN_LIFETIME_S: Final = 120

UserinfoAnswer = Literal["honest", "array", "other_sub", "huge"]
Endpoint = Literal["discovery", "jwks", "token", "userinfo", "revocation", "par", "introspection"]
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


class FakeIssuer:
    """See the module. Attributes are either switches to set or records to look at.

    Switches: `broken(...)`, `metadata_overrides`, `jwks_overrides`, `id_token_overrides`,
    `access_token_overrides`, `userinfo_answer`, `gives_refresh_tokens`, `renews_id_tokens`,
    `opaque_access_tokens`, `offers_par`, `introspection` (what it adds to an answer; None: not offered),
    `assertions` (the client proves itself by `private_key_jwt`), `token_gate` (token requests wait for it
    when it is set). What the metadata tells must be set before the agent starts.
    Records: `url`, `discovery_fetches`, `jwks_fetches`, `token_requests`, `pushed_requests`, `revoked`,
    `tokens_given`, `token_times_s`.
    """

    def __init__(self, *, client_id: str, client_secret: str | None, audience: str, clock: Clock) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.audience = audience
        self.url = ""
        self.key = SigningKey("key-1")
        self.metadata_overrides: dict[str, Any] = {}
        self.jwks_overrides: dict[str, Any] = {}
        self.id_token_overrides: dict[str, Any] = {}
        self.access_token_overrides: dict[str, Any] = {}
        self.userinfo_answer: UserinfoAnswer = "honest"
        self.token_gate: asyncio.Event | None = None
        self.token_delay_s = 0.0
        self.expires_in_s = ACCESS_TOKEN_LIFETIME_S
        self.gives_refresh_tokens = True
        self.renews_id_tokens = True
        self.opaque_access_tokens = False
        self.offers_par = False
        self.introspection: dict[str, Any] | None = None
        self.assertions: ClientAssertions | None = None
        self.discovery_fetches = 0
        self.jwks_fetches = 0
        self.token_requests: list[dict[str, str]] = []
        self.pushed_requests: list[dict[str, str]] = []
        self.revoked: list[str] = []
        self.tokens_given: list[str] = []
        self.token_times_s: list[float] = []
        self.clock = clock
        self._randomness = SystemRandomness()
        self._key_numbers = itertools.count(2)
        self._broken: dict[str, bool | str] = {}
        self._pushed: dict[str, Mapping[str, str]] = {}
        self._grants_by_code: dict[str, Grant] = {}
        self._grants_by_refresh_token: dict[str, Grant] = {}
        self._grants_by_access_token: dict[str, Grant] = {}

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        client_id: str = "doorward",
        client_secret: str | None = "the-secret-of-the-client",
        audience: str = "doorward-api",
        clock: Clock | None = None,
    ) -> AsyncIterator[Self]:
        issuer = cls(
            client_id=client_id, client_secret=client_secret, audience=audience, clock=clock or SystemClock()
        )
        runner = web.AppRunner(issuer._app(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield issuer
        finally:
            if issuer.token_gate is not None:
                issuer.token_gate.set()
            await runner.cleanup()

    # Switches

    def broken(self, **endpoints: bool | str) -> None:
        """Break or mend endpoints (`Endpoint`): True is a 503, a word is a 400 with that OAuth error."""
        self._broken.update(endpoints)

    def rotate_keys(self) -> None:
        """From now on sign with, and publish, a new key only."""
        self.key = SigningKey(f"key-{next(self._key_numbers)}")

    # Tokens, made by hand

    def sign(self, header: Mapping[str, Any], claims: Any) -> str:
        """A token signed with the issuer's key, header and claims exactly as given."""
        return compact(header, claims, self.key.sign)

    def now(self) -> int:
        """Its clock, as claims write it."""
        return int(self.clock.now().timestamp())

    def access_token(
        self, sub: Any = "alice", *, headers: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """An access token (RFC 9068); claims and headers replace the usual ones, `ABSENT` takes one away."""
        now = self.now()
        usual = {
            "iss": self.url,
            "sub": sub,
            "aud": self.audience,
            "client_id": self.client_id,
            "iat": now,
            "exp": now + ACCESS_TOKEN_LIFETIME_S,
            "jti": token_urlsafe(self._randomness, 12),
        }
        return self._signed("at+jwt", headers, usual | claims)

    def id_token(
        self, sub: Any = "alice", /, *, headers: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """An ID token for the client; claims and headers as in `access_token`."""
        now = self.now()
        usual = {
            "iss": self.url,
            "sub": sub,
            "aud": self.client_id,
            "iat": now,
            "auth_time": now,
            "exp": now + ACCESS_TOKEN_LIFETIME_S,
            "sid": f"sid-{sub}",
            **profile(str(sub)),
        }
        return self._signed("JWT", headers, usual | claims)

    def logout_token(
        self, sub: Any = "alice", /, *, headers: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """A logout token for the client; claims and headers as in `access_token`."""
        now = self.now()
        usual = {
            "iss": self.url,
            "sub": sub,
            "aud": self.client_id,
            "iat": now,
            "exp": now + LOGOUT_TOKEN_LIFETIME_S,
            "jti": token_urlsafe(self._randomness, 12),
            "events": {LOGOUT_EVENT: {}},
        }
        return self._signed("logout+jwt", headers, usual | claims)

    def _signed(self, typ: str, headers: Mapping[str, Any] | None, claims: Mapping[str, Any]) -> str:
        header = {"alg": "ES256", "kid": self.key.kid, "typ": typ, **(headers or {})}
        return self.sign(_without_absent(header), _without_absent(claims))

    # The user's consent

    def authorize(self, url: str | URL, *, sub: str = "alice") -> dict[str, str]:
        """What the browser brings back to the redirect URI when `sub` signs in and agrees at this address."""
        assert str(URL(url).with_query(None)) == f"{self.url}/authorize"
        query = self._requested(URL(url).query)
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = token_urlsafe(self._randomness)
        self._grants_by_code[code] = Grant(
            sub=sub,
            scope=query["scope"],
            nonce=query.get("nonce"),
            redirect_uri=query["redirect_uri"],
            code_challenge=query["code_challenge"],
        )
        return {"code": code, "state": query["state"], "iss": self.url}

    def _requested(self, query: MultiMapping[str]) -> Mapping[str, str]:
        """The authorization request: in the address, or pushed before, and then of use once."""
        assert len(query) == len(set(query)), "RFC 6749 section 3.1: no parameter more than once"
        assert query["client_id"] == self.client_id
        if "request_uri" not in query:
            return dict(query)
        return self._pushed.pop(query["request_uri"])

    # The endpoints

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_post("/token", self._token)
        app.router.add_get("/userinfo", self._userinfo)
        app.router.add_post("/revoke", self._revoke)
        app.router.add_post("/par", self._push)
        app.router.add_post("/introspect", self._introspect)
        return app

    async def _discovery(self, _request: web.Request) -> web.Response:
        self.discovery_fetches += 1
        if (refusal := self._refusal_of("discovery")) is not None:
            return refusal
        metadata = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "revocation_endpoint": f"{self.url}/revoke",
            "end_session_endpoint": f"{self.url}/end-session",
            "device_authorization_endpoint": f"{self.url}/device",
            "pushed_authorization_request_endpoint": f"{self.url}/par" if self.offers_par else ABSENT,
            "introspection_endpoint": ABSENT if self.introspection is None else f"{self.url}/introspect",
            "jwks_uri": f"{self.url}/jwks",
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return web.json_response(_without_absent(metadata | self.metadata_overrides))

    async def _jwks(self, _request: web.Request) -> web.Response:
        self.jwks_fetches += 1
        if (refusal := self._refusal_of("jwks")) is not None:
            return refusal
        return web.json_response({"keys": [self.key.as_jwk()]} | self.jwks_overrides)

    async def _token(self, request: web.Request) -> web.Response:
        started = self.clock.monotonic()
        try:
            return await self._answer_token_request(request)
        finally:
            self.token_times_s.append(self.clock.monotonic() - started)

    async def _answer_token_request(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        self.token_requests.append(form)
        if self.token_gate is not None:
            await self.token_gate.wait()
        await asyncio.sleep(self.token_delay_s)
        if (refusal := self._refusal_of("token")) is not None:
            return refusal
        if not self._knows_client(request, form):
            return oauth_error("invalid_client", status=401)
        match form.get("grant_type"):
            case "authorization_code":
                return self._redeem(form)
            case "refresh_token":
                return self._refresh(form.get("refresh_token", ""))
            case _:
                return oauth_error("unsupported_grant_type")

    async def _userinfo(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal_of("userinfo")) is not None:
            return refusal
        grant = self._grants_by_access_token.get(
            request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ")
        )
        if grant is None or grant.is_revoked:
            return web.Response(status=401, headers={hdrs.WWW_AUTHENTICATE: 'Bearer error="invalid_token"'})
        match self.userinfo_answer:
            case "honest":
                return web.json_response({"sub": grant.sub, **profile(grant.sub)})
            case "array":
                return web.json_response([{"sub": grant.sub}])
            case "other_sub":
                return web.json_response({"sub": f"not-{grant.sub}"})
            case "huge":
                return compressed_zeros()

    async def _revoke(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        if (refusal := self._refusal_of("revocation")) is not None:
            return refusal
        if not self._knows_client(request, form):
            return oauth_error("invalid_client", status=401)
        token = form.get("token", "")
        self.revoked.append(token)
        grant = self._grants_by_refresh_token.get(token) or self._grants_by_access_token.get(token)
        if grant is not None:
            grant.is_revoked = True
        return web.Response()

    async def _push(self, request: web.Request) -> web.Response:
        """RFC 9126: the client proves itself as at the token endpoint, and gets a name for its request."""
        form = await read_form(request)
        if (refusal := self._refusal_of("par")) is not None:
            return refusal
        if not self._knows_client(request, form):
            return oauth_error("invalid_client", status=401)
        if form.get("client_id") != self.client_id or "request_uri" in form:
            return oauth_error("invalid_request")
        self.pushed_requests.append(form)
        request_uri = f"urn:ietf:params:oauth:request_uri:{token_urlsafe(self._randomness)}"
        self._pushed[request_uri] = form
        return web.json_response({"request_uri": request_uri, "expires_in": 60}, status=201)

    async def _introspect(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        if (refusal := self._refusal_of("introspection")) is not None:
            return refusal
        if not self._knows_client(request, form):
            return oauth_error("invalid_client", status=401)
        grant = self._grants_by_access_token.get(form.get("token", ""))
        if grant is None or grant.is_revoked:
            return web.json_response({"active": False})
        answer = {"active": True, "sub": grant.sub, "scope": grant.scope, "client_id": self.client_id}
        return web.json_response(answer | (self.introspection or {}))

    # Grants

    def _redeem(self, form: Mapping[str, str]) -> web.Response:
        grant = self._grants_by_code.pop(form.get("code", ""), None)
        challenge = b64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            grant is None
            or grant.code_challenge != challenge
            or grant.redirect_uri != form.get("redirect_uri")
        ):
            return oauth_error("invalid_grant")
        return self._tokens(grant, {} if grant.nonce is None else {"nonce": grant.nonce})

    def _refresh(self, refresh_token: str) -> web.Response:
        grant = self._grants_by_refresh_token.get(refresh_token)
        if grant is None or grant.is_revoked:
            return oauth_error("invalid_grant")
        if grant.refresh_token != refresh_token:
            grant.is_revoked = True  # a rotated token came back: RFC 9700 section 2.2.2, the family dies
            return oauth_error("invalid_grant")
        return self._tokens(grant, {}, has_id_token=self.renews_id_tokens)

    def _tokens(
        self, grant: Grant, id_token_claims: dict[str, Any], *, has_id_token: bool = True
    ) -> web.Response:
        access_token = self.access_token(grant.sub, **{"scope": grant.scope} | self.access_token_overrides)
        if self.opaque_access_tokens:
            access_token = token_urlsafe(self._randomness)
        at_hash = b64url(hashlib.sha256(access_token.encode()).digest()[:16])
        id_token_claims |= {"at_hash": at_hash} | self.id_token_overrides
        grant.refresh_token = token_urlsafe(self._randomness)
        self._grants_by_refresh_token[grant.refresh_token] = grant
        self._grants_by_access_token[access_token] = grant
        answer = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in_s,
            "refresh_token": grant.refresh_token if self.gives_refresh_tokens else ABSENT,
            "scope": grant.scope,
            "id_token": self.id_token(grant.sub, **id_token_claims) if has_id_token else ABSENT,
        }
        given = _without_absent(answer)
        self.tokens_given += [given[name] for name in given if name.endswith("_token")]
        return web.json_response(given)

    def _knows_client(self, request: web.Request, form: Mapping[str, str]) -> bool:
        if self.assertions is not None:
            return self.assertions.accept(form, client_id=self.client_id, audience=self.url, now=self.now())
        presented = (form.get("client_id"), form.get("client_secret"))
        if (header := request.headers.get(hdrs.AUTHORIZATION)) is not None:
            client_id, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            presented = (unquote_plus(client_id), unquote_plus(secret))  # RFC 6749 section 2.3.1
        return presented == (self.client_id, self.client_secret)

    def _refusal_of(self, endpoint: Endpoint) -> web.Response | None:
        match self._broken.get(endpoint, False):
            case False:
                return None
            case str(error):
                return oauth_error(error)
            case _:
                return web.Response(status=503, text="broken by a test")


def _without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not ABSENT}
