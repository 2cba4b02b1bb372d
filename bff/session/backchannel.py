"""Back-channel logout: the provider says that a login has ended, and its sessions end here at once.

OpenID Connect Back-Channel Logout 1.0. The refresh tokens cannot be revoked, since they are sealed under
cookies that are not here; the provider has ended the login anyway.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from aiohttp import web

from bff.events import Events
from bff.login.provider import ProviderUnavailableError
from bff.login.start import provider_problem
from bff.session.record import SessionOwner, SessionRecord
from bff.session.sessions import Sessions
from bff.session.store import StoreUnavailableError
from common.clock import Clock
from common.http import Json
from common.issuer import Issuer, IssuerUnavailableError
from common.jwt import LEEWAY, Claims, InvalidTokenError, logout_token_rules, time_claim, verify
from common.tasks import Tasks

_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LARGEST_FORM_BYTES = 16 * 1024
# Seen tokens are remembered for as long as they live: nobody decides for us how long that is.
_LONGEST_LIFE = timedelta(hours=1)


@dataclass(frozen=True)
class BackchannelLogout:
    issuer: Issuer
    client_id: str
    sessions: Sessions
    events: Events
    clock: Clock
    tasks: Tasks

    async def handle(self, request: web.Request) -> web.Response:
        """200 when the named sessions have ended, 400 for a token that is not accepted (section 2.8)."""
        try:
            token = await _logout_token(request)
            # A task of its own: a provider that hangs up early must not leave sessions behind.
            await asyncio.shield(self.tasks.start_to_finish("backchannel_logout", self._log_out(token)))
        except InvalidTokenError as error:
            self.events.logout_token_refused(error.cause)
            return web.json_response({"error": "invalid_request"}, status=400)
        except IssuerUnavailableError as error:
            # Not 400: the provider should send it again.
            raise provider_problem(ProviderUnavailableError(error.cause)) from error
        return web.Response()

    async def _log_out(self, presented_token: str) -> None:
        await self._end_once(await self._verified(presented_token))

    async def _verified(self, presented_token: str) -> Claims:
        """Section 2.6, in its order."""
        rules = logout_token_rules(self.client_id)
        claims = await verify(presented_token, self.issuer, rules, self.clock.now())
        # An ID token says the same of the user and holds a nonce: it must not pass for a logout token.
        if "nonce" in claims:
            raise InvalidTokenError("nonce")
        if not _has_logout_event(claims):
            raise InvalidTokenError("events")
        if _text(claims, "jti") is None:
            raise InvalidTokenError("jti")
        if time_claim(claims, "exp") - time_claim(claims, "iat") > _LONGEST_LIFE.total_seconds():
            raise InvalidTokenError("lifetime")
        if _text(claims, "sub") is None and _text(claims, "sid") is None:
            raise InvalidTokenError("nobody_named")
        return claims

    async def _end_once(self, claims: Claims) -> None:
        """A token that has done its work is refused for as long as it could be presented.

        It is noted after the work: one whose work was broken off, by a fault or a crash, may come again.
        """
        name, store = _spent_name(claims), self.sessions.store
        if await store.is_kept(name):
            raise InvalidTokenError("replayed")
        await self._end_named(claims)
        expires_at = datetime.fromtimestamp(time_claim(claims, "exp"), UTC) + LEEWAY
        with suppress(StoreUnavailableError):  # it has worked; once more, it would find the same sessions
            if not await store.put_once(name, b"", expires_at):
                raise InvalidTokenError("replayed")

    async def _end_named(self, claims: Claims) -> None:
        for record in await self._named(claims):
            if await self.sessions.end(record.key):
                self.events.session_ended("backchannel_logout")

    async def _named(self, claims: Claims) -> list[SessionRecord]:
        """Without `sid`, all sessions of the user; without `sub`, all of that login."""
        subject, sid = _text(claims, "sub"), _text(claims, "sid")
        store, issuer = self.sessions.store, self.issuer.url
        if subject is None:
            return await store.sessions_of_login(issuer, sid or "")
        records = await store.sessions_of(SessionOwner(issuer, subject, provider_session=None))
        issued_at = datetime.fromtimestamp(time_claim(claims, "iat"), UTC)
        return [record for record in records if _is_meant(record, sid, issued_at)]


def _is_meant(record: SessionRecord, sid: str | None, issued_at: datetime) -> bool:
    if sid is not None and record.owner.provider_session == sid:
        return True
    # A session whose ID token named no `sid` could be the one that is meant.
    could_be = sid is None or record.owner.provider_session is None
    # Not one that began afterwards: an old token that came again would log out whoever has signed in since.
    return could_be and record.created_at <= issued_at + LEEWAY


def _spent_name(claims: Claims) -> str:
    # JSON can hold half a surrogate pair, which is no UTF-8.
    content = f"{claims['iss']} {claims['jti']}".encode(errors="surrogatepass")
    return f"logout-token:{hashlib.sha256(content).hexdigest()}"


async def _logout_token(request: web.Request) -> str:
    if request.content_type != "application/x-www-form-urlencoded":
        raise InvalidTokenError("not_a_form")
    form = parse_qs((await _body(request)).decode(errors="replace"), keep_blank_values=True)
    values = form.get("logout_token", [])
    # Two of them: one could be checked and the other believed.
    if len(values) != 1:
        raise InvalidTokenError("not_one_token")
    return values[0]


async def _body(request: web.Request) -> bytes:
    """Not by what `Content-Length` promises, which a chunked body has none of."""
    try:
        await request.content.readexactly(_LARGEST_FORM_BYTES + 1)
    except asyncio.IncompleteReadError as whole:
        return whole.partial
    raise InvalidTokenError("too_large")


def _has_logout_event(claims: Claims) -> bool:
    found = claims.get("events")
    return isinstance(found, dict) and isinstance(found.get(_EVENT), dict)


def _text(claims: Mapping[str, Json], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
