"""The proxied request in both modes: whose credential goes up is decided here."""

from dataclasses import dataclass

from aiohttp import web

from bff.access import not_signed_in
from bff.proxy.forward import Forwarder
from bff.session.refresh import Refresher
from bff.session.sessions import Sessions
from bff.user import fresh_session


@dataclass(frozen=True)
class WebProxy:
    """Cookie in, bearer out."""

    sessions: Sessions
    refresher: Refresher
    forwarder: Forwarder
    mount: str

    async def handle(self, request: web.Request) -> web.StreamResponse:
        session = await fresh_session(self.refresher, request)
        bearer = self.sessions.bearer(session)
        if bearer is None:
            raise not_signed_in()
        return await self.forwarder.forward(
            request, authorization=f"Bearer {bearer}", mount=self.mount, session=session.key
        )


@dataclass(frozen=True)
class DeviceProxy:
    """The caller's own bearer, passed through unread, and no cookie."""

    forwarder: Forwarder
    mount: str

    async def handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers["Authorization"]
        return await self.forwarder.forward(
            request, authorization=authorization, mount=self.mount, session=None
        )
