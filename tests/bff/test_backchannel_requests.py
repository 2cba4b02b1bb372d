"""Back-channel logout as a request: its form, who may send it, and after which faults it may come again."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from bff.session.backchannel import BackchannelLogout
from bff.session.faults import answer_store_faults
from bff.session.memory import MemorySessionStore
from bff.session.record import SessionKey, SessionOwner, SessionRecord
from bff.session.sessions import Sessions
from bff.session.store import StoreUnavailableError
from common.clock import Clock
from common.problems import problem_middleware
from tests.bff.agent import Agent, Browser, run_agent
from tests.bff.backchannel import PATH, REFUSAL, begun, counted, refused, send, signed_in
from tests.bff.logins import is_signed_in
from tests.fakes.issuer import FakeIssuer
from tests.fakes.relay import Relay
from tests.fakes.waiting import until

Client = TestClient[web.Request, web.Application]

FORM = "application/x-www-form-urlencoded"
GIVEN_UP = {"method": "POST", "route": PATH, "status": "499"}

# Each test signs in users of its own, so one agent serves all of this file.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="agent")
async def agent_of_this_file() -> AsyncIterator[Agent]:
    async with run_agent() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(agent: Agent) -> Browser:
    """What the provider sends with: no cookie, no fetch metadata."""
    return await agent.browser()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def victim(agent: Agent) -> Browser:
    """A session that no refused token ends."""
    return await agent.signed_in("victim")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Cookie": "doorward_session=made-up"},
        {"Accept": "text/html"},
    ],
    ids=["cross-site", "null origin", "a cookie of nobody", "for a person"],
)
async def test_the_token_alone_decides(agent: Agent, provider: Browser, headers: dict[str, str]) -> None:
    browser = await signed_in(agent, "mia")

    answer = await send(provider, agent.issuer.logout_token("mia"), **headers)

    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert not await is_signed_in(browser)


async def test_parameters_that_we_do_not_know_are_ignored(agent: Agent, provider: Browser) -> None:
    form = {"logout_token": agent.issuer.logout_token("nora"), "state": "x", "sub": "victim"}

    answer = await provider.client.post(PATH, data=form)

    assert answer.status_code == 200


UNREADABLE: Mapping[str, tuple[str, bytes, str]] = {
    "no body": (FORM, b"", "not_one_token"),
    "no token": (FORM, b"token=x", "not_one_token"),
    "the token twice": (FORM, b"logout_token=GOOD&logout_token=GOOD", "not_one_token"),
    "the token and an empty one": (FORM, b"logout_token=GOOD&logout_token=", "not_one_token"),
    "JSON": ("application/json", b'{"logout_token": "GOOD"}', "not_a_form"),
    "a form with files": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="logout_token"\r\n\r\nGOOD\r\n--x--\r\n',
        "not_a_form",
    ),
    "plain text": ("text/plain", b"logout_token=GOOD", "not_a_form"),
    "no type": ("", b"logout_token=GOOD", "not_a_form"),
    "bytes that are no text": (FORM, b"logout_token=\xff\xfe", "malformed"),
    "encoded bytes that are no text": (FORM, b"logout_token=%ff%fe", "malformed"),
    "too large": (FORM, b"logout_token=GOOD&padding=" + b"x" * 16 * 1024, "too_large"),
}


@pytest.mark.parametrize("is_chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("name", UNREADABLE)
async def test_a_request_that_is_not_a_form_with_one_token_is_refused(
    agent: Agent, provider: Browser, victim: Browser, name: str, is_chunked: bool
) -> None:
    content_type, body, cause = UNREADABLE[name]
    body = body.replace(b"GOOD", agent.issuer.logout_token("victim").encode())
    before = refused(agent, cause)

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    answer = await provider.client.post(
        PATH, content=chunks() if is_chunked else body, headers={"Content-Type": content_type}
    )

    assert (answer.status_code, answer.json()) == (400, REFUSAL)
    assert refused(agent, cause) == before + 1
    assert await is_signed_in(victim)


async def test_an_odd_charset_changes_nothing(agent: Agent, provider: Browser) -> None:
    body = f"logout_token={agent.issuer.logout_token('olga')}"

    answer = await provider.client.post(
        PATH, content=body, headers={"Content-Type": f"{FORM}; charset=nonsense"}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_served(agent: Agent, provider: Browser, victim: Browser, method: str) -> None:
    path = f"{PATH}?logout_token={agent.issuer.logout_token('victim')}"

    answer = await provider.client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["Cache-Control"] == "no-store"
    assert await is_signed_in(victim)


async def test_it_is_served_below_the_prefix_too() -> None:
    async with run_agent(PREFIX="/web") as agent:
        browser, provider = await agent.signed_in(), await agent.browser()

        answer = await provider.client.post(
            f"/web{PATH}", data={"logout_token": agent.issuer.logout_token("alice")}
        )

        assert answer.status_code == 200
        assert not await is_signed_in(browser)


async def test_the_log_tells_the_cause_and_holds_no_token(
    agent: Agent, provider: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = [agent.issuer.logout_token("pia"), agent.issuer.logout_token("pia", nonce="n")]
    for token in tokens:
        await send(provider, token)

    written = capsys.readouterr().out
    assert "logout_token_refused" in written
    assert "nonce" in written
    for token in tokens:
        assert not any(part in written for part in token.split("."))


# Faults: the provider is told to send it again


async def test_without_the_providers_keys_it_is_asked_to_send_the_token_again() -> None:
    async with FakeIssuer.start() as issuer:
        issuer.broken(jwks=True)
        async with run_agent(issuer) as agent:
            provider, token = await agent.browser(), issuer.logout_token()

            while_away = await send(provider, token)
            issuer.broken(jwks=False)
            agent.clock.advance(seconds=2)
            afterwards = await send(provider, token)

        assert (while_away.status_code, while_away.json()["code"]) == (503, "provider_unavailable")
        assert "Retry-After" in while_away.headers
        assert while_away.headers["Cache-Control"] == "no-store"
        assert afterwards.status_code == 200


class FaultyStore(MemorySessionStore):
    """Fails once at the operation `fails_at`; looks sessions up when `gate` is open."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.fails_at = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_waiting = False
        self.removed: list[SessionKey] = []

    async def is_kept(self, name: str) -> bool:
        self._fail_at("is_kept")
        return await super().is_kept(name)

    async def put_once(self, name: str, value: bytes, expires_at: datetime) -> bool:
        answer = await super().put_once(name, value, expires_at)
        self._fail_at("put_once")
        return answer

    async def sessions_of(self, owner: SessionOwner) -> list[SessionRecord]:
        self._fail_at("sessions_of")
        self.is_waiting = True
        await self.gate.wait()
        return await super().sessions_of(owner)

    async def delete(self, key: SessionKey) -> bool:
        self._fail_at("delete")
        self.removed.append(key)
        return await super().delete(key)

    def _fail_at(self, operation: str) -> None:
        if self.fails_at == operation:
            self.fails_at = ""
            raise StoreUnavailableError("test")


