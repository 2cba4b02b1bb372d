"""Forward-auth: the connection of a proxy, and what is not HTTP, too large, too slow or too much."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.proxy.admission import Admission, Mount
from bff.proxy.headers import CookieNames
from bff.proxy.heads import BadHeadError, parse_request
from bff.proxy.route_table import Policy, ProxyRoute, RouteTable
from bff.proxy.verify import question_in, set_apart
from bff.session.sessions import Sessions
from common.problems import ProblemError
from tests.bff.agent import QUICK, SESSION_COOKIE, run_agent
from tests.bff.asking import Proxy, checked, head, run_proxy
from tests.bff.dataplane.test_parser_fuzz import mutated
from tests.fakes.waiting import until
from tests.raw_client import RawClient, connect

SHORT = replace(QUICK, sweep_interval_s=0.02, head_time_s=0.3, keep_alive_s=0.3, linger_time_s=0.3)
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    async with run_proxy(tmp_path) as running:
        yield running


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[RawClient]:
    async with await connect(proxy.agent.private_url) as client:
        yield client


def about_alice(proxy: Proxy, line: str = "GET /verify/api/x", *fields: str) -> bytes:
    return head(line, f"Cookie: {SESSION_COOKIE}={proxy.cookie}", *fields)


async def test_a_connection_is_kept(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        for _ in range(3):
            client.send(about_alice(proxy))
            answer = checked(await client.answer())
            assert (answer.status, answer.head.values("Connection")) == (200, [])


async def test_it_is_closed_when_the_proxy_says_so(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        client.send(about_alice(proxy, "GET /verify/api/x", "Connection: close"))
        answers = await client.answers_until_closed()

    assert [(answer.status, answer.head.value("Connection")) for answer in answers] == [(200, "close")]


@pytest.mark.parametrize(("said", "kept"), [("keep-alive", True), ("x", False)])
async def test_a_proxy_of_http_1_0_is_understood(proxy: Proxy, said: str, *, kept: bool) -> None:
    raw = about_alice(proxy, "GET /verify/api/x", f"Connection: {said}").replace(b"HTTP/1.1", b"HTTP/1.0")
    async with connected(proxy) as client:
        client.send(raw)
        answer = checked(await client.answer())

    assert (answer.status, answer.head.value("Connection")) == (200, "keep-alive" if kept else "close")


async def test_requests_sent_together_are_answered_in_order(proxy: Proxy) -> None:
    asked = [about_alice(proxy), head("GET /verify/api/x"), head("GET /verify/open/x")] * 20
    async with connected(proxy) as client:
        client.send(b"".join(asked))
        answers = [checked(await client.answer()) for _ in asked]

    assert [answer.status for answer in answers] == [200, 401, 200] * 20
    assert [answer.head.value("X-User") for answer in answers] == ["alice", "", ""] * 20


async def test_a_head_may_come_byte_by_byte(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        for byte in about_alice(proxy):
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert checked(await client.answer()).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["/api/x", "/open/x", "/open//x"])
async def test_an_answer_to_head_has_no_body(proxy: Proxy, method: str, target: str) -> None:
    line = f"{method} /verify{target}"
    async with connected(proxy) as client:
        client.send(head(line) + about_alice(proxy))
        checked(await client.answer(to=method))
        second = checked(await client.answer())

    assert (second.status, second.head.value("X-User")) == (200, "alice")


async def test_a_request_hidden_in_a_body_is_not_answered(proxy: Proxy) -> None:
    hidden = about_alice(proxy)
    async with connected(proxy) as client:
        client.send(head("POST /verify/open/x", f"Content-Length: {len(hidden)}") + hidden)
        answers = await client.answers_until_closed()

    assert [checked(answer).status for answer in answers] == [400]


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 0", "Content-Length: 0"),
        ("Content-Length: +0",),
        ("Transfer-Encoding: chunked, identity",),
        ("Host: b",),
        ("X : y",),
        ("X: a\r\n b",),
        ("X: a\rb",),
        ("X: a\x00b",),
    ],
)
async def test_what_two_servers_could_read_in_two_ways_is_refused(
    proxy: Proxy, fields: tuple[str, ...]
) -> None:
    async with connected(proxy) as client:
        client.send(about_alice(proxy, "GET /verify/api/x", *fields) + about_alice(proxy))
        answers = await client.answers_until_closed()

    assert [checked(answer).status for answer in answers] == [400]


@pytest.mark.parametrize("fields", [(f"X: {'x' * 40_000}",), ("X: y",) * 101], ids=["large", "many"])
async def test_a_head_has_its_limits(proxy: Proxy, fields: tuple[str, ...]) -> None:
    async with connected(proxy) as client:
        client.send(head("GET /verify/open/x", *fields))
        answers = await client.answers_until_closed()

    assert [checked(answer).status for answer in answers] == [431]


async def test_a_head_that_does_not_end_is_408(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, None, SHORT) as proxy, connected(proxy) as client:
        client.send(head("GET /verify/open/x")[:-2])
        answers = await client.answers_until_closed()

    assert [checked(answer).status for answer in answers] == [408]


async def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, None, SHORT) as proxy, connected(proxy) as client:
        client.send(head("GET /verify/open/x"))
        await client.answer()

        await client.ended()


async def test_there_are_only_so_many_connections(tmp_path: Path) -> None:
    async with (
        run_proxy(tmp_path, None, replace(QUICK, connections=2)) as proxy,
        connected(proxy) as one,
        connected(proxy) as two,
    ):
        for client in (one, two):
            client.send(about_alice(proxy))
            assert (await client.answer()).status == 200
        async with connected(proxy) as third:
            await third.ended()


async def test_too_many_at_the_public_listener_are_not_too_many_here(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, None, replace(QUICK, connections=8)) as proxy:
        many = [await connect(proxy.agent.url) for _ in range(10)]
        await until(lambda: sum(client.is_closed.is_set() for client in many) >= 2)

        assert (await proxy.ask()).status == 200
        for client in many:
            client.cut()


async def test_metrics_and_health_are_served_on_the_same_connection(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        client.send(about_alice(proxy) + head("GET /healthz"))
        answers = await client.answers_until_closed()

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].body == b'{"alive": true}'


async def test_what_is_under_way_ends_with_an_answer_when_the_process_ends(tmp_path: Path) -> None:
    async with run_proxy(tmp_path) as proxy:
        proxy.agent.issuer.token_gate = gate = asyncio.Event()
        proxy.agent.clock.advance(minutes=5)
        client = await connect(proxy.agent.private_url)
        idle = await connect(proxy.agent.private_url)
        client.send(about_alice(proxy))
        await until(lambda: len(proxy.agent.issuer.token_requests) == 2)
        asyncio.get_running_loop().call_later(0.05, gate.set)

    answers = await client.answers_until_closed()
    await idle.ended()
    assert [(checked(one).status, one.head.value("Connection")) for one in answers] == [(200, "close")]


async def test_health_is_told_while_the_public_listener_drains() -> None:
    """Otherwise whoever watches would take a process that ends well for one that has died."""
    async with run_agent() as agent, httpx.AsyncClient(trust_env=False) as client:
        assert agent.public_front is not None
        await agent.public_front.drain(0.1)

        answer = await client.get(f"{agent.private_url}/healthz")

        assert answer.status_code == 200


# Under random bytes

SEEDS = [
    head("GET /verify/api/x", f"Cookie: {SESSION_COOKIE}=COOKIE"),
    head(
        "GET /verify",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Uri: /api/x",
        f"Cookie: {SESSION_COOKIE}=COOKIE",
    ),
    head("POST /verify/open/x", "Content-Length: 5") + b"hello" + head("GET /verify/open/x"),
    head("GET /verify?navigation=401", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /maybe/x"),
]


@settings(max_examples=max(1, EXAMPLES // 100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raws=st.lists(mutated(SEEDS), min_size=40, max_size=40))
async def test_whatever_comes_is_answered_whole_and_never_as_somebody_else(raws: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        async with run_proxy(Path(folder), None, SHORT) as proxy:
            await proxy.agent.signed_in("bob")
            await asyncio.gather(
                *(_thrown(proxy, raw.replace(b"COOKIE", proxy.cookie.encode())) for raw in raws)
            )

            assert (await proxy.ask()).head.value("X-User") == "alice"


async def _thrown(proxy: Proxy, raw: bytes) -> None:
    async with connected(proxy) as client:
        client.send(raw)
        for answer in await client.answers_until_closed():
            if answer.head.values("Server"):
                continue  # of another path: aiohttp's
            checked(answer)
            is_alice = answer.head.value("X-User") == "alice"
            assert not is_alice or proxy.cookie.encode() in raw


HEADS = [
    head("GET /verify", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /api/x", "Cookie: a=b"),
    head("GET /verify", "X-Forwarded-Uri: /api/x", "x-forwarded-uri: /y", "X: y"),
    head("GET /verify", "A: b", "X-Forwarded-Uri: /api/x").replace(b"/x\r\n", b"/x\r\n c\r\n"),
    head("GET /verify", "A:", "X-Forwarded-Uri: /api/x").replace(b"A:\r\n", b"A:\r"),
]


@settings(max_examples=EXAMPLES, deadline=None)
@given(raw=mutated(HEADS))
def test_a_head_without_the_address_is_read_as_the_whole_is(raw: bytes) -> None:
    whole = raw[: raw.find(b"\r\n\r\n") + 4] if b"\r\n\r\n" in raw else raw + b"\r\n\r\n"
    rest, apart = set_apart(whole)

    assert fields_of(rest, apart) == fields_of(whole, None)


def fields_of(raw: bytes, apart: bytes | None) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
    try:
        read = parse_request(raw, 1000)
    except BadHeadError:
        return None
    taken_out = [] if apart is None else [(b"x-forwarded-uri", apart)]
    return read.target, sorted([*taken_out, *((plain, value) for plain, _, value in read.headers)])


SECRET = ProxyRoute("secret", "/secret", (), Policy(roles=frozenset({"r"})))
TABLE = RouteTable([SECRET, ProxyRoute("rest", "/", (), Policy("anonymous"))], ["/login"])
ADMISSION = Admission(
    [Mount("", TABLE, CookieNames(b"s", b"l"), takes_bearers=False)],
    frozenset(),
    cast("Sessions", None),  # what the head tells needs none
)
PARTS = """
    / secret SECRET s S ecret %73 %53 %2573 x ;a ? . .. %2f %2e % %25 # \\ %00 \u212a %c5%bf é %3b %3f
