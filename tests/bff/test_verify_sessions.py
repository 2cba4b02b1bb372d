"""Forward-auth and the session's life: read on every request, refreshed when due, over at once."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bff.session.sessions import HotPart
from tests.bff.agent import QUICK, SESSION_COOKIE, Agent
from tests.bff.asking import Proxy, checked, head, passes_unknown, run_proxy
from tests.bff.redis_stores import SERVER_KEY
from tests.fakes.issuer import ACCESS_TOKEN_LIFETIME_S
from tests.fakes.redis_servers import RedisServer
from tests.fakes.waiting import eventually, until
from tests.raw_client import Answer, connect

COOKIE_KEY = base64.b64encode(SERVER_KEY).decode()


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    async with run_proxy(tmp_path) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer.running(tmp_path) as running:
        yield running


@pytest.fixture
async def with_redis(server: RedisServer, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with run_proxy(tmp_path, SESSION_STORE=server.url, COOKIE_KEY=COOKIE_KEY) as running:
        yield running


def refreshes(agent: Agent) -> int:
    return sum(form.get("grant_type") == "refresh_token" for form in agent.issuer.token_requests)


def counted(agent: Agent, **labels: str) -> float:
    return agent.parts.registry.get_sample_value("http_requests_total", labels) or 0.0


def bearer(answer: Answer) -> str:
    return answer.head.value("Authorization")


# Its end


async def test_after_a_logout_the_next_answer_is_no(proxy: Proxy) -> None:
    browser = await proxy.agent.browser(**{SESSION_COOKIE: proxy.cookie})
    assert (await proxy.ask()).status == 200

    await browser.call("POST", "/logout")

    assert (await proxy.ask()).status == 401
    assert passes_unknown(await proxy.ask("/maybe/x"))


async def test_so_it_is_with_redis(with_redis: Proxy) -> None:
    browser = await with_redis.agent.browser(**{SESSION_COOKIE: with_redis.cookie})
    assert (await with_redis.ask()).head.value("X-User") == "alice"

    await browser.call("POST", "/logout")

    assert (await with_redis.ask()).status == 401


@pytest.mark.parametrize("cookie", ["unknown", "x" * 5000, "\xe4\xff", "a=b", '"quoted"'])
async def test_an_unknown_cookie_is_nobody(proxy: Proxy, cookie: str) -> None:
    assert (await proxy.ask(cookie=cookie)).status == 401
    assert passes_unknown(await proxy.ask("/maybe/x", cookie=cookie))


async def test_both_lifetimes_count(proxy: Proxy) -> None:
    proxy.agent.clock.advance(hours=1)

    assert (await proxy.ask()).status == 401


async def test_asking_is_activity_unless_it_says_that_it_is_none(proxy: Proxy) -> None:
    bob = await proxy.agent.signed_in("bob")

    async def active_at(cookie: str | None) -> float:
        found = await proxy.agent.parts.sessions.find(cookie)
        assert found is not None
        return found.record.active_at.timestamp()

    begun = await active_at(proxy.cookie)
    proxy.agent.clock.advance(minutes=30)
    await proxy.ask("/api/x?slide=false")
    await proxy.ask("/api/x", cookie=bob.session_cookie)

    # Both would have been written in the same turn.
    await eventually(lambda: active_at(bob.session_cookie), lambda at: at > begun)
    assert await active_at(proxy.cookie) == begun


# Its bearer


async def test_a_bearer_about_to_end_is_refreshed_first(proxy: Proxy) -> None:
    former = bearer(await proxy.ask())
    proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    answers = await asyncio.gather(*(proxy.ask() for _ in range(20)))

    assert len({bearer(answer) for answer in answers}) == 1
    assert bearer(answers[0]) not in {former, ""}
    assert refreshes(proxy.agent) == 1


async def test_a_due_bearer_that_lasts_is_told_meanwhile(proxy: Proxy) -> None:
    former = bearer(await proxy.ask())
    proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S - 20)

    assert bearer(await proxy.ask()) == former

    await eventually(proxy.ask, lambda answer: bearer(answer) != former)
    assert refreshes(proxy.agent) == 1


async def test_what_a_refresh_takes_away_is_not_told_any_more(proxy: Proxy) -> None:
    proxy.agent.issuer.access_token_overrides = {"roles": ["operator"]}
    browser = await proxy.agent.signed_in()
    assert (await proxy.ask("/grafana", cookie=browser.session_cookie)).status == 200
    proxy.agent.issuer.access_token_overrides = {"roles": ["guest"]}
    proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    assert (await proxy.ask("/grafana", cookie=browser.session_cookie)).status == 403
    answer = await proxy.ask(cookie=browser.session_cookie)
    assert (answer.head.value("X-User"), answer.head.value("X-Auth-Roles")) == ("alice", "guest")


async def test_a_refused_refresh_ends_the_session(proxy: Proxy) -> None:
    proxy.agent.issuer.broken(token="invalid_grant")
    proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    assert (await proxy.ask()).status == 401


async def test_a_provider_that_is_away_is_503(proxy: Proxy) -> None:
    proxy.agent.issuer.broken(token=True)
    proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

    answer = await proxy.ask()

    assert (answer.status, answer.head.value("Retry-After")) == (503, "5")


async def test_a_refresh_that_does_not_end_is_503_in_time(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, None, replace(QUICK, credential_time_s=0.2)) as proxy:
        proxy.agent.issuer.token_gate = asyncio.Event()
        proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)

        assert (await proxy.ask()).status == 503


async def test_a_proxy_that_leaves_meanwhile_is_told_nothing(proxy: Proxy) -> None:
    proxy.agent.issuer.token_gate = asyncio.Event()
    proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    async with await connect(proxy.agent.private_url) as client:
        client.send(head("GET /verify/api/x", f"Cookie: {SESSION_COOKIE}={proxy.cookie}"))
        await until(lambda: refreshes(proxy.agent) == 1)
        client.cut()
    await until(lambda: counted(proxy.agent, method="GET", route="/api/", status="499") == 1)

    proxy.agent.issuer.token_gate.set()

    assert (await proxy.ask()).head.value("X-User") == "alice"


async def test_requests_that_come_while_one_waits_are_answered_after_it(proxy: Proxy) -> None:
    bob = await proxy.agent.signed_in("bob")
    proxy.agent.issuer.token_gate = asyncio.Event()
    proxy.agent.clock.advance(seconds=ACCESS_TOKEN_LIFETIME_S)
    asked = [
        head("GET /verify/api/x", f"Cookie: {SESSION_COOKIE}={cookie}")
        for cookie in (proxy.cookie, bob.session_cookie, "unknown", proxy.cookie)
    ]
    async with await connect(proxy.agent.private_url) as client:
        client.send(b"".join(asked[:2]))
        await until(lambda: refreshes(proxy.agent) == 1)
        client.send(b"".join(asked[2:]))
        proxy.agent.issuer.token_gate.set()

        answers = [checked(await client.answer()) for _ in asked]

    assert [answer.head.value("X-User") for answer in answers] == ["alice", "bob", "", "alice"]


# Its record


def test_a_record_without_a_subject_still_opens() -> None:
    class Former(msgspec.Struct, array_like=True):
        bearer: str
        grants: tuple[list[str], list[str], str | None]

    kept = msgspec.msgpack.encode(Former("b", (["openid"], [], None)))

    part = msgspec.msgpack.decode(kept, type=HotPart)

    assert (part.bearer, part.subject, part.grants.scopes) == ("b", "", frozenset({"openid"}))


def test_a_record_opens_in_the_former_agent() -> None:
    class Former(msgspec.Struct, array_like=True):
        bearer: str

    part = msgspec.msgpack.decode(msgspec.msgpack.encode(("b", ((), (), None), "alice")), type=Former)

    assert part.bearer == "b"


# Its store


@pytest.mark.parametrize("query", ["", "?navigation=401"])
async def test_while_the_store_is_away_nobody_passes_or_is_logged_out(
    with_redis: Proxy, server: RedisServer, query: str
) -> None:
    server.stop()
    named = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /api/x", "Sec-Fetch-Mode: navigate")

    answer = await with_redis.send(
        f"GET /verify{query}", *named, f"Cookie: {SESSION_COOKIE}={with_redis.cookie}"
    )
    optional = await with_redis.ask("/maybe/x")

    assert (answer.status, optional.status) == (503, 503)
    assert answer.head.value("Retry-After")
    assert passes_unknown(await with_redis.ask("/open/x"))


async def test_many_at_once_are_told_apart_with_redis(with_redis: Proxy) -> None:
    names = ["alice", "bob", "carol"]
    browsers = [await with_redis.agent.signed_in(name) for name in names]
    cookies = [browser.session_cookie for browser in browsers] * 20

    answers = await asyncio.gather(*(with_redis.ask(cookie=cookie) for cookie in cookies))

    assert [answer.head.value("X-User") for answer in answers] == names * 20


# What is counted


async def test_answers_are_counted_by_route_and_judged_method(proxy: Proxy) -> None:
    await proxy.ask("/api/x", "X-CSRF: 1", method="POST")
    await proxy.ask("/grafana")
    await proxy.ask("/nobodys", method="HEAD")
    await proxy.ask(cookie=None)
    await proxy.ask("/api/x", "Sec-Fetch-Mode: navigate", cookie=None)

    counts = [
        counted(proxy.agent, method=method, route=route, status=status)
        for method, route, status in [
            ("POST", "/api/", "200"),
            ("GET", "/grafana", "403"),
            ("HEAD", "(unrouted)", "200"),
            ("GET", "refused", "401"),
            ("GET", "refused", "302"),
        ]
    ]
    assert counts == [1, 1, 1, 1, 1]
