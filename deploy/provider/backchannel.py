"""Sign-out at the provider, and how the clients hear of it (OpenID Connect Back-Channel Logout 1.0)."""

from dataclasses import dataclass

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout

from common.tasks import Tasks
from deploy.provider.server import ProviderServer
from deploy.provider.sessions import BrowserSession, Sessions

CLIENT_ANSWERS_WITHIN_S = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class BackchannelLogout:
    server: ProviderServer
    sessions: Sessions
    tasks: Tasks

    def sign_out(self, session: BrowserSession) -> None:
        """End this browser's session at once; its clients are told in the background, each once."""
        self.sessions.sign_out(session)
        for client_id in sorted(session.client_ids):
            client = self.server.query_client(client_id)
            if client is not None and client.backchannel_logout_uri is not None:
                token = self.server.tokens.logout_token(client_id, session)
                work = _post_logout_token(client_id, client.backchannel_logout_uri, token)
                self.tasks.start("backchannel-logout", work)


async def _post_logout_token(client_id: str, uri: str, logout_token: str) -> None:
    timeout = ClientTimeout(total=CLIENT_ANSWERS_WITHIN_S)
    try:
        async with (
            ClientSession(timeout=timeout) as http,
            # A redirect could lead the token off this machine.
            http.post(uri, data={"logout_token": logout_token}, allow_redirects=False) as response,
        ):
            log.info("backchannel_logout", client_id=client_id, status=response.status)
    except (ClientError, TimeoutError) as error:
        log.warning("backchannel_logout_failed", client_id=client_id, error=type(error).__name__)
