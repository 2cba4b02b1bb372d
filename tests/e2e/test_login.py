"""A person logs in, uses the page and logs out: in Chromium, through Caddy, at a provider elsewhere."""

import httpx
from playwright.async_api import expect

from tests.e2e.marks import WITH_BROWSER
from tests.e2e.stack import Product
from tests.e2e.visitor import (
    Visitor,
    fetch,
    press_log_in,
    sees_nobody,
    sees_provider,
    sees_user,
    sign_in,
)
from tests.fakes.providers import ALICE

pytestmark = WITH_BROWSER

EVERYTHING_STORED = """async () => [
    document.cookie,
    { ...localStorage },
    { ...sessionStorage },
    await indexedDB.databases(),
    await caches.keys(),
    await navigator.serviceWorker.getRegistrations(),
]"""


async def test_a_login_ends_on_the_page_that_was_asked_for(visitor: Visitor, product: Product) -> None:
    page = await visitor.open("/devices/42?sort=name#last")

    await sees_nobody(page)
    await press_log_in(page)
    await sees_provider(page)
    assert page.url.startswith(product.provider.issuer)

    await sign_in(page, ALICE, password="not-the-password")
    await expect(page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
    await sign_in(page, ALICE)
    await sees_user(page, ALICE)
    await expect(page.get_by_text(ALICE.email)).to_be_visible()
    await expect(page).to_have_url(f"{product.url}/devices/42?sort=name#last")


async def test_the_api_knows_the_user_of_the_page(visitor: Visitor, product: Product) -> None:
    page = await visitor.logged_in(ALICE)
    me = await fetch(page, "/api/v1/users/me")
    userinfo = await fetch(page, "/userinfo")

    assert (me.status, userinfo.status) == (200, 200)
    assert (me.json["issuer"], me.json["subject"]) == (product.provider.issuer, userinfo.json["sub"])
    for answer in (me.json, userinfo.json):
        assert (answer["name"], answer["email"]) == (ALICE.name, ALICE.email)
    await expect(page.get_by_role("region", name="Your tenant").get_by_text("owner")).to_be_visible()


async def test_the_page_holds_no_token_and_cannot_read_the_cookie(visitor: Visitor) -> None:
    page = await visitor.logged_in()
    cookie = await visitor.session_cookie()

    assert await page.evaluate(EVERYTHING_STORED) == ["", {}, {}, [], [], []]
    assert cookie is not None
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    # The one of the login transaction is gone.
    assert len(await visitor.context.cookies(visitor.product.url)) == 1


async def test_the_page_can_refresh_the_access_token(visitor: Visitor) -> None:
    page = await visitor.logged_in()
    before = (await fetch(page, "/claims")).json
    refreshed = await fetch(page, "/refresh", "POST")
    after = (await fetch(page, "/claims")).json

    assert (refreshed.status, refreshed.text) == (204, "")
    assert before["sub"] == after["sub"]
    assert before["jti"] != after["jti"]


async def test_logging_out_ends_the_session_here_and_at_the_provider(
    visitor: Visitor, product: Product, program: httpx.AsyncClient
) -> None:
    page = await visitor.logged_in()
    old_cookie = await visitor.session_cookie_header()
    await page.get_by_role("button", name="Log out").click()

    await sees_nobody(page)
    await expect(page).to_have_url(f"{product.url}/")
    end_session = visitor.asked_for("/end-session")
    assert [request.url.startswith(product.provider.issuer) for request in end_session] == [True]
    assert "id_token_hint=" in end_session[0].url
    assert await visitor.session_cookie() is None

    for path in ("/api/v1/users/me", "/userinfo", "/claims"):
        assert (await program.get(product.url + path, headers=old_cookie)).status_code == 401
    await press_log_in(page)
    await sees_provider(page)


async def test_back_after_logging_out_does_not_show_the_user(visitor: Visitor) -> None:
    page = await visitor.logged_in(path="/first")
    await page.goto(f"{visitor.product.url}/second")
    await sees_user(page)
    await page.get_by_role("button", name="Log out").click()
    await sees_nobody(page)

    for _ in range(2):
        await page.go_back(wait_until="commit")
        await sees_nobody(page)


async def test_a_page_kept_by_the_browser_does_not_show_the_user_after_a_logout(
    visitor: Visitor, product: Product
) -> None:
    """Chromium keeps the page that is left as it was, user and all, and is not told of this logout."""
    page = await visitor.logged_in(path="/first")
    await page.goto(f"{product.url}/logout")
    await sees_nobody(page)

    await page.go_back(wait_until="commit")
    await expect(page).to_have_url(f"{product.url}/first")
    await sees_nobody(page)
