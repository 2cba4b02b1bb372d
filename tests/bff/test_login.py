"""The login as a browser sees it: where it ends, the session that it makes, and the cookie of it."""

import httpx
import pytest

from tests.bff.agent import NAVIGATION, SESSION_COOKIE, Agent, run_agent
from tests.bff.logins import cookie_header, is_signed_in, set_cookies
from tests.fakes.issuer import ABSENT, FakeIssuer


async def test_a_login_ends_signed_in_at_the_address_it_was_started_for(agent: Agent) -> None:
    browser = await agent.browser()

    answer = await browser.log_in(query="?redirect=/devices%23list")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/devices#list")
    userinfo = await browser.call("GET", "/userinfo")
    assert userinfo.json()["sub"] == "alice"


async def test_without_an_address_a_login_ends_at_the_root(agent: Agent) -> None:
    browser = await agent.browser()

    answer = await browser.log_in()

    assert answer.headers["Location"] == "/"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.content == b""


async def test_the_user_part_holds_no_claims_of_the_protocol(agent: Agent) -> None:
    browser = await agent.signed_in()

    user = (await browser.call("GET", "/userinfo")).json()

    assert user == {
        "iss": agent.issuer.url,
        "sub": "alice",
        "name": "Alice",
        "email": "alice@example.test",
        "email_verified": True,
        "auth_time": user["auth_time"],
    }


async def test_a_planted_cookie_is_worth_nothing_after_the_login(agent: Agent) -> None:
    planted = "A" * 43
    browser = await agent.browser(**{SESSION_COOKIE: planted})
    thief = await agent.browser(**{SESSION_COOKIE: planted})

    answer = await browser.log_in()

    assert set_cookies(answer)[SESSION_COOKIE].value != planted
    assert not await is_signed_in(thief)


async def test_a_second_login_has_a_new_id_and_the_former_session_is_gone(agent: Agent) -> None:
    browser = await agent.signed_in("alice")
    former = browser.session_cookie or ""

    await browser.log_in("bob")

    assert browser.session_cookie not in {None, former}
    assert (await browser.call("GET", "/userinfo")).json()["sub"] == "bob"
    thief = await agent.browser(**{SESSION_COOKIE: former})
    assert (await thief.call("GET", "/userinfo")).status_code == 401
    assert (await thief.call("GET", "/api/v1/things")).status_code == 401


async def test_claims_of_the_former_login_are_gone(agent: Agent) -> None:
    browser = await agent.browser()
    agent.issuer.id_token_overrides = {"groups": ["admins"], "acr": "gold"}
    await browser.log_in("alice")
    assert (await browser.call("GET", "/userinfo")).json()["groups"] == ["admins"]

    agent.issuer.id_token_overrides = {"email": ABSENT, "name": "Alice"}
    agent.issuer.broken(userinfo=True)
    await browser.log_in("alice")

    user = (await browser.call("GET", "/userinfo")).json()
    assert not {"groups", "acr", "email"} & user.keys()


async def test_a_login_that_fails_leaves_the_session_that_was_there(agent: Agent) -> None:
    browser = await agent.signed_in("alice")
    agent.issuer.id_token_overrides = {"nonce": "wrong"}

    answer = await browser.log_in("bob", query="?failure=/failed")

    assert answer.headers["Location"] == "/failed?error=login_failed"
    assert (await browser.call("GET", "/userinfo")).json()["sub"] == "alice"


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    async with run_agent(SESSION_LIFETIME="8h") as agent:
        browser = await agent.browser()
        answer = await browser.log_in()

    cookie = set_cookies(answer)[SESSION_COOKIE]
    assert len(cookie.value) == 43
    attributes = {name: value for name, value in cookie.items() if value and name != "expires"}
    assert attributes == {"path": "/", "httponly": True, "samesite": "Lax", "max-age": "28800"}


async def test_the_cookie_is_set_at_login_and_never_again(agent: Agent) -> None:
    browser = await agent.signed_in()

    for path in ("/userinfo", "/claims", "/session", "/api/v1/things"):
        answer = await browser.call("GET", path)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", ["__Host-doorward_session", "__Host-doorward_login_"])
async def test_behind_https_both_cookies_are_bound_to_host_and_https(name: str) -> None:
    async with run_agent(PUBLIC_URL="https://app.example.com") as agent:
        started, ended = await secure_login(agent)

    found = [*set_cookies(started).values(), *set_cookies(ended).values()]
    [cookie] = [morsel for morsel in found if morsel.key.startswith(name) and morsel.value]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "Lax", "")


async def test_behind_https_the_cookie_without_its_prefix_opens_nothing() -> None:
    async with run_agent(PUBLIC_URL="https://app.example.com") as agent:
        _, ended = await secure_login(agent)
        cookie = cookie_header(ended)
        browser = await agent.browser()

        right = await browser.call("GET", "/userinfo", Cookie=cookie)
        without_prefix = await browser.call("GET", "/userinfo", Cookie=cookie.removeprefix("__Host-"))

    assert cookie.startswith("__Host-doorward_session=")
    assert (right.status_code, without_prefix.status_code) == (200, 401)


async def test_behind_https_dropped_cookies_are_dropped_with_the_same_attributes() -> None:
    async with run_agent(PUBLIC_URL="https://app.example.com") as agent:
        _, ended = await secure_login(agent)

    [dropped] = [morsel for morsel in set_cookies(ended).values() if not morsel.value]
    assert dropped.key.startswith("__Host-doorward_login_")
    assert dropped["secure"]
    assert (dropped["path"], dropped["max-age"]) == ("/", "0")


async def secure_login(agent: Agent) -> tuple[httpx.Response, httpx.Response]:
    """The answers of start and end; `Secure` cookies are carried by hand, as a browser behind https would."""
    browser = await agent.browser()
    started = await browser.navigate("/login/start")
    callback = agent.issuer.authorize(started.headers["Location"])
    ended = await browser.client.get(
        "/login/end", params=callback, headers={**NAVIGATION, "Cookie": cookie_header(started)}
    )
    assert (ended.status_code, ended.headers["Location"]) == (302, "/")
    return started, ended


@pytest.mark.parametrize(
    ("secret", "method"),
    [
        pytest.param("s+e%c/r:t ü&=", "client_secret_basic", id="basic, with characters that need encoding"),
        pytest.param("s+e%c/r:t ü&=", "client_secret_post", id="post, with characters that need encoding"),
        pytest.param(None, "none", id="public client"),
    ],
)
async def test_the_agent_authenticates_in_the_way_that_is_configured(secret: str | None, method: str) -> None:
    async with (
        FakeIssuer.start(client_id="door ward:ü", client_secret=secret) as issuer,
        run_agent(issuer, OIDC_CLIENT_AUTH=method) as agent,
    ):
        browser = await agent.signed_in()

        assert await is_signed_in(browser)
        assert ("client_secret" in issuer.token_requests[0]) is (method == "client_secret_post")


async def test_a_wrong_client_secret_ends_in_a_failure_and_not_in_a_loop() -> None:
    async with FakeIssuer.start() as issuer, run_agent(issuer, OIDC_CLIENT_SECRET="wrong") as agent:
        browser = await agent.browser()
        first = await browser.log_in(query="?failure=/failed")
        second = await browser.come_back(issuer.authorize(first.headers["Location"]))

        assert second.headers["Location"] == "/failed?error=login_failed"
        assert not await is_signed_in(browser)
