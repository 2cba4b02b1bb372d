"""`GET /login/start`: a login transaction begins and the browser is told where to go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from bff.answers import wants_json
from bff.login.provider import Provider, ProviderUnavailableError
from bff.login.redirects import allowed_return
from bff.login.transaction import LoginTransaction, TransactionCookies, new_transaction
from bff.settings import Settings
from common.clock import Clock
from common.problems import ProblemCode, ProblemError
from common.randomness import Randomness

# Only these go on to the provider: whatever else a link carries could change the request's meaning
# (another redirect URI, scope or response type).
_PASSED_ON: Mapping[str, re.Pattern[str]] = {
    "prompt": re.compile(r"(none|login|consent|select_account)( (login|consent|select_account)){0,2}"),
    "login_hint": re.compile(r"[ -~]{1,256}"),
    "acr_values": re.compile(r"(?=.{1,256}\Z)[!-~]+( [!-~]+)*"),
    "max_age": re.compile(r"[0-9]{1,9}"),
    "ui_locales": re.compile(r"[A-Za-z0-9-]{1,35}( [A-Za-z0-9-]{1,35}){0,9}"),
}


@dataclass(frozen=True)
class LoginStart:
    settings: Settings
    provider: Provider
    cookies: TransactionCookies
    clock: Clock
    randomness: Randomness

    async def handle(self, request: web.Request) -> web.Response:
        """302 to the provider for a navigation, 200 with the address for a script."""
        asked = _asked(request)
        transaction = new_transaction(
            self.randomness,
            self.clock.now(),
            return_to=self._address(request, "redirect") or "/",
            failure_to=self._address(request, "failure"),
            asked=asked,
        )
        return await self.send(request, transaction, asked)

    async def send(
        self, request: web.Request, transaction: LoginTransaction, asked: Mapping[str, str]
    ) -> web.Response:
        """The answer that carries the transaction's cookie and leads to the provider."""
        try:
            url = await self.provider.authorization_url(transaction, asked)
        except ProviderUnavailableError as error:
            raise provider_problem(error) from error
        if wants_json(request.headers):
            response = web.json_response({"authorization_request_url": url})
        else:
            response = web.Response(status=302, headers={"Location": url})
        self.cookies.add(request, response, transaction)
        return response

    def _address(self, request: web.Request, name: str) -> str | None:
        asked = _single(request, name)
        if asked is None:
            return None
        allowed = allowed_return(asked, self.settings.return_origins)
        if allowed is None:
            detail = f"`{name}` must be a path of this site or lie at one of the configured origins."
            raise ProblemError(ProblemCode.BAD_REDIRECT, detail)
        return allowed


def provider_problem(error: ProviderUnavailableError) -> ProblemError:
    detail = "The login provider does not answer at the moment. Please try again shortly."
    return ProblemError(ProblemCode.PROVIDER_UNAVAILABLE, detail, cause=error.cause, retry_after_s=5)


def _asked(request: web.Request) -> dict[str, str]:
    found = {name: value for name in _PASSED_ON if (value := _single(request, name)) is not None}
    for name, value in found.items():
        if not _PASSED_ON[name].fullmatch(value):
            raise ProblemError(ProblemCode.BAD_REQUEST, f"`{name}` has a value that cannot be passed on.")
    return found


def _single(request: web.Request, name: str) -> str | None:
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise ProblemError(ProblemCode.BAD_REQUEST, f"`{name}` was given more than once.")
    return values[0] if values else None
