"""Logins as people really do them: back button, second tab, double click, bookmark, second thoughts."""

import re

from playwright.async_api import Cookie, expect

from tests.e2e.marks import WITH_BROWSER
from tests.e2e.stack import Product
from tests.e2e.visitor import (
    Visitor,
    Visitors,
    fetch,
    press_log_in,
    sees_nobody,
    sees_provider,
    sees_user,
    sign_in,
)

pytestmark = WITH_BROWSER

SIXTY = 60
LOGIN_COOKIES = re.compile("^doorward_login_")
CANCELLED = "The login was cancelled or refused. Try again, or with another account."


def is_login_cookie(cookie: Cookie) -> bool:
    return LOGIN_COOKIES.match(cookie.get("name", "")) is not None


async def test_back_in_the_middle_of_a_login_and_in_again(visitor: Visitor, product: Product) -> None:
    page = await visitor.open("/here")
    await press_log_in(page)
    await sees_provider(page)
    await page.go_back(wait_until="commit")
    await sees_nobody(page)
    await press_log_in(page)
    await sign_in(page)

    await sees_user(page)
    await expect(page).to_have_url(f"{product.url}/here")


async def test_a_login_that_was_left_by_back_goes_on_after_forward(visitor: Visitor) -> None:
    page = await visitor.open()
    await press_log_in(page)
    await sees_provider(page)
    await page.go_back(wait_until="commit")
    await sees_nobody(page)
    await page.go_forward(wait_until="commit")
    await sign_in(page)

    await sees_user(page)


async def test_two_tabs_log_in_at_the_same_time(visitor: Visitor, product: Product) -> None:
    first, second = await visitor.open("/first"), await visitor.open("/second")
    for page in (first, second):
        await press_log_in(page)
        await sees_provider(page)
    for page in (first, second):
        await sign_in(page)
        await sees_user(page)

    await expect(first).to_have_url(f"{product.url}/first")
    await expect(second).to_have_url(f"{product.url}/second")
    # The second login ended the session of the first: its tab goes on in the new one.
    assert (await fetch(first, "/api/v1/users/me")).status == 200


async def test_of_sixty_tabs_none_ends_on_an_error_page(visitor: Visitor, product: Product) -> None:
    tabs = [await visitor.open(f"/login/start?redirect=/tab-{number}") for number in range(SIXTY)]
    waiting = [cookie for cookie in await visitor.context.cookies(product.url) if is_login_cookie(cookie)]
    newest, oldest = tabs[-1], tabs[0]
    for tab in (newest, oldest):
        await sign_in(tab)
        await sees_user(tab)

    assert len(waiting) == 5
    await expect(newest).to_have_url(f"{product.url}/tab-{SIXTY - 1}")
    await expect(oldest).to_have_url(f"{product.url}/")


async def test_a_double_click_on_log_in_is_one_login(visitor: Visitor) -> None:
    page = await visitor.open()
    await page.get_by_role("button", name="Log in").dblclick()
    await sign_in(page)

    await sees_user(page)


async def test_the_callback_opened_again_goes_into_the_app(visitor: Visitor, product: Product) -> None:
    page = await visitor.logged_in(path="/here")
    cookie = await visitor.session_cookie()
    await page.goto(_callback_of(visitor))

    await sees_user(page)
    await expect(page).to_have_url(f"{product.url}/")
    assert await visitor.session_cookie() == cookie


async def test_the_providers_address_out_of_the_history_goes_into_the_app(
    visitor: Visitor, product: Product
) -> None:
    page = await visitor.logged_in()
    cookie = await visitor.session_cookie()
    await page.goto(visitor.asked_for("/authorize")[0].url)

    await sees_user(page)
    await expect(page).to_have_url(f"{product.url}/")
    assert await visitor.session_cookie() == cookie


async def test_a_bookmarked_callback_starts_the_login_once_more(
    visitor: Visitor, visitors: Visitors, product: Product
) -> None:
    await visitor.logged_in()
    stranger = await visitors.at(product)
    page = await stranger.context.new_page()
    await page.goto(_callback_of(visitor))

    await sees_provider(page)
    await sign_in(page)
    await sees_user(page)
    await expect(page).to_have_url(f"{product.url}/")


async def test_a_browser_that_keeps_no_cookies_is_told_so_and_not_sent_in_circles(
    visitor: Visitor, visitors: Visitors, product: Product
) -> None:
    await visitor.logged_in()
    stranger = await visitors.at(product)
    page = await stranger.context.new_page()
    await page.goto(_callback_of(visitor))
    await sees_provider(page)
    await stranger.context.clear_cookies(name=LOGIN_COOKIES)
    await sign_in(page)

    await expect(page.get_by_role("heading", name="The login did not succeed")).to_be_visible()
    await expect(page.get_by_text("Allow cookies for this site.")).to_be_visible()
    await page.get_by_role("link", name="Try again").click()
    await sees_user(page)


async def test_a_cancelled_login_is_told_once_on_the_page_it_started_from(
    visitor: Visitor, product: Product
) -> None:
    page = await visitor.open("/here?sort=name")
    await press_log_in(page)
    await page.get_by_role("button", name="Cancel").click()

    await expect(page.get_by_role("alert")).to_have_text(CANCELLED)
    await sees_nobody(page)
    await expect(page).to_have_url(f"{product.url}/here")
    await page.reload()
    await sees_nobody(page)
    await expect(page.get_by_role("alert")).to_have_count(0)
    await press_log_in(page)
    await sign_in(page)
    await sees_user(page)


async def test_a_login_that_is_cancelled_without_a_page_to_return_to_shows_the_way_on(
    visitor: Visitor,
) -> None:
    page = await visitor.open("/login/start")
    await page.get_by_role("button", name="Cancel").click()

    await expect(page.get_by_role("heading", name="The login did not succeed")).to_be_visible()
    await page.get_by_role("link", name="Try again").click()
    await sign_in(page)
    await sees_user(page)


async def test_a_login_link_that_would_lead_elsewhere_ends_here(visitor: Visitor, product: Product) -> None:
    page = await visitor.open("/login/start?redirect=//elsewhere.example")

    await expect(page.get_by_role("heading", name="The return address is not allowed")).to_be_visible()
    await page.get_by_role("link", name="Back to the start").click()
    await sees_nobody(page)
    await expect(page).to_have_url(f"{product.url}/")


def _callback_of(visitor: Visitor) -> str:
    """The address that the provider sent this visitor to, code and all."""
    return visitor.asked_for("/login/end")[0].url
