"""What an app may know of its user: `/userinfo`, `/claims`, `/session`, and `/refresh`. Never a token."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import jwt
from aiohttp import web
from aiohttp_session import get_session

from bff.access import not_signed_in
from bff.login.provider import Provider, ProviderUnavailableError
from bff.login.start import provider_problem
from bff.session.refresh import NoRefreshTokenError, Refresher, SessionEndedError
from bff.session.sessions import BrowserSession, Sessions
from bff.session.storage import CURRENT_SESSION, SessionStorage
from bff.settings import Settings
from common.clock import Clock
from common.http import Json
from common.issuer import IssuerUnavailableError
from common.jwt import InvalidTokenError, verify_access_token
from common.problems import ProblemCode, ProblemError

ClaimsSource: TypeAlias = Literal["access_token", "introspection", "id_token"]


@dataclass(frozen=True)
class AccessTokenClaims:
    """What the access token of a session says, and who says so."""

    settings: Settings
    sessions: Sessions
    refresher: Refresher
    provider: Provider
    clock: Clock

    async def of(self, request: web.Request) -> tuple[ClaimsSource, Mapping[str, Json]]:
        """The verified JWT; introspection of an opaque token; the ID token where neither can be had."""
        session = await fresh_session(self.refresher, request)
        rest = self.sessions.rest(session)
        if rest is None:
            raise not_signed_in()
        token = rest.access_token
        try:
            issuer, now = self.provider.issuer, self.clock.now()
            return "access_token", await verify_access_token(token, issuer, self.settings.audience, now)
        except (InvalidTokenError, IssuerUnavailableError):
            introspected = await self._introspected(token)
        if introspected is not None:
            return "introspection", introspected
        # Verified at login and sealed since, so only decoded here.
        return "id_token", jwt.decode(rest.id_token, options={"verify_signature": False})

    def is_for_us(self, claims: Mapping[str, Json]) -> bool:
        """Whether they are of a token for our API or this client; introspection need not name an audience."""
        audiences = claims.get("aud") or []
        named = audiences if isinstance(audiences, list) else [audiences]
        ours = (self.settings.client_id, self.settings.audience or self.settings.client_id)
        return not named or any(audience in ours for audience in named)

    async def _introspected(self, token: str) -> Mapping[str, Json] | None:
        try:
            return await self.provider.introspect(token)
        except ProviderUnavailableError:
            return None


@dataclass(frozen=True)
class UserHandlers:
    settings: Settings
    sessions: Sessions
    storage: SessionStorage
    refresher: Refresher
    access_token_claims: AccessTokenClaims
    clock: Clock

    async def userinfo(self, request: web.Request) -> web.Response:
        """The claims of the verified ID token. `?slide=false` leaves the idle clock alone."""
        return web.json_response(dict(await get_session(request)))

    async def claims(self, request: web.Request) -> web.Response:
        """The claims of the access token; `X-Claims-Source` says where they are from."""
        source, claims = await self.access_token_claims.of(request)
        return web.json_response(dict(claims), headers={"X-Claims-Source": source})

    async def session(self, request: web.Request) -> web.Response:
        """Whether somebody is signed in and for how long. 200 in any case; never counts as activity."""
        session = await self.storage.current(request)
        if session is None:
            return web.json_response(
                {"logged_in": False, "expires_in": None, "idle_expires_in": None, "logout_url": None}
            )
        expires_at = session.record.expires_at
        return web.json_response(
            {
                "logged_in": True,
                "expires_in": self._seconds_until(expires_at),
                "idle_expires_in": self._seconds_until(
                    min(self.sessions.idle_expires_at(session), expires_at)
                ),
                "logout_url": f"{self.settings.prefix}/logout",
            }
        )

    async def refresh(self, request: web.Request) -> web.Response:
        """Refresh now, whether it is due or not."""
        try:
            await self.refresher.refresh(request[CURRENT_SESSION])
        except NoRefreshTokenError as error:
            detail = "The provider gave this session no refresh token: it ends with its access token."
            raise ProblemError(ProblemCode.REFRESH_NOT_POSSIBLE, detail) from error
        except (SessionEndedError, ProviderUnavailableError) as error:
            raise _problem(error) from error
        return web.Response(status=204)

    def _seconds_until(self, moment: datetime) -> int:
        return max(0, math.floor((moment - self.clock.now()).total_seconds()))


async def fresh_session(refresher: Refresher, request: web.Request) -> BrowserSession:
    """The request's session with a usable access token; raises `ProblemError` when there can be none."""
    try:
        return await refresher.fresh(request[CURRENT_SESSION])
    except (SessionEndedError, ProviderUnavailableError) as error:
        raise _problem(error) from error


def _problem(error: SessionEndedError | ProviderUnavailableError) -> ProblemError:
    return not_signed_in() if isinstance(error, SessionEndedError) else provider_problem(error)