@asynccontextmanager
async def endpoint(agent: Agent, store: FaultyStore) -> AsyncIterator[tuple[Client, Sessions]]:
    """The endpoint alone, over this store; its requests end with their client, as in the real server."""
    parts = agent.parts
    sessions = replace(parts.sessions, store=store)
    handler = BackchannelLogout(
        parts.issuer, agent.issuer.client_id, sessions, parts.events, parts.clock, parts.tasks
    )
    app = web.Application(middlewares=[problem_middleware(), answer_store_faults])
    app.router.add_post(PATH, handler.handle)
    async with TestClient(TestServer(app)) as client:
        yield client, sessions


async def test_a_fault_that_comes_after_the_work_is_none_of_the_providers_business(agent: Agent) -> None:
    store, token = FaultyStore(agent.clock), agent.issuer.logout_token("rita")
    async with endpoint(agent, store) as (client, sessions):
        session = await begun(sessions, agent.issuer.url, "rita")
        store.fails_at = "put_once"

        answer = await client.post(PATH, data={"logout_token": token})

        assert answer.status == 200
        assert await sessions.find(session.cookie) is None


async def test_a_provider_that_hangs_up_while_its_keys_are_fetched_does_not_stop_the_logout() -> None:
    async with FakeIssuer.start() as issuer, Relay.to(URL(issuer.url).port or 0) as relay:
        issuer.metadata_overrides = {"jwks_uri": f"http://127.0.0.1:{relay.port}/jwks"}
        async with run_agent(issuer) as agent:
            browser, provider = await agent.signed_in(), await agent.browser()
            issuer.rotate_keys()
            relay.hold(b"/jwks")
            sending = asyncio.create_task(send(provider, issuer.logout_token()))
            await until(lambda: relay.is_holding)

            sending.cancel()
            await asyncio.wait([sending])
            await until(lambda: counted(agent, "http_requests_total", **GIVEN_UP) == 1)
            relay.release()

            await until(lambda: counted(agent, "bff_sessions_ended_total", cause="backchannel_logout") == 1)
            assert not await is_signed_in(browser)


@pytest.mark.parametrize("operation", ["is_kept", "sessions_of", "delete"])
async def test_a_token_that_a_fault_of_the_store_kept_from_its_work_may_come_again(
    agent: Agent, operation: str
) -> None:
    store, token = FaultyStore(agent.clock), agent.issuer.logout_token("rosa")
    async with endpoint(agent, store) as (client, sessions):
        session = await begun(sessions, agent.issuer.url, "rosa")
        store.fails_at = operation

        answers = [await client.post(PATH, data={"logout_token": token}) for _ in range(3)]

        assert [answer.status for answer in answers] == [503, 200, 400]
        assert "Retry-After" in answers[0].headers
        assert await sessions.find(session.cookie) is None


async def test_a_provider_that_hangs_up_early_does_not_stop_the_logout(agent: Agent) -> None:
    store, token = FaultyStore(agent.clock), agent.issuer.logout_token("sam")
    store.gate.clear()
    async with endpoint(agent, store) as (client, sessions):
        session = await begun(sessions, agent.issuer.url, "sam")
        sending = asyncio.create_task(client.post(PATH, data={"logout_token": token}))
        await until(lambda: store.is_waiting)

        sending.cancel()
        await asyncio.wait([sending])
    # The server has stopped: whatever was tied to the request has ended.
    store.gate.set()

    await until(lambda: store.removed == [session.key])
