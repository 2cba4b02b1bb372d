"""`POST /api/v1/introspect`: does a token still hold (RFC 7662)? For the tenant's own services.

Of a token that is another tenant's, unknown, ended or no token at all, the answer is the same, and found in
the same way: nobody learns what others have. To be asked about is no use of a token.
"""

from dataclasses import dataclass

import msgspec
from aiohttp import web

from apiserver.answers import json_answer
from apiserver.auth.access import SERVICE
from apiserver.auth.look_up import LookUp
from apiserver.exchange.claims import OwnClaims
from apiserver.exchange.forms import read_form
from apiserver.exchange.oauth import OAuthError
from apiserver.exchange.own_jwts import OwnJwts
from apiserver.exchange.subject import Subject, check_vouched_for
from apiserver.exchange.subjects import Subjects
from apiserver.tokens.secret import parse
from common.clock import Clock
from common.jwt import InvalidTokenError
from common.problems import ProblemCode, ProblemError


class IntrospectForm(msgspec.Struct, frozen=True):
    """RFC 7662 section 2.1. A hint is not needed: tokens tell what they are."""

    token: str
    token_type_hint: str | None = None


class IntrospectAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 7662 section 2.2. All but `active` stands there only where the token is active.

    `iss`, `aud`, `iat` and `jti` are those of a JWT.
    """

    active: bool
    token_type: str | None = None
    kind: str | None = None
    sub: str | None = None
    owner: str | None = None
    user: str | None = None
    tenant: str | None = None
    taints: list[str] | None = None
    credential: str | None = None
    scope: str | None = None
    exp: int | None = None
    iss: str | None = None
    aud: str | None = None
    iat: int | None = None
    jti: str | None = None


_INACTIVE = IntrospectAnswer(active=False)
_PASSING = frozenset({ProblemCode.STORE_UNAVAILABLE})


@dataclass(frozen=True)
class Introspection:
    look_up: LookUp
    jwts: OwnJwts
    subjects: Subjects
    clock: Clock

    async def introspect(self, request: web.Request) -> web.Response:
        service = request[SERVICE]
        check_vouched_for(service)
        form = await read_form(request)
        try:
            asked = msgspec.convert(form, IntrospectForm)
        except msgspec.ValidationError as error:
            raise OAuthError("invalid_request", f"{error}.") from None
        answer = await self._answer(asked.token)
        is_of_tenant = answer.tenant == service.token.tenant_id
        return json_answer(answer if is_of_tenant else _INACTIVE)

    async def _answer(self, presented_token: str) -> IntrospectAnswer:
        try:
            secret = parse(presented_token)
            if secret is not None:
                return _of_subject(await self.subjects.of(await self.look_up.by_secret(secret)))
            return await self._of_jwt(presented_token)
        except InvalidTokenError:
            return _INACTIVE
        except ProblemError as refusal:
            if refusal.code in _PASSING:
                raise
            return _INACTIVE

    async def _of_jwt(self, presented_token: str) -> IntrospectAnswer:
        claims = await self.jwts.verify(presented_token, None, self.clock.now())
        # What has ended says so here.
        await self.subjects.of(await self.look_up.by_jwt(claims))
        return _of_claims(claims)


def _of_subject(subject: Subject) -> IntrospectAnswer:
    return IntrospectAnswer(
        active=True,
        kind=subject.kind,
        sub=subject.sub,
        owner=subject.owner,
        user=subject.user,
        tenant=subject.tenant,
        taints=list(subject.taints),
        credential=subject.credential,
        scope=None if subject.scopes is None else " ".join(subject.scopes),
        exp=None if subject.ends_at is None else int(subject.ends_at.timestamp()),
    )


def _of_claims(claims: OwnClaims) -> IntrospectAnswer:
    """The claims as they stand in the JWT, which says what it was made of and no more."""
    told = {name: value for name, value in claims.all.items() if name in IntrospectAnswer.__struct_fields__}
    return msgspec.convert({**told, "active": True, "token_type": "Bearer"}, IntrospectAnswer)
