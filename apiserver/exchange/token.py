"""`POST /api/v1/token`: a secret of ours for a JWT of minutes (RFC 8693)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from aiohttp import web

from apiserver.answers import json_answer
from apiserver.auth.labels import label_of
from apiserver.auth.look_up import Holder
from apiserver.auth.rates import CallerCounts
from apiserver.auth.secrets_presented import SecretAuthenticator
from apiserver.exchange.forms import read_form
from apiserver.exchange.minting import Minted, Minter
from apiserver.exchange.oauth import OAuthError
from apiserver.exchange.subject import ScopeError, Subject
from apiserver.exchange.subjects import Subjects
from apiserver.tokens.secret import PresentedSecret, SecretKind, parse
from common.jwt import InvalidTokenError
from common.problems import ProblemError
from common.request_keys import CALLER_LABEL, CLIENT_ADDRESS

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
_JWT = "urn:ietf:params:oauth:token-type:jwt"
TYPES_OF_KIND = {
    SecretKind.DEVICE: "urn:doorward:token-type:device",
    SecretKind.REGISTRATION: "urn:doorward:token-type:registration",
    SecretKind.SERVICE: "urn:doorward:token-type:service",
}


class ExchangeForm(msgspec.Struct, frozen=True):
    """RFC 8693 section 2.1. What is not named here is passed over, as OAuth asks."""

    grant_type: str
    subject_token: str
    subject_token_type: str
    requested_token_type: str = _ACCESS_TOKEN
    audience: str | None = None
    scope: str | None = None
    resource: str | None = None
    actor_token: str | None = None
    actor_token_type: str | None = None


class ExchangeAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 8693 section 2.2.1. `scope` where the JWT was narrowed."""

    access_token: str
    issued_token_type: str
    token_type: str
    expires_in: int
    scope: str | None = None


@dataclass(frozen=True)
class TokenExchange:
    """`audiences`: those that may be asked for; the first one where none is."""

    secrets: SecretAuthenticator
    subjects: Subjects
    minter: Minter
    counts: CallerCounts
    audiences: tuple[str, ...]

    async def exchange(self, request: web.Request) -> web.Response:
        try:
            form = _exchange_form(await read_form(request))
            audience = self._audience_of(form)
            caller = await self._holder(_presented(form))
        except OAuthError:
            await self.counts.stranger(request)
            raise
        request[CALLER_LABEL] = label_of(caller)
        # From here on it is known who asks: whatever is refused now counts for nobody else.
        await self.counts.caller(request, caller)
        with _refusals_told():
            subject = await self.subjects.of(caller, request[CLIENT_ADDRESS])
            if form.scope is not None:
                subject = _narrowed(subject, form.scope)
            minted = self.minter.mint(subject, audience)
            await self.secrets.made_into_jwt(caller)
        return json_answer(_answer(form, subject, minted))

    async def _holder(self, presented: PresentedSecret) -> Holder:
        with _refusals_told():
            return await self.secrets.holder(presented)

    def _audience_of(self, form: ExchangeForm) -> str:
        audience = form.audience or self.audiences[0]
        if form.resource is not None or audience not in self.audiences:
            raise OAuthError("invalid_target", "There are no tokens for this audience. Ask the operator.")
        return audience


def _answer(form: ExchangeForm, subject: Subject, minted: Minted) -> ExchangeAnswer:
    return ExchangeAnswer(
        access_token=minted.text,
        issued_token_type=form.requested_token_type,
        token_type="Bearer",  # noqa: S106 - the name of a type
        expires_in=int((minted.expires_at - minted.issued_at).total_seconds()),
        scope=None if subject.scopes is None else " ".join(subject.scopes),
    )


def _exchange_form(form: Mapping[str, str]) -> ExchangeForm:
    """Raises `OAuthError` for what is no exchange, or one of a kind that there is none of here."""
    try:
        asked = msgspec.convert(form, ExchangeForm)
    except msgspec.ValidationError as error:
        raise OAuthError("invalid_request", f"{error}.") from None
    if asked.grant_type != GRANT_TYPE:
        raise OAuthError("unsupported_grant_type", f"The only grant type here is {GRANT_TYPE}.")
    if asked.actor_token is not None or asked.actor_token_type is not None:
        raise OAuthError("invalid_request", "Nobody acts for somebody else here: send no actor_token.")
    if asked.requested_token_type not in {_ACCESS_TOKEN, _JWT}:
        raise OAuthError("invalid_request", f"The token types to be had are {_ACCESS_TOKEN} and {_JWT}.")
    return asked


def _presented(form: ExchangeForm) -> PresentedSecret:
    presented = parse(form.subject_token)
    if presented is None or presented.kind not in TYPES_OF_KIND:
        # A JWT of ours is none: it could be made new for ever, after its secret has leaked and ended.
        raise _not_accepted("malformed_secret")
    if form.subject_token_type not in {_ACCESS_TOKEN, TYPES_OF_KIND[presented.kind]}:
        raise OAuthError("invalid_request", "subject_token_type is not the type of the subject_token.")
    return presented


def _narrowed(subject: Subject, scope: str) -> Subject:
    asked = scope.split()
    if not asked:
        # RFC 6749 section 3.3. A JWT for nothing would look, by its list of scopes, like one for everything.
        raise OAuthError("invalid_scope", "The scope is blank. Leave it out, or name a scope.")
    try:
        return subject.narrowed(asked)
    except ScopeError:
        told = " ".join(sorted(subject.grantable))
        raise OAuthError("invalid_scope", f"The scopes to be had with this subject_token: {told}.") from None


@contextmanager
def _refusals_told() -> Iterator[None]:
    """What speaks against the secret, as `OAuthError`."""
    try:
        yield
    except InvalidTokenError as refusal:
        raise _not_accepted(refusal.cause) from None
    except ProblemError as refusal:
        raise _refused(refusal) from None


def _not_accepted(cause: str) -> OAuthError:
    # RFC 8693 section 2.2.2: whatever is wrong with it.
    return OAuthError("invalid_request", "The subject_token is not accepted.", cause=cause)


def _refused(refusal: ProblemError) -> ProblemError:
    """A right secret that does not do is told why; that the storage is away says nothing of the secret."""
    if isinstance(refusal, OAuthError):
        return refusal
    if refusal.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return OAuthError("invalid_request", refusal.detail, cause=refusal.code.value)
    return refusal
