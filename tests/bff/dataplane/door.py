"""The agent with a service of ours behind it and raw connections in front: both borders of the data plane."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from bff.proxy.limits import Limits
from tests.bff.agent import QUICK, SESSION_COOKIE, Agent, run_agent
from tests.fakes.raw_upstream import RawUpstream, Script, echo, run_raw_upstream
from tests.raw_client import Answer, RawClient, connect

DataPlane = Literal["aiohttp", "protocols"]

PROTOCOLS: DataPlane = "protocols"
# Every test runs over each of them.
FORMS: tuple[DataPlane, ...] = ("protocols", "aiohttp")


@dataclass
class Door:
    """`cookie` is that of a session which is signed in."""

    form: DataPlane
    agent: Agent
    upstream: RawUpstream
    cookie: str
    _stack: AsyncExitStack = field(repr=False)

    @property
    def authority(self) -> str:
        return urlsplit(self.agent.url).netloc

    def head(self, request_line: str, *fields: str, cookie: str | None = None) -> bytes:
        """A request head with `Host` and the session's cookie, and the proof that no other site sent it."""
        lines = [
            f"{request_line} HTTP/1.1",
            f"Host: {self.authority}",
            f"Cookie: {SESSION_COOKIE}={cookie or self.cookie}",
            "X-CSRF: 1",
            *fields,
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def filled(self, raw: str) -> bytes:
        """Bytes of a corpus, with what its placeholders stand for."""
        cookie = f"{SESSION_COOKIE}={self.cookie}"
        me = f"Host: {self.authority}\r\nCookie: {cookie}\r\nX-CSRF: 1\r\n"
        raw = raw.replace("{me}", me).replace("{door}", self.authority).replace("{cookie}", cookie)
        return raw.encode("latin-1")

    async def connect(self, *, receive_buffer: int | None = None) -> RawClient:
        client = await connect(self.agent.url, receive_buffer=receive_buffer)
        return await self._stack.enter_async_context(client)

    async def ask(self, request: bytes, *, to: str = "GET") -> Answer:
        """One request on a connection of its own."""
        client = await self.connect()
        client.send(request)
        answer = await client.answer(to=to)
        client.cut()
        return answer

    async def is_sane(self) -> None:
        """A newcomer's request is answered as if nothing had happened before."""
        answer = await self.ask(self.head("POST /api/sane", "X-Id: sane", "Content-Length: 4") + b"body")

        assert (answer.status, answer.body) == (200, b"body")
        assert answer.head.value("Echo-X-Id") == "sane"


@asynccontextmanager
async def open_door(
    form: DataPlane, script: Script = echo, limits: Limits = QUICK, **settings: str
) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(run_raw_upstream(script))
        settings = {"BACKEND": upstream.url, "DATA_PLANE": form, **settings}
        agent = await stack.enter_async_context(run_agent(None, limits, **settings))
        browser = await agent.signed_in()
        yield Door(form, agent, upstream, browser.session_cookie or "", stack)
