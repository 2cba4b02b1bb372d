"""From a request to its caller: one `Authorization` header, one bearer token, verified.

Every refusal looks alike from outside (RFC 6750 section 3.1); the log alone has the cause.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from apiserver.auth.principal import Anonymous, Caller, UserCaller
from apiserver.auth.secrets_presented import SecretAuthenticator
from apiserver.auth.verified import VerifiedLogins
from apiserver.tenants.first_login import UserDirectory
from apiserver.tokens.secret import SecretKind, parse
from common.clock import Clock
from common.issuer import IssuerUnavailableError
from common.jwt import LONGEST_TOKEN_BYTES, InvalidTokenError
from common.problems import ProblemCode, ProblemError
from common.request_keys import CALLER_LABEL, CallerLabel

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

    async def caller_of(self, request: web.Request) -> Caller:
        """Raises `ProblemError`: 401 for a credential that is not accepted, 503 when that cannot be told."""
        try:
            presented_token = bearer_token(request.headers.getall(hdrs.AUTHORIZATION, []))
            if presented_token is None:
                return Anonymous()
            if presented_token[:_PREFIX_LENGTH] in _OUR_PREFIXES:
                return await self._holder(request, presented_token)
            return await self._user(request, presented_token)
        except InvalidTokenError as refusal:
            raise _invalid_token(refusal.cause) from None
        except IssuerUnavailableError as error:
            # Not a 401: the token may well be good, and a client would throw its login away.
            raise _provider_unavailable(error.cause) from None

    async def _holder(self, request: web.Request, presented_token: str) -> Caller:
        """The holder of a secret of our own. What is not even well formed costs no look-up."""
        presented = parse(presented_token)
        match presented and presented.kind:
            case SecretKind.REGISTRATION if presented:
                registering = await self.secrets.registration_token(presented)
                request[CALLER_LABEL] = CallerLabel("registration_token", registering.token.id)
                return registering
            case SecretKind.DEVICE if presented:
                caller = await self.secrets.device(presented)
                request[CALLER_LABEL] = CallerLabel("device", caller.device.id)
                return caller
            case SecretKind.SERVICE if presented:
                service = await self.secrets.service_token(presented)
                request[CALLER_LABEL] = CallerLabel("service_token", service.token.id)
                return service
            case _:
                raise InvalidTokenError("malformed_secret")

    async def _user(self, request: web.Request, presented_token: str) -> UserCaller:
        login = await self.logins.login_of(presented_token, self.clock.now())
        user = await self.users.user_of(login.identity, login.profile)
        request[CALLER_LABEL] = CallerLabel("user", user.id)
        return UserCaller(user, login.scopes)


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
