"""`/authz`: who calls, for a proxy. The state of a credential is looked up on each request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web

from apiserver.auth.access import nothing_presented
from apiserver.auth.authenticate import Authenticator, is_own_secret, refusals_told
from apiserver.auth.labels import label_of
from apiserver.auth.look_up import Holder
from apiserver.auth.rates import CallerCounts
from apiserver.edge.asked import asked_audience, check_names_request
from apiserver.edge.credentials import presented_credential
from apiserver.exchange.minting import MintedOnce
from apiserver.exchange.subject import Subject
from apiserver.exchange.subjects import Subjects
from apiserver.tokens.secret import parse
from common.clock import Clock
from common.identity import IDENTITY_HEADERS, Identity, identity_headers
from common.jwt import InvalidTokenError
from common.problems import ProblemCode, ProblemError
from common.request_keys import CALLER_LABEL, CLIENT_ADDRESS, CallerLabel


@dataclass(frozen=True)
class Authz:
    authenticator: Authenticator
    subjects: Subjects
    minted: MintedOnce
    counts: CallerCounts
    audiences: tuple[str, ...]
    clock: Clock

    def app(self) -> web.Application:
        """Everything below `/authz`, whatever the method. The body of a question is never read."""
        app = web.Application()
        app.router.add_route("*", "", self.answer)
        # A line break is part of a path as well.
        app.router.add_route("*", "/{path:(?s:.*)}", self.answer)
        app.on_response_prepare.append(_set_all_headers)
        return app

    async def answer(self, request: web.Request) -> web.Response:
        check_names_request(request.path, request.headers)
        audience = asked_audience(request.headers, self.audiences)
        try:
            with _refusals_of_edge():
                headers = await self._headers(request, audience)
        except ProblemError as refusal:
            # Who is known was counted, whatever they were refused after that.
            if CALLER_LABEL not in request:
                await self.counts.refused(request, refusal)
            raise
        return web.Response(headers=headers)

    async def _headers(self, request: web.Request, audience: str) -> dict[str, str]:
        presented = presented_credential(request.headers)
        if presented is None:
            raise nothing_presented()
        if is_own_secret(presented):
            return await self._of_secret(request, presented, audience)
        if self.authenticator.is_own_jwt(presented):
            return await self._of_own_jwt(request, presented, audience)
        return await self._of_user(request, presented)

    async def _of_secret(self, request: web.Request, presented: str, audience: str) -> dict[str, str]:
        secret = parse(presented)
        if secret is None:
            raise InvalidTokenError("malformed_secret")
        caller = await self.authenticator.secrets.holder(secret)
        await self._count(request, caller)
        subject = await self.subjects.of(caller, request[CLIENT_ADDRESS])
        minted = self.minted.mint(subject, audience, secret.hash)
        await self.authenticator.secrets.made_into_jwt(caller)
        return identity_headers(_identity(subject), f"Bearer {minted.text}")

    async def _of_own_jwt(self, request: web.Request, presented: str, audience: str) -> dict[str, str]:
        caller = await self.authenticator.own_jwts.holder(presented, audience)
        await self._count(request, caller)
        subject = await self.subjects.of(caller, request[CLIENT_ADDRESS])
        return identity_headers(_identity(subject), f"Bearer {presented}")

    async def _of_user(self, request: web.Request, presented: str) -> dict[str, str]:
        """Passed on as it is. Whether the user is known here does not matter to the services behind."""
        login = await self.authenticator.logins.login_of(presented, self.clock.now())
        request[CALLER_LABEL] = CallerLabel("user")
        subject = login.identity.subject
        await self.counts.user(request, subject)
        identity = Identity(kind="user", user=subject, subject=subject, scopes=login.words)
        return identity_headers(identity, f"Bearer {presented}")

    async def _count(self, request: web.Request, caller: Holder) -> None:
        request[CALLER_LABEL] = label_of(caller)
        await self.counts.caller(request, caller)


@contextmanager
def _refusals_of_edge() -> Iterator[None]:
    """As everywhere; a proxy hears 401 for a secret that has had its time, which it passes on as it is."""
    try:
        with refusals_told():
            yield
    except ProblemError as refusal:
        if refusal.code is ProblemCode.REGISTRATION_TOKEN_USED_UP:
            raise _spent(refusal.detail) from None
        raise


def _identity(subject: Subject) -> Identity:
    return Identity(
        kind=subject.kind,
        user=subject.user,
        subject=subject.sub,
        tenant=subject.tenant,
        taints=subject.taints,
        scopes=subject.scopes or (),
    )


def _spent(detail: str) -> ProblemError:
    return ProblemError(
        ProblemCode.INVALID_TOKEN,
        detail,
        cause="used_up",
        headers={hdrs.WWW_AUTHENTICATE: 'Bearer error="invalid_token"'},
    )


async def _set_all_headers(_request: web.Request, response: web.StreamResponse) -> None:
    # Also on refusals, and on errors: a proxy copies what is there, and would leave what the client sent.
    for name in IDENTITY_HEADERS:
        response.headers.setdefault(name, "")
