"""A proxy that asks `/verify` about requests, byte by byte; an answer that is not whole fails the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bff.proxy.limits import Limits
from tests.bff.agent import QUICK, SESSION_COOKIE, Agent, run_agent
from tests.fakes.issuer import FakeIssuer
from tests.raw_client import Answer, connect

# Spelled out once more: a name that falls out of the agent's table is one that a client may forge.
IDENTITY = (
    "Authorization",
    "X-User",
    "X-Auth-Kind",
    "X-Auth-Subject",
    "X-Auth-Tenant",
    "X-Auth-Taints",
    "X-Auth-Scopes",
    "X-Auth-Roles",
)

Form = Literal["forwarded", "prefixed"]
FORMS: tuple[Form, ...] = ("forwarded", "prefixed")

ROUTES = """
[[route]]
prefix = "/api/"

[[route]]
prefix = "/open/"
policy = "anonymous"

[[route]]
prefix = "/maybe/"
policy = "optional"

[[route]]
prefix = "/grafana"
forward_auth = true
roles = ["operator"]

[[route]]
prefix = "/audit"
forward_auth = true
scopes = ["audit:read"]

[[route]]
prefix = "/payments"
forward_auth = true
acr = ["gold"]

[[route]]
prefix = "/reports"
forward_auth = true
methods = ["GET"]
"""


@dataclass
class Proxy:
    """`cookie` is that of alice, who is signed in."""

    agent: Agent
    cookie: str
    form: Form = "forwarded"

    async def ask(
        self, target: str = "/api/x", *fields: str, method: str = "GET", cookie: str | None = ""
    ) -> Answer:
        """The answer about a request of alice's browser; of a browser without a cookie where it is None."""
        if cookie is not None:
            fields = (f"Cookie: {SESSION_COOKIE}={cookie or self.cookie}", *fields)
        if self.form == "prefixed":
            return await self.send(f"{method} /verify{target}", *fields)
        forwarded = (f"X-Forwarded-Method: {method}", f"X-Forwarded-Uri: {target}")
        return await self.send("GET /verify", *forwarded, *fields)

    async def send(self, line: str, *fields: str) -> Answer:
        async with await connect(self.agent.private_url) as client:
            client.send(head(line, *fields))
            answer = await client.answer(to=line.partition(" ")[0])
            assert client.unread == b""
        return checked(answer)


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: agent", *fields, "", ""]).encode("latin-1")


def checked(answer: Answer) -> Answer:
    """What every answer keeps: each identity header once, no cookie, nothing for a cache."""
    assert {name: len(answer.head.values(name)) for name in IDENTITY} == dict.fromkeys(IDENTITY, 1)
    assert answer.head.values("Set-Cookie") == []
    assert answer.head.value("Cache-Control") == "no-store"
    assert answer.head.value("X-Request-Id")
    if answer.status != 200:
        assert set(identity_of(answer).values()) == {""}
    return answer


def identity_of(answer: Answer) -> dict[str, str]:
    return {name: answer.head.value(name) for name in IDENTITY}


def passes_unknown(answer: Answer) -> bool:
    """It may pass, and nobody is told to be behind it."""
    return answer.status == 200 and set(identity_of(answer).values()) == {""}


@asynccontextmanager
async def run_proxy(
    folder: Path,
    issuer: FakeIssuer | None = None,
    limits: Limits = QUICK,
    /,
    routes: str = ROUTES,
    **settings: str,
) -> AsyncIterator[Proxy]:
    file = folder / "routes.toml"
    file.write_text(routes)
    async with run_agent(issuer, limits, ROUTES=str(file), **settings) as agent:
        browser = await agent.signed_in()
        yield Proxy(agent, browser.session_cookie or "")
