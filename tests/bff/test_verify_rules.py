"""Forward-auth: what is judged is what a proxied request would be judged by."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from bff.proxy.heads import parse_request
from bff.proxy.known import Known, LookedAt
from tests.bff.agent import SESSION_COOKIE
from tests.bff.asking import FORMS, Form, Proxy, identity_of, passes_unknown, run_proxy

INSIDE = """
[[route]]
prefix = "/"
policy = "anonymous"

[[route]]
prefix = "/grafana"
forward_auth = true
roles = ["operator"]
"""
BESIDE = INSIDE.replace('"/"', '"/api/"')


@pytest.fixture(params=FORMS)
async def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with run_proxy(tmp_path) as running:
        form: Form = request.param
        running.form = form
        yield running


async def code(proxy: Proxy, target: str, *fields: str, **how: str) -> str:
    """The code of the problem that this is refused with."""
    answer = await proxy.ask(target, *fields, **how)
    found: str = httpx.Response(answer.status, content=answer.body).json()["code"]
    return found


# Policies


@pytest.mark.parametrize(
    ("target", "knows_alice", "passes_strangers"),
    [
        ("/api/x", True, False),
        ("/reports/x", True, False),
        ("/maybe/x", True, True),
        ("/open/x", False, True),
        ("/nobodys", True, False),
        ("/", True, False),
        ("/userinfo", True, False),
        ("/login/start", True, False),
    ],
)
async def test_who_may_use_what(
    proxy: Proxy, target: str, *, knows_alice: bool, passes_strangers: bool
) -> None:
    signed_in, stranger = await proxy.ask(target), await proxy.ask(target, cookie=None)

    assert signed_in.status == 200
    assert signed_in.head.value("X-User") == ("alice" if knows_alice else "")
    assert signed_in.head.value("Authorization").startswith("Bearer ") == knows_alice
    assert passes_unknown(stranger) == passes_strangers
    assert stranger.status == (200 if passes_strangers else 401)


@pytest.mark.parametrize(
    ("target", "missing"),
    [("/grafana", "forbidden"), ("/audit/x", "insufficient_scope"), ("/payments/x", "step_up_required")],
)
async def test_what_a_login_lacks_is_told(proxy: Proxy, target: str, missing: str) -> None:
    assert await code(proxy, target) == missing


async def test_who_has_it_all_may_pass(proxy: Proxy) -> None:
    proxy.agent.issuer.access_token_overrides = {"roles": ["operator"], "scope": "audit:read"}
    proxy.agent.issuer.id_token_overrides = {"acr": "gold"}
    browser = await proxy.agent.signed_in()

    grafana = await proxy.ask("/grafana/d/1", cookie=browser.session_cookie)
    payments = await proxy.ask("/payments/x", cookie=browser.session_cookie)

    assert (grafana.status, grafana.head.value("X-Auth-Roles"), payments.status) == (200, "operator", 200)


@pytest.mark.parametrize("target", ["/reports/x", "/api/x", "/nobodys"])
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "POST"])
async def test_methods_are_those_of_the_route(proxy: Proxy, target: str, method: str) -> None:
    # CONNECT has no path of its own, so nobody can ask about it in this way.
    form, proxy.form = proxy.form, "forwarded" if method == "CONNECT" else proxy.form
    is_fine = method == "POST" and target != "/reports/x"

    answer = await proxy.ask(target, "X-CSRF: 1", method=method)

    assert answer.status == (200 if is_fine else 405), form


async def test_the_prefix_stands_before_the_routes_as_well(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, PREFIX="/web") as proxy:
        assert passes_unknown(await proxy.ask("/web/open/x", cookie=None))
        assert await code(proxy, "/web/grafana/x") == "forbidden"
        assert (await proxy.ask("/web/nobodys", cookie=None)).status == 401


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_route_for_forward_auth_alone_is_not_proxied(proxy: Proxy, method: str) -> None:
    browser = await proxy.agent.browser(**{SESSION_COOKIE: proxy.cookie})

    answer = await browser.call(method, "/reports/x")

    assert answer.status_code == 404
    assert proxy.agent.backend.seen == []


# What is remembered


async def test_addresses_with_the_same_headers_are_told_apart(proxy: Proxy) -> None:
    targets = ["/open/x", "/api/x", "/grafana", "/maybe/x", "/reports/x", "/nobodys", "/audit", "/api//x"]

    first = [(await proxy.ask(target)).status for target in targets]
    again = [(await proxy.ask(target)).status for target in [*targets, *targets]]

    assert first == [200, 200, 403, 200, 200, 200, 403, 400]
    assert again == [*first, *first]


async def test_methods_with_the_same_headers_are_told_apart(proxy: Proxy) -> None:
    methods = ["GET", "POST", "GET", "HEAD", "DELETE"]

    answers = [(await proxy.ask("/reports/x", "X-CSRF: 1", method=method)).status for method in methods]

    assert answers == [200, 405, 200, 200, 405]


async def test_another_agent_in_this_process_has_its_own_rules(proxy: Proxy, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    async with run_proxy(folder, routes='[[route]]\nprefix = "/open/"') as other:
        other.form = proxy.form

        answers = [await one.ask("/open/x", cookie="same") for one in (proxy, other, proxy, other)]

    assert [answer.status for answer in answers] == [200, 401, 200, 401]


def test_few_and_short_addresses_are_remembered() -> None:
    known, kept = Known(), cast("LookedAt", None)
    request = parse_request(b"GET /verify HTTP/1.1\r\nHost: a\r\n\r\n", 100)

    for number in range(100):
        known.keep(request, b"/%d" % number, kept)
        assert len(known) <= 8
    long, before = b"/" + b"x" * 300, len(known)
    known.keep(request, long, kept)
    known.keep(request.speaking_of(b"GET", long), None, kept)

    assert len(known) == before


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/open/..%2fapi", "/open//x", "//open/x", "/open/../api/x", "/open/%2e%2e/api", "/open/%2E./api",
        "/open/..;/api/x", "/./open", "/open/%5c..%5c", "/open/%0a", "/open/%zz", "/open\\..\\api",
        "/open/#x", "/nobodys/..%2f", "/nobodys//x", "/nobodys/%2e%2e/grafana",
    ],
)  # fmt: skip
async def test_an_ambiguous_path_is_refused(proxy: Proxy, path: str) -> None:
    assert await code(proxy, path) == "bad_request"


@pytest.mark.parametrize(
    "path",
    [
        "/%67rafana/x", "/%2567rafana/x", "/grafana;a/x", "/GRAFANA/x", "/Grafana", "/%47rafana/x",
        "/grafana%3f/x", "/%25252567rafana/x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("routes", [INSIDE, BESIDE], ids=["inside another", "beside nothing"])
async def test_a_path_that_is_another_routes_to_others_is_refused(
    tmp_path: Path, path: str, routes: str
) -> None:
    async with run_proxy(tmp_path, routes=routes) as proxy:
        assert await code(proxy, path) == "bad_request"


@pytest.mark.parametrize("path", ["/WEB/grafana/x", "/%77eb/grafana/x", "/web/GRAFANA", "/web/%67rafana"])
async def test_so_is_one_below_the_prefix(tmp_path: Path, path: str) -> None:
    async with run_proxy(tmp_path, routes=INSIDE, PREFIX="/web") as proxy:
        assert await code(proxy, path) == "bad_request"


async def test_upper_case_in_the_routes_or_the_prefix_hides_nothing(tmp_path: Path) -> None:
    routes = INSIDE.replace("/grafana", "/Grafana")
    async with run_proxy(tmp_path, routes=routes, PREFIX="/Web") as proxy:
        for path in ("/grafana/x", "/web/grafana/x", "/Web/grafana/x", "/web/Grafana/x"):
            assert await code(proxy, path) == "bad_request", path
        for path in ("/Grafana/x", "/Web/Grafana/x"):
            assert await code(proxy, path) == "forbidden", path


@pytest.mark.parametrize(
    "path", ["/files/a%20b", "/100%25", "/files/%C3%A4", "/a;b", "/Session/x", "/GRAFANAS", "/api/A%42;c"]
)
async def test_other_odd_spellings_are_fine(proxy: Proxy, path: str) -> None:
    assert (await proxy.ask(path)).head.value("X-User") == "alice"


# Where it comes from


def origin_of(proxy: Proxy) -> str:
    return f"Origin: {proxy.agent.url}"


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Sec-Fetch-Site: cross-site", "X-CSRF: 1"),
        ("Sec-Fetch-Site: same-site",),
        ("Origin: https://evil.example", "X-CSRF: 1", "Sec-Fetch-Site: same-origin"),
    ],
)
async def test_a_write_of_another_site_is_refused(proxy: Proxy, fields: tuple[str, ...]) -> None:
    for target in ("/api/x", "/maybe/x", "/nobodys"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
            assert await code(proxy, target, *fields, method=method) == "cross_site_request"


@pytest.mark.parametrize("proof", ["X-CSRF: 1", "Sec-Fetch-Site: same-origin", "origin"])
async def test_a_write_of_this_site_may_pass(proxy: Proxy, proof: str) -> None:
    proof = origin_of(proxy) if proof == "origin" else proof

    assert (await proxy.ask("/api/x", proof, method="POST")).head.value("X-User") == "alice"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_reading_needs_no_proof(proxy: Proxy, method: str) -> None:
    assert (await proxy.ask("/api/x", "Origin: https://evil.example", method=method)).status == 200


HANDSHAKES = [
    ("Upgrade: websocket", "Connection: Upgrade"),
    ("Upgrade: websocket",),
    ("Upgrade: h2c, WebSocket",),
    ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",),
    ("Sec-WebSocket-Version: 13",),
]


@pytest.mark.parametrize("handshake", HANDSHAKES)
async def test_a_websocket_of_another_site_is_refused(proxy: Proxy, handshake: tuple[str, ...]) -> None:
    foreign = "Origin: https://evil.example"

    assert await code(proxy, "/api/x", foreign, *handshake) == "cross_site_request"
    assert await code(proxy, "/api/x", *handshake) == "cross_site_request"
    assert await code(proxy, "/api/x", "X-CSRF: 1", *handshake, method="POST") == "cross_site_request"


@pytest.mark.parametrize("handshake", HANDSHAKES)
async def test_a_websocket_of_this_site_may_pass_and_nothing_is_upgraded(
    proxy: Proxy, handshake: tuple[str, ...]
) -> None:
    answer = await proxy.ask("/api/x", origin_of(proxy), *handshake)

    assert (answer.status, answer.head.values("Upgrade")) == (200, [])
    assert identity_of(answer)["X-User"] == "alice"


@pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site", "X-CSRF", "Upgrade"])
async def test_a_header_that_decides_stands_there_once(proxy: Proxy, name: str) -> None:
    twice = (f"{name}: 1", f"{name.lower()}: 1")

    assert await code(proxy, "/api/x", *twice) == "bad_request"


async def test_a_page_of_a_configured_origin_can_read_the_refusal(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, ORIGINS="http://127.0.0.1:5173") as proxy:
        answer = await proxy.ask("/api/x", "Origin: http://127.0.0.1:5173", cookie=None)

        assert answer.status == 401
        assert answer.head.value("Access-Control-Allow-Origin") == "http://127.0.0.1:5173"
