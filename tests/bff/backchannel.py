"""The provider's side of a back-channel logout, and what to look at afterwards."""

from typing import Any

import httpx

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


async def has_session(browser: Browser) -> bool:
    return bool((await browser.call("GET", "/session")).json()["logged_in"])


def counted(agent: Agent, name: str, **labels: str) -> float:
    return agent.parts.registry.get_sample_value(name, labels) or 0.0


def refused(agent: Agent, cause: str) -> float:
    return counted(agent, "bff_logins_total", result=f"logout_token_{cause}")
