"""From a request to its caller: one `Authorization` header, one bearer token, verified.

Every refusal looks alike from outside (RFC 6750 section 3.1); the log alone has the cause.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web

from apiserver.auth.labels import label_of
from apiserver.auth.own_jwts import OwnJwtAuthenticator
from apiserver.auth.principal import Anonymous, Caller, UserCaller
from apiserver.auth.secrets_presented import SecretAuthenticator
from apiserver.auth.verified import VerifiedLogins
from apiserver.exchange.own_jwts import unverified_issuer
from apiserver.tenants.first_login import UserDirectory
from apiserver.tokens.secret import SecretKind, parse
from common.clock import Clock
from common.issuer import IssuerUnavailableError
from common.jwt import LONGEST_TOKEN_BYTES, InvalidTokenError
from common.problems import ProblemCode, ProblemError
from common.request_keys import CALLER_LABEL

# RFC 9110 section 11.1: the scheme's case does not matter; RFC 6750 section 2.1: what a token is made of.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/-]+=*)")
_LONGEST_HEADER = len("Bearer ") + LONGEST_TOKEN_BYTES
_PREFIX_LENGTH = 4
_OUR_PREFIXES = frozenset(kind.value for kind in SecretKind)
_RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Authenticator:
    logins: VerifiedLogins
    clock: Clock
    users: UserDirectory
    secrets: SecretAuthenticator
    own_jwts: OwnJwtAuthenticator
    own_audience: str

    async def caller_of(self, request: web.Request) -> Caller:
        """Raises `ProblemError`: 401 for a credential that is not accepted, 503 when that cannot be told."""
        with refusals_told():
            presented_token = bearer_token(request.headers.getall(hdrs.AUTHORIZATION, []))
            if presented_token is None:
                return Anonymous()
            if is_own_secret(presented_token):
                return await self._holder(request, presented_token)
            if self.is_own_jwt(presented_token):
                return await self._holder_of_jwt(request, presented_token)
            return await self._user(request, presented_token)

    def is_own_jwt(self, presented_token: str) -> bool:
        """Whose keys verify it: each issuer's tokens are verified by its own keys alone."""
        return unverified_issuer(presented_token) == self.own_jwts.jwts.issuer

    async def _holder(self, request: web.Request, presented_token: str) -> Caller:
        """The holder of a secret of our own. What is not even well formed costs no look-up."""
        presented = parse(presented_token)
        if presented is None:
            raise InvalidTokenError("malformed_secret")
        caller = await self.secrets.holder(presented)
        request[CALLER_LABEL] = label_of(caller)
        return caller

    async def _holder_of_jwt(self, request: web.Request, presented_token: str) -> Caller:
        caller = await self.own_jwts.holder(presented_token, self.own_audience)
        request[CALLER_LABEL] = label_of(caller)
        return caller

    async def _user(self, request: web.Request, presented_token: str) -> UserCaller:
        login = await self.logins.login_of(presented_token, self.clock.now())
        caller = UserCaller(await self.users.user_of(login.identity, login.profile), login.scopes)
        request[CALLER_LABEL] = label_of(caller)
        return caller


@contextmanager
def refusals_told() -> Iterator[None]:
    """What speaks against a token, as `ProblemError`."""
    try:
        yield
    except InvalidTokenError as refusal:
        raise _invalid_token(refusal.cause) from None
    except IssuerUnavailableError as error:
        # Not a 401: the token may well be good, and a client would throw its login away.
        raise _provider_unavailable(error.cause) from None


def is_own_secret(presented_token: str) -> bool:
    """Whether it claims to be a secret of ours, by its prefix."""
    return presented_token[:_PREFIX_LENGTH] in _OUR_PREFIXES


def bearer_token(headers: Sequence[str]) -> str | None:
    """The token in the values of all `Authorization` lines; None when there is no such line.

    Raises `InvalidTokenError` for more than one line: a proxy in front may have judged the other one.
    """
    if not headers:
        return None
    if len(headers) > 1:
        raise InvalidTokenError("two_authorization_headers")
    if len(headers[0]) > _LONGEST_HEADER:
        raise InvalidTokenError("too_large")
    match = _BEARER.fullmatch(headers[0])
    if match is None:
        raise InvalidTokenError("no_bearer_token")
    return match[1]


def _invalid_token(cause: str) -> ProblemError:
    return ProblemError(
        ProblemCode.INVALID_TOKEN,
        "The bearer token is not accepted. Get a new one and try again.",
        cause=cause,
        headers={hdrs.WWW_AUTHENTICATE: 'Bearer error="invalid_token"'},
    )


def _provider_unavailable(cause: str) -> ProblemError:
    return ProblemError(
        ProblemCode.PROVIDER_UNAVAILABLE,
        "Tokens cannot be verified now, since the login provider is away. Keep the token and try again.",
        cause=cause,
        retry_after_s=_RETRY_AFTER_S,
    )
