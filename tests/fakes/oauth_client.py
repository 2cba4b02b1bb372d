"""A client application reduced to its requests: it builds and sends them, the test judges the answers."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import jwt

from tests.fakes.providers import ALICE, DEVICE_CODE, ProviderUser, RunningProvider, log_in

# Nobody listens there: the redirect back is looked at, not followed.
REDIRECT_URI = "http://localhost:9/login/end"
SIGNED_OUT_URI = "http://localhost:9/signed-out"
NO_AUTH = httpx.Auth()
VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def parameters_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


class OAuthClient:
    """The web client and the command line client of one provider, and one browser with its cookies."""

    def __init__(
        self,
        provider: RunningProvider,
        browser: httpx.AsyncClient,
        program: httpx.AsyncClient,
        metadata: dict[str, Any],
    ) -> None:
        self.provider = provider
        self.browser = browser
        self.metadata = metadata
        self._program = program
        self.basic = httpx.BasicAuth(provider.web_client_id, provider.web_client_secret)

    def authorization_url(self, **changes: str | None) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self.provider.web_client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid profile email",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return f"{self.metadata['authorization_endpoint']}?{query}"

    async def authorize(self, **changes: str | None) -> httpx.Response:
        return await self.browser.get(self.authorization_url(**changes))

    async def log_in(self, user: ProviderUser = ALICE, **changes: str | None) -> dict[str, str]:
        """Sign in as `user`; the parameters that came back to the redirect URI."""
        redirect = await log_in(self.browser, self.authorization_url(**changes), user, REDIRECT_URI)
        return parameters_of(redirect.headers["Location"])

    async def redeem(self, code: str, auth: httpx.Auth | None = None, /, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
            **changes,
        }
        return await self.post("token_endpoint", form, auth or self.basic)

    async def tokens(self, user: ProviderUser = ALICE, **changes: str | None) -> dict[str, str]:
        answer = await self.log_in(user, **changes)
        response = await self.redeem(answer["code"])
        assert response.status_code == 200, response.text
        tokens: dict[str, str] = response.json()
        return tokens

    async def refresh(self, refresh_token: str, **changes: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **changes}
        return await self.post("token_endpoint", form, self.basic)

    async def start_device(self, **changes: str) -> httpx.Response:
        form = {"client_id": self.provider.cli_client_id, "scope": "openid profile", **changes}
        return await self.post("device_authorization_endpoint", form)

    async def poll_device(self, device_code: str) -> httpx.Response:
        form = {
            "grant_type": DEVICE_CODE,
            "client_id": self.provider.cli_client_id,
            "device_code": device_code,
        }
        return await self.post("token_endpoint", form)

    async def introspect(self, token: str) -> dict[str, object]:
        response = await self.post("introspection_endpoint", {"token": token}, self.basic)
        answer: dict[str, object] = response.json()
        return answer

    async def userinfo(self, access_token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        return await self.browser.get(self.metadata["userinfo_endpoint"], headers=headers)

    async def post(self, endpoint: str, form: dict[str, str], auth: httpx.Auth = NO_AUTH) -> httpx.Response:
        return await self._program.post(self.metadata[endpoint], data=form, auth=auth)

    async def verified(self, token: str, audience: str) -> dict[str, object]:
        """The claims of a JWT, checked with the provider's published keys."""
        jwks = jwt.PyJWKSet.from_dict((await self.browser.get(self.metadata["jwks_uri"])).json())
        header = jwt.get_unverified_header(token)
        key = jwks[header["kid"]]
        claims: dict[str, object] = jwt.decode(
            token,
            key,
            algorithms=[header["alg"]],
            audience=audience,
            issuer=self.provider.issuer,
            options={"verify_exp": False, "verify_iat": False},
        )
        return claims


@asynccontextmanager
async def client_of(provider: RunningProvider) -> AsyncIterator[OAuthClient]:
    # Without certificates: all is plain http, and loading them takes longer than a test.
    async with httpx.AsyncClient(verify=False) as browser, httpx.AsyncClient(verify=False) as program:
        metadata = (await program.get(f"{provider.issuer}/.well-known/openid-configuration")).json()
        yield OAuthClient(provider, browser, program, metadata)
