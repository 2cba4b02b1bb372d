"""My sessions on other browsers: list them, end one of them. With the admin scope, those of any user."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web
from aiohttp_session import get_session

from bff.events import Events
from bff.session.record import SessionOwner, SessionRecord, is_usable, public_id
from bff.session.sessions import BrowserSession, Sessions
from bff.session.storage import CURRENT_SESSION
from bff.user import AccessTokenClaims
from common.clock import Clock
from common.http import Json
from common.problems import ProblemCode, ProblemError


@dataclass(frozen=True)
class SessionListing:
    sessions: Sessions
    claims: AccessTokenClaims
    admin_scope: str
    events: Events
    clock: Clock

    async def show(self, request: web.Request) -> web.Response:
        """All live sessions of the user, or of `?sub=` for admins, the newest first."""
        current = request[CURRENT_SESSION]
        records = await self._live(await self._owner(request, current))
        newest_first = sorted(records, key=lambda record: record.created_at, reverse=True)
        return web.json_response({"items": [_shown(record, current) for record in newest_first]})

    async def kill(self, request: web.Request) -> web.Response:
        """204; 404 when this user has no such session, whether another one has or not."""
        current = request[CURRENT_SESSION]
        for record in await self._live(await self._owner(request, current)):
            if public_id(record.key) == request.match_info["id"] and await self.sessions.end(record.key):
                self.events.session_ended("killed")
                if record.key == current.key:
                    (await get_session(request)).invalidate()  # the browser forgets its cookie as well
                return web.Response(status=204)
        raise ProblemError(ProblemCode.NOT_FOUND, "There is no such session.")

    async def _owner(self, request: web.Request, current: BrowserSession) -> SessionOwner:
        own = current.record.owner
        subject = request.query.get("sub", own.subject)
        if subject != own.subject and not await self._is_admin(request):
            detail = f"Sessions of other users need the scope {self.admin_scope}."
            raise ProblemError(ProblemCode.FORBIDDEN, detail)
        return SessionOwner(own.issuer, subject, provider_session=None)

    async def _is_admin(self, request: web.Request) -> bool:
        source, claims = await self.claims.of(request)
        # An ID token says who somebody is, never what they may do. A scope for another API may be the same
        # word for something else.
        is_grant = source != "id_token" and self.claims.is_for_us(claims)
        return is_grant and self.admin_scope in _scopes(claims)

    async def _live(self, owner: SessionOwner) -> list[SessionRecord]:
        now = self.clock.now()
        records = await self.sessions.store.sessions_of(owner)
        return [record for record in records if is_usable(record, self.sessions.limits, now)]


def _shown(record: SessionRecord, current: BrowserSession) -> Mapping[str, Json]:
    return {
        "id": public_id(record.key),
        "browser": record.label,
        "created_at": record.created_at.isoformat(),
        "last_active_at": record.active_at.isoformat(),
        "expires_at": record.expires_at.isoformat(),
        "is_current": record.key == current.key,
    }


def _scopes(claims: Mapping[str, Json]) -> list[str]:
    """RFC 8693 4.2 writes `scope` as one text; some providers write a list, or call it `scp`."""
    value = claims.get("scope", claims.get("scp"))
    words = value.split() if isinstance(value, str) else value
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
