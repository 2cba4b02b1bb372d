"""`GET /login/end`: the redirect URI. Checks come before the code is redeemed, in the order written here."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp_session import new_session
from multidict import MultiMapping
from yarl import URL

from bff.events import Events
from bff.login.id_token import check_nonce, check_step_up, user_of, verify_id_token
from bff.login.provider import GrantRefusedError, Provider, ProviderUnavailableError, TokenAnswer
from bff.login.start import LoginStart, provider_problem
from bff.login.transaction import (
    LIFETIME,
    LoginTransaction,
    TransactionCookies,
    is_restart,
    new_transaction,
    state_id,
    step_up_asked,
)
from bff.login.userinfo import missing_claims
from bff.session.record import SessionOwner
from bff.session.refresh import tokens_of
from bff.session.sessions import NewLogin, Sessions
from bff.session.storage import NEW_LOGIN, SessionStorage
from common.clock import Clock
from common.issuer import IssuerUnavailableError
from common.jwt import Claims, InvalidTokenError
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness

_LONGEST_PARAMETER = 4096
_LONGEST_LABEL = 256
# Errors that the app may be told (RFC 6749 4.1.2.1, OIDC Core 3.1.2.6). Others become `login_failed`, so
# that a crafted link cannot put words of its own on our failure page.
_KNOWN_ERRORS = frozenset(
    {"access_denied", "login_required", "interaction_required", "consent_required", "temporarily_unavailable"}
)


class LoginRefusedError(Exception):
    """This login cannot succeed. `cause` goes to log and counter, `shown` to the app."""

    def __init__(self, cause: str, *, shown: str = "login_failed") -> None:
        super().__init__(cause)
        self.cause = cause
        self.shown = shown


class ReplayedError(Exception):
    """This login was already finished, or is being finished, by another callback of the same browser."""


@dataclass(frozen=True, repr=False)
class Callback:
    """The parameters of the callback, each given at most once."""

    state: str
    code: str | None
    iss: str | None
    error: str | None


@dataclass(frozen=True)
class LoginEnd:
    start: LoginStart
    provider: Provider
    sessions: Sessions
    storage: SessionStorage
    cookies: TransactionCookies
    events: Events
    clock: Clock
    randomness: Randomness

    async def handle(self, request: web.Request) -> web.Response:
        callback = _parse(request.query)
        transaction = self.cookies.find(request, callback.state)
        if transaction is None:
            return await self._without_transaction(request, callback)
        try:
            response = await self._sign_in(request, callback, transaction)
        except LoginRefusedError as refusal:
            response = self._refused(transaction, refusal)
        except GrantRefusedError:
            response = await self._again(request, transaction, "code_refused")
        except ReplayedError:
            return await self._again(request, transaction, "replayed")
        self.cookies.drop(request, response, callback.state)
        return response

    async def _sign_in(
        self, request: web.Request, callback: Callback, transaction: LoginTransaction
    ) -> web.Response:
        try:
            code = await self._checked_code(callback)
            await self._spend(callback.state)
            answer = await self.provider.redeem(code, transaction.verifier)
            claims = await self._verified(answer, transaction)
            user = user_of({**await missing_claims(self.provider, claims, answer.access_token), **claims})
        except (ProviderUnavailableError, IssuerUnavailableError) as error:
            raise LoginRefusedError(error.cause, shown="provider_unavailable") from error
        except InvalidTokenError as error:
            raise LoginRefusedError(f"id_token_{error.cause}") from error
        session = await new_session(request)
        session.update(user)
        request[NEW_LOGIN] = self._new_login(request, claims, answer)
        self.events.signed_in(str(user["sub"]))
        return _found(transaction.return_to)

    async def _checked_code(self, callback: Callback) -> str:
        """RFC 9207: without the issuer's check, the code of another provider could be sent to this one."""
        metadata = await self.provider.metadata()
        if callback.iss is None and metadata.sends_iss:
            raise LoginRefusedError("iss_missing")
        if callback.iss is not None and callback.iss != metadata.issuer:
            raise LoginRefusedError("iss_mismatch")
        if callback.error is not None:
            known = callback.error if callback.error in _KNOWN_ERRORS else "login_failed"
            raise LoginRefusedError(f"provider_said_{known}", shown=known)
        if not callback.code:
            raise LoginRefusedError("code_missing")
        return callback.code

    async def _verified(self, answer: TokenAnswer, transaction: LoginTransaction) -> Claims:
        if answer.id_token is None:
            raise LoginRefusedError("no_id_token")
        now = self.clock.now()
        claims = await verify_id_token(
            answer.id_token,
            self.provider.issuer,
            self.provider.client_id,
            now,
            access_token=answer.access_token,
        )
        check_nonce(claims, transaction.nonce)
        check_step_up(claims, now, max_age_s=transaction.max_age_s, acr_values=transaction.acr_values)
        return claims

    def _new_login(self, request: web.Request, claims: Claims, answer: TokenAnswer) -> NewLogin:
        sid = claims.get("sid")
        return NewLogin(
            owner=SessionOwner(
                issuer=str(claims["iss"]),
                subject=str(claims["sub"]),
                provider_session=sid if isinstance(sid, str) else None,
            ),
            tokens=tokens_of(
                answer,
                self.clock.now(),
                self.provider,
                id_token=answer.id_token or "",
                former=None,
            ),
            label=request.headers.get("User-Agent", "")[:_LONGEST_LABEL],
        )

    async def _spend(self, state: str) -> None:
        """Two callbacks at once with one code would make the provider revoke what it gave for it."""
        expires_at = self.clock.now() + LIFETIME
        if not await self.sessions.store.put_once("login-state:" + state_id(state), b"", expires_at):
            raise ReplayedError

    async def _without_transaction(self, request: web.Request, callback: Callback) -> web.Response:
        """A late, replayed or foreign callback: nothing is redeemed, whoever brought it."""
        if await self.storage.current(request) is not None:
            return _found("/")
        if is_restart(callback.state):
            self.events.login_refused("no_transaction")
            detail = "Your browser did not keep the cookie of this login. Allow cookies for this site."
            raise ProblemError(ProblemCode.LOGIN_FAILED, detail, cause="no_transaction")
        return await self._restart(request, "no_transaction", return_to="/", failure_to=None, asked={})

    async def _again(self, request: web.Request, transaction: LoginTransaction, cause: str) -> web.Response:
        if await self.storage.current(request) is not None:
            return _found(transaction.return_to)
        if is_restart(transaction.state):
            return self._refused(transaction, LoginRefusedError(cause))
        return await self._restart(
            request,
            cause,
            return_to=transaction.return_to,
            failure_to=transaction.failure_to,
            asked=step_up_asked(transaction),
        )

    async def _restart(
        self,
        request: web.Request,
        cause: str,
        *,
        return_to: str,
        failure_to: str | None,
        asked: Mapping[str, str],
    ) -> web.Response:
        self.events.login_restarted(cause)
        transaction = new_transaction(
            self.randomness,
            self.clock.now(),
            return_to=return_to,
            failure_to=failure_to,
            asked=asked,
            is_restart=True,
        )
        return await self.start.send(request, transaction, asked)

    def _refused(self, transaction: LoginTransaction, refusal: LoginRefusedError) -> web.Response:
        self.events.login_refused(refusal.cause)
        if transaction.failure_to is None and refusal.shown == ProblemCode.PROVIDER_UNAVAILABLE:
            raise provider_problem(ProviderUnavailableError(refusal.cause))
        if transaction.failure_to is None:
            detail = "The login did not succeed. You can start it once more."
            raise ProblemError(ProblemCode.LOGIN_FAILED, detail, cause=refusal.cause)
        return _found(str(URL(transaction.failure_to, encoded=True).update_query(error=refusal.shown)))


def _parse(query: MultiMapping[str]) -> Callback:
    """Raises `ProblemError` for a parameter that comes twice: two readers could each believe another one."""
    found: dict[str, str | None] = {}
    for name in ("state", "code", "iss", "error"):
        values = query.getall(name, [])
        if len(values) > 1 or any(len(value) > _LONGEST_PARAMETER for value in values):
            raise ProblemError(ProblemCode.BAD_REQUEST, f"`{name}` was given more than once or is too long.")
        found[name] = values[0] if values else None
    return Callback(state=found["state"] or "", code=found["code"], iss=found["iss"], error=found["error"])


def _found(address: str) -> web.Response:
    return web.Response(status=302, headers={"Location": address})