""".split()  # noqa: SIM905 - a list of quoted parts would hide them
TARGETS = st.lists(st.sampled_from(PARTS), max_size=8).map(lambda parts: "/" + "".join(parts))


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(target=TARGETS)
def test_no_spelling_of_a_path_gets_the_policy_of_another(target: str) -> None:
    raw = head("GET /verify", "X-Forwarded-Method: GET").decode("latin-1")
    raw = raw.replace("\r\n\r\n", f"\r\nX-Forwarded-Uri: {target}\r\nCookie: s=x\r\n\r\n")
    try:
        rest, apart = set_apart(raw.encode("utf-8"))
        question = question_in(parse_request(rest, 100), apart)
        admitted = ADMISSION.look_for_another(question.head)
    except (BadHeadError, ProblemError):
        return

    assert (admitted.route.name == "secret") == is_below_secret(question.target)


def is_below_secret(target: str) -> bool:
    """As the most lenient proxies read it: decoded again and again, in any case, without parameters."""
    path = target.partition("?")[0]
    readings = {path}
    for _ in range(5):
        readings |= {unquote(reading) for reading in readings}
        readings |= {"/".join(part.partition(";")[0] for part in reading.split("/")) for reading in readings}
    return any(f"{reading.casefold()}/".startswith("/secret/") for reading in readings)
