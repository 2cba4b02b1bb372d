"""Logins that go wrong on purpose, and what to look at afterwards."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
from yarl import URL

from tests.bff.agent import Agent, Browser, run_agent
from tests.fakes.backend import FakeBackend, run_backend
from tests.fakes.issuer import FakeIssuer

FAILURE = "?redirect=/devices&failure=/failed"


def counted(agent: Agent, result: str) -> float:
    """How many logins ended in this way: the word that only log and metrics tell."""
    return agent.parts.registry.get_sample_value("bff_logins_total", {"result": result}) or 0.0


async def is_signed_in(browser: Browser) -> bool:
    answer = await browser.call("GET", "/session")
    return bool(answer.json()["logged_in"])


def leads_to_provider(answer: httpx.Response, issuer: FakeIssuer) -> bool:
    """Whether the browser was sent to log in (once more)."""
    location = answer.headers.get("Location", "")
    return answer.status_code == 302 and location.startswith(f"{issuer.url}/authorize?")


def set_cookies(answer: httpx.Response) -> dict[str, "Morsel[str]"]:
    """The cookies that an answer sets, with their attributes."""
    found: dict[str, Morsel[str]] = {}
    for line in answer.headers.get_list("Set-Cookie"):
        found.update(SimpleCookie(line))
    return found


def cookie_header(answer: httpx.Response) -> str:
    """What a browser would send back: a plain http client keeps `Secure` cookies to itself."""
    return "; ".join(f"{name}={morsel.value}" for name, morsel in set_cookies(answer).items() if morsel.value)


@asynccontextmanager
async def agent_with_shaped(endpoint: str, **settings: str) -> AsyncIterator[tuple[Agent, FakeBackend]]:
    """An agent whose provider has the answers at one endpoint given by hand (`FakeBackend.answer_*`)."""
    async with run_backend() as shaped, FakeIssuer.start() as issuer:
        issuer.metadata_overrides = {endpoint: f"{shaped.url}/shaped"}
        shaped.answer_headers = [("Content-Type", "application/json")]
        async with run_agent(issuer, **settings) as agent:
            yield agent, shaped


@dataclass
class Tokens:
    """Token answers made by hand, each for the login that is under way."""

    agent: Agent
    shaped: FakeBackend

    async def log_in(self, query: str = FAILURE, **changes: Any) -> httpx.Response:
        """A login whose token answer has `changes`; a callable gets the nonce. None takes a member away."""
        browser = await self.agent.browser()
        location = await browser.start_login(query)
        nonce = URL(location).query["nonce"]
        issuer = self.agent.issuer
        usual = {
            "access_token": issuer.access_token(),
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": "refresh-1",
            "id_token": issuer.id_token(nonce=nonce),
        }
        made = {name: value(nonce) if callable(value) else value for name, value in changes.items()}
        self.answer({name: value for name, value in (usual | made).items() if value is not None})
        answer = await browser.come_back(issuer.authorize(location))
        assert (browser.session_cookie is not None) == (await is_signed_in(browser))
        return answer

    def answer(self, body: Mapping[str, Any] | bytes) -> None:
        self.shaped.answer_body = body if isinstance(body, bytes) else json.dumps(body).encode()


@asynccontextmanager
async def agent_with_tokens() -> AsyncIterator[Tokens]:
    async with agent_with_shaped("token_endpoint") as (agent, shaped):
        yield Tokens(agent, shaped)
