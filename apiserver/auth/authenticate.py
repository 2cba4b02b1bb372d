"""From a request to its caller: one `Authorization` header, one bearer token, verified.

Every refusal looks alike from outside (RFC 6750 section 3.1); the log alone has the cause.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import hdrs, web

from apiserver.auth.principal import Anonymous, Caller, UserCaller
from apiserver.auth.scopes import scopes_of_login
from apiserver.auth.secrets_presented import SecretAuthenticator
from apiserver.tenants.first_login import UserDirectory
from apiserver.tenants.users import Identity, Profile
from apiserver.tokens.secret import SecretKind, parse
from common.clock import Clock
from common.issuer import Issuer, IssuerUnavailableError
from common.jwt import (
    LONGEST_TOKEN_BYTES,
    BearerKind,
    Claims,
    InvalidTokenError,
    id_token_rules,
    verify,
    verify_access_token,
)
from common.problems import ProblemCode, ProblemError
from common.request_keys import CALLER_LABEL, CallerLabel

# RFC 9110 section 11.1: the scheme's case does not matter; RFC 6750 section 2.1: what a token is made of.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/-]+=*)")
_LONGEST_HEADER = len("Bearer ") + LONGEST_TOKEN_BYTES
_PREFIX_LENGTH = 4
_OUR_PREFIXES = frozenset(kind.value for kind in SecretKind)
_LONGEST_SUBJECT = 255  # OpenID Connect Core section 2
_LONGEST_NAME = 200
_LONGEST_EMAIL = 320
_RETRY_AFTER_S = 5
_CLAIMS_OF_OTHER_TOKENS = frozenset({"scope", "scp", "client_id", "events"})


@dataclass(frozen=True)
class Authenticator:
    issuer: Issuer
    audience: str
    bearer: BearerKind
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
            case _:
                raise InvalidTokenError("malformed_secret")

    async def _user(self, request: web.Request, presented_token: str) -> UserCaller:
        claims = await self._verified(presented_token)
        user = await self.users.user_of(identity_of(self.issuer.url, claims), profile_of(claims))
        request[CALLER_LABEL] = CallerLabel("user", user.id)
        return UserCaller(user, scopes_of_login(claims.get("scope", claims.get("scp"))))

    async def _verified(self, presented_token: str) -> Claims:
        now = self.clock.now()
        if self.bearer == "access_token":
            return await verify_access_token(presented_token, self.issuer, self.audience, now)
        claims = await verify(presented_token, self.issuer, id_token_rules(self.audience), now)
        _check_is_id_token(claims, client_id=self.audience)
        return claims


def _check_is_id_token(claims: Claims, *, client_id: str) -> None:
    """Access tokens and logout tokens without a type of their own look like it: these claims tell them apart.

    Raises `InvalidTokenError`.
    """
    if _CLAIMS_OF_OTHER_TOKENS & claims.keys():
        raise InvalidTokenError("type")
    # OIDC Core 3.1.3.7: one that several clients may read could have been obtained by another one of them.
    audiences, party = claims["aud"], claims.get("azp")
    is_shared = isinstance(audiences, list) and len(audiences) > 1
    if (is_shared or party is not None) and party != client_id:
        raise InvalidTokenError("azp")


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


def identity_of(issuer: str, claims: Claims) -> Identity:
    """Who the token speaks of. Raises `InvalidTokenError` for a subject that no provider should give."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise InvalidTokenError("subject")
    return Identity(issuer=issuer, subject=subject)


def profile_of(claims: Claims) -> Profile:
    """What the token tells about the user. Claims of an odd form are passed over: nothing depends on them."""
    # An address that the provider itself doubts is not shown as the user's.
    email = None if claims.get("email_verified") is False else claims.get("email")
    return Profile(name=_line(claims.get("name"), _LONGEST_NAME), email=_line(email, _LONGEST_EMAIL))


def _line(value: object, longest: int) -> str | None:
    # One printable line: a name with a line break or an escape sequence would write into logs and terminals.
    is_line = isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
    return str(value) if is_line else None


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
