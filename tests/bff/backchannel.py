"""Sessions that end from outside: how they begin, the provider's request, and what to look at afterwards."""

from typing import Any

import httpx

from bff.session.grants import Grants
from bff.session.record import SessionOwner, Tokens
from bff.session.sessions import BrowserSession, NewLogin, Sessions
from tests.bff.agent import Agent, Browser

PATH = "/backchannel-logout"
REFUSAL = {"error": "invalid_request"}


async def send(provider: Browser, token: str, **headers: str) -> httpx.Response:
    return await provider.client.post(PATH, data={"logout_token": token}, headers=headers)


async def signed_in(agent: Agent, sub: str, **id_token_claims: Any) -> Browser:
    agent.issuer.id_token_overrides = id_token_claims
    try:
        return await agent.signed_in(sub)
    finally:
        agent.issuer.id_token_overrides = {}


def counted(agent: Agent, name: str, **labels: str) -> float:
    return agent.parts.registry.get_sample_value(name, labels) or 0.0


def refused(agent: Agent, cause: str) -> float:
    return counted(agent, "bff_logins_total", result=f"logout_token_{cause}")


async def begun(sessions: Sessions, issuer: str, sub: str, sid: str | None = None) -> BrowserSession:
    """A session that no browser of the test has."""
    now = sessions.clock.now()
    tokens = Tokens("bearer", now, now, "access", None, "id", Grants())
    return await sessions.begin(NewLogin(SessionOwner(issuer, sub, sid), tokens, ""), {"sub": sub})
