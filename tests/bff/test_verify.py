"""Forward-auth: how a proxy names the request, and what it is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from tests.bff.agent import NAVIGATION, SESSION_COOKIE, run_agent
from tests.bff.asking import FORMS, IDENTITY, Form, Proxy, identity_of, run_proxy

AS_PAGE = ("Sec-Fetch-Mode: navigate", "Accept: text/html")
FOR_NGINX = "?navigation=401"


@pytest.fixture(params=FORMS)
async def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with run_proxy(tmp_path) as running:
        form: Form = request.param
        running.form = form
        yield running


@pytest.fixture
async def forwarding(tmp_path: Path) -> AsyncIterator[Proxy]:
    """A proxy that names the request by headers."""
    async with run_proxy(tmp_path) as running:
        yield running


# Who it is


async def test_a_session_becomes_its_bearer_and_its_user(proxy: Proxy) -> None:
    answer = await proxy.ask()

    identity = identity_of(answer)
    kind, bearer = identity.pop("Authorization").split(" ")
    claims = jwt.decode(bearer, options={"verify_signature": False})
    assert (answer.status, answer.body, kind, claims["sub"]) == (200, b"", "Bearer", "alice")
    assert identity == {
        "X-User": "alice",
        "X-Auth-Kind": "user",
        "X-Auth-Subject": "alice",
        "X-Auth-Tenant": "",
        "X-Auth-Taints": "",
        "X-Auth-Scopes": "email,offline_access,openid,profile",
        "X-Auth-Roles": "",
    }


async def test_the_bearer_is_what_a_proxied_request_carries(proxy: Proxy) -> None:
    browser = await proxy.agent.browser(**{SESSION_COOKIE: proxy.cookie})
    await browser.call("GET", "/api/x")

    answer = await proxy.ask()

    assert proxy.agent.backend.seen[-1].values("Authorization") == [answer.head.value("Authorization")]


async def test_each_browser_is_its_own_user_on_one_connection(forwarding: Proxy) -> None:
    bob = await forwarding.agent.signed_in("bob")

    answers = [
        await forwarding.ask(cookie=cookie) for cookie in (forwarding.cookie, bob.session_cookie, None)
    ]

    assert [answer.head.value("X-User") for answer in answers] == ["alice", "bob", ""]


async def test_names_that_no_header_can_hold_are_encoded(tmp_path: Path) -> None:
    async with run_proxy(tmp_path) as proxy:
        proxy.agent.issuer.access_token_overrides = {"roles": ["a,b", "Prüfer"]}
        odd = await proxy.agent.signed_in("Zoë\r\nX-Auth-Roles: admin")

        answer = await proxy.ask(cookie=odd.session_cookie)

        assert answer.head.value("X-User") == "Zo%C3%AB%0D%0AX-Auth-Roles:%20admin"
        assert answer.head.value("X-Auth-Roles") == "Pr%C3%BCfer,a%2Cb"


@pytest.mark.parametrize("target", ["/api/x", "/maybe/x", "/open/x", "/nobodys"])
@pytest.mark.parametrize("is_signed_in", [True, False])
async def test_what_the_client_says_of_itself_changes_nothing(
    proxy: Proxy, target: str, *, is_signed_in: bool
) -> None:
    cookie = "" if is_signed_in else None
    forged = [f"{name}: Bearer forged" for name in IDENTITY]
    forged += ["X-Device-Key: dwd_forged", "X-Provisioning-Key: dwr_forged", "X_User: forged"]

    usual, answer = await proxy.ask(target, cookie=cookie), await proxy.ask(target, *forged, cookie=cookie)

    assert (answer.status, identity_of(answer)) == (usual.status, identity_of(usual))


# Which request it is about


async def test_a_request_by_path_is_not_named_by_headers_of_the_client(tmp_path: Path) -> None:
    async with run_proxy(tmp_path) as proxy:
        forged = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /open/x")

        assert (await proxy.send("GET /verify/api/x", *forged)).status == 401
        assert (await proxy.send("DELETE /verify/open/x", *forged)).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PROPFIND", "OPTIONS"])
async def test_the_method_that_asks_does_not_count(forwarding: Proxy, method: str) -> None:
    forwarded = ("X-Forwarded-Method: POST", "X-Forwarded-Uri: /api/x", "X-CSRF: 1")

    answer = await forwarding.send(
        f"{method} /verify", *forwarded, f"Cookie: {SESSION_COOKIE}={forwarding.cookie}"
    )

    assert (answer.status, answer.head.value("X-User")) == (200, "alice")


UNNAMED = {
    "nothing": (),
    "no method": ("X-Forwarded-Uri: /open/x",),
    "no address": ("X-Forwarded-Method: GET",),
    "two methods": ("X-Forwarded-Method: GET", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /open/x"),
    "two addresses": ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /open/x", "X-Forwarded-Uri: /api/x"),
    "two addresses in odd letters": (
        "X-Forwarded-Method: GET",
        "x-forwarded-URI: /open/x",
        "X-FORWARDED-Uri: /open/x",
    ),
    "an address and none": ("X-Forwarded-Method: GET", "X-Forwarded-Uri:", "X-Forwarded-Uri: /open/x"),
    "two in one line": ("X-Forwarded-Method: GET, POST", "X-Forwarded-Uri: /open/x"),
    "an empty method": ("X-Forwarded-Method:", "X-Forwarded-Uri: /open/x"),
    "lower case": ("X-Forwarded-Method: post", "X-Forwarded-Uri: /open/x"),
    "a long method": (f"X-Forwarded-Method: {'A' * 21}", "X-Forwarded-Uri: /open/x"),
    "an empty address": ("X-Forwarded-Method: GET", "X-Forwarded-Uri:"),
    "a mere query": ("X-Forwarded-Method: GET", "X-Forwarded-Uri: ?x"),
    "no path": ("X-Forwarded-Method: GET", "X-Forwarded-Uri: open/x"),
    "a whole address": ("X-Forwarded-Method: GET", "X-Forwarded-Uri: http://a/open/x"),
    "a star": ("X-Forwarded-Method: OPTIONS", "X-Forwarded-Uri: *"),
    "a blank": ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /open/x y"),
    "other spellings": ("X_Forwarded_Method: GET", "X_Forwarded_Uri: /open/x"),
}


@pytest.mark.parametrize("fields", UNNAMED.values(), ids=UNNAMED.keys())
async def test_a_request_that_is_not_named_clearly_is_refused(
    forwarding: Proxy, fields: tuple[str, ...]
) -> None:
    cookie = f"Cookie: {SESSION_COOKIE}={forwarding.cookie}"

    answer = await forwarding.send("GET /verify", *fields, cookie)

    assert answer.status == 400


@pytest.mark.parametrize("query", ["?navigation=302", "?navigation=401&x=1", "?x", "?navigaton=401"])
async def test_an_unknown_setting_is_refused(forwarding: Proxy, query: str) -> None:
    named = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /open/x")

    assert (await forwarding.send(f"GET /verify{query}", *named)).status == 400


async def test_the_query_of_a_request_by_path_is_the_clients(tmp_path: Path) -> None:
    async with run_proxy(tmp_path) as proxy:
        answer = await proxy.send("GET /verify/api/x?navigation=401", *AS_PAGE)

        assert answer.status == 302


@pytest.mark.parametrize("framing", ["Content-Length: 2", "Transfer-Encoding: chunked"])
async def test_a_body_is_refused(proxy: Proxy, framing: str) -> None:
    answer = await proxy.ask("/open/x", framing)

    assert (answer.status, answer.head.value("Connection")) == (400, "close")


async def test_an_announced_body_of_nothing_is_none(proxy: Proxy) -> None:
    assert (await proxy.ask("/open/x", "Content-Length: 0")).status == 200


# A login where it helps


@pytest.mark.parametrize(
    "fields",
    [AS_PAGE, ("Sec-Fetch-Mode: navigate",), ("Accept: text/html,*/*",)],
    ids=["both", "mode", "accept"],
)
async def test_a_person_is_sent_to_the_login_and_back(proxy: Proxy, fields: tuple[str, ...]) -> None:
    answer = await proxy.ask("/api/x?page=2&sort=%C3%A4", *fields, cookie=None)

    address = answer.head.value("Location")
    assert (answer.status, answer.body) == (302, b"")
    assert address.startswith(f"{proxy.agent.url}/login/start?")
    assert parse_qs(urlsplit(address).query) == {"redirect": ["/api/x?page=2&sort=%C3%A4"]}


async def test_the_login_leads_back(proxy: Proxy) -> None:
    browser = await proxy.agent.browser()
    sent = await proxy.ask("/grafana/d/1?var=a%20b", *AS_PAGE, cookie=None)
    started = await browser.client.get(sent.head.value("Location"), headers=NAVIGATION)

    ended = await browser.come_back(proxy.agent.issuer.authorize(started.headers["Location"]))

    assert ended.headers["Location"] == "/grafana/d/1?var=a%20b"


@pytest.mark.parametrize("target", [f"/api/{'x' * 1024}", "/api/<script>", "/api/%252f%252fevil"])
async def test_an_address_that_no_login_comes_back_to_is_left_out(proxy: Proxy, target: str) -> None:
    answer = await proxy.ask(target, *AS_PAGE, cookie=None)

    assert answer.head.value("Location") == f"{proxy.agent.url}/login/start"


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("GET", ()),
        ("GET", ("Accept: application/json",)),
        ("GET", ("Sec-Fetch-Mode: cors", "Accept: text/html")),
        ("GET", ("Sec-Fetch-Mode: websocket", "Upgrade: websocket")),
        ("HEAD", AS_PAGE),
        ("POST", AS_PAGE),
    ],
)
async def test_a_program_is_told_401(proxy: Proxy, method: str, fields: tuple[str, ...]) -> None:
    answer = await proxy.ask("/api/x", *fields, method=method, cookie=None)

    assert (answer.status, answer.head.values("Location")) == (401, [])
    assert answer.head.value("Content-Type") == "application/problem+json"


async def test_a_proxy_that_cannot_redirect_is_told_401_and_where_the_login_is(forwarding: Proxy) -> None:
    named = ("X-Forwarded-Method: GET", "X-Forwarded-Uri: /api/x?y=1&z")

    answer = await forwarding.send(f"GET /verify{FOR_NGINX}", *named, *AS_PAGE)

    assert answer.status == 401
    assert answer.head.value("Location").endswith("/login/start?redirect=/api/x%3Fy%3D1%26z")
    assert answer.head.value("Content-Type") == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/api/..%2fadmin", 403),
        ("POST", "/reports/x", 403),
        ("TRACE", "/open/x", 403),
        ("GET", "/grafana/x", 403),
        ("GET", "/api/x", 200),
    ],
)
async def test_nginx_is_told_of_a_clients_mistake_in_a_way_that_it_passes_on(
    forwarding: Proxy, method: str, target: str, status: int
) -> None:
    answer = await forwarding.send(
        f"GET /verify{FOR_NGINX}",
        f"X-Forwarded-Method: {method}",
        f"X-Forwarded-Uri: {target}",
        "X-CSRF: 1",
        f"Cookie: {SESSION_COOKIE}={forwarding.cookie}",
    )

    assert answer.status == status


async def test_an_nginx_that_asks_wrongly_is_told_so(forwarding: Proxy) -> None:
    assert (await forwarding.send(f"GET /verify{FOR_NGINX}")).status == 400


@pytest.mark.parametrize("path", ["/login/start", "/session", "/userinfo"])
async def test_a_login_never_leads_to_a_login(proxy: Proxy, path: str) -> None:
    assert (await proxy.ask(path, *AS_PAGE, cookie=None)).status == 401


async def test_with_a_prefix_the_login_is_below_it(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, PREFIX="/web") as proxy:
        answers = [await proxy.ask(path, *AS_PAGE, cookie=None) for path in ("/api/x", "/web/api/x")]

        assert [answer.head.value("Location") for answer in answers] == [
            f"{proxy.agent.url}/web/login/start?redirect=/api/x",
            f"{proxy.agent.url}/web/login/start?redirect=/web/api/x",
        ]
        assert (await proxy.ask("/web/login/start", *AS_PAGE, cookie=None)).status == 401


# Where it answers


async def test_the_public_listener_has_none_of_it(proxy: Proxy) -> None:
    browser = await proxy.agent.browser(**{SESSION_COOKIE: proxy.cookie})

    for path in ("/verify", "/verify/api/x"):
        answer = await browser.client.get(
            path, headers={"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/api/x"}
        )
        assert answer.status_code == 404
        assert not any(name in answer.headers for name in IDENTITY)


async def test_without_a_web_mode_there_is_none() -> None:
    async with (
        run_agent(OIDC_FLOW="device") as agent,
        httpx.AsyncClient(base_url=agent.private_url, trust_env=False) as client,
    ):
        answers = [await client.get(path) for path in ("/verify", "/verify/api/x", "/healthz")]

        assert [answer.status_code for answer in answers] == [404, 404, 200]


async def test_beside_a_device_mode_its_paths_need_a_session_too(tmp_path: Path) -> None:
    async with run_proxy(tmp_path, OIDC_FLOW="both") as proxy:
        bearer = "Authorization: Bearer of-a-command-line"

        assert (await proxy.ask("/device/api/x", bearer, cookie=None)).status == 401
        assert (await proxy.ask("/device/api/x", bearer)).head.value("X-User") == "alice"


@pytest.mark.parametrize("path", ["/verifyx", "/", "/verif", "/Verify", "//verify", "/%76erify/open/x"])
async def test_another_path_is_the_private_applications(forwarding: Proxy, path: str) -> None:
    async with httpx.AsyncClient(base_url=forwarding.agent.private_url, trust_env=False) as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/healthz")).json() == {"alive": True}
