"""The provider comes late, goes and comes back: the product stays, and needs nobody to help it up again."""

from pathlib import Path

import httpx
from playwright.async_api import expect

from tests.e2e.marks import WITH_BROWSER
from tests.e2e.stack import DevelopmentStack, development_stack
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
from tests.fakes.providers import ALICE, log_in

pytestmark = WITH_BROWSER

AWAY = "The login service cannot be reached right now. Please try again in a minute."


async def test_a_product_that_starts_before_its_provider_serves_says_so_and_recovers(
    tmp_path: Path, visitors: Visitors, program: httpx.AsyncClient
) -> None:
    async with development_stack(tmp_path, provider_is_there=False) as stack:
        product = stack.product
        for part in ("web", "device", "apiserver"):
            readiness = await program.get(product.private_url(part, "/readyz"))
            assert readiness.status_code == 503
            assert product.provider.issuer in readiness.json()["faults"]["provider"]
        visitor = await visitors.at(product)
        page = await visitor.open("/here")
        await sees_nobody(page)
        await press_log_in(page)
        await expect(page.get_by_role("heading", name="The login provider is away")).to_be_visible()

        await stack.provider.start()
        await product.gets_ready()
        await page.get_by_role("link", name="Try again").click()
        await sign_in(page)
        await sees_user(page)
        assert (await fetch(page, "/api/v1/users/me")).status == 200
        for log in ("bff-web", "bff-device", "apiserver"):
            assert '"event":"provider_unavailable"' in product.logs()[log]
            assert '"event":"provider_recovered"' in product.logs()[log]
        await visitor.remember_secrets()


async def test_sessions_go_on_while_the_provider_is_away(stack: DevelopmentStack, visitor: Visitor) -> None:
    page = await visitor.logged_in()
    async with stack.provider.away():
        assert (await fetch(page, "/api/v1/users/me")).status == 200
        assert (await fetch(page, "/refresh", "POST")).status == 503
        await page.reload()
        await sees_user(page)
        assert (await fetch(page, "/api/v1/users/me")).status == 200


async def test_logging_out_works_while_the_provider_is_away(
    stack: DevelopmentStack, visitor: Visitor, program: httpx.AsyncClient
) -> None:
    page = await visitor.logged_in()
    old_cookie = await visitor.session_cookie_header()
    async with stack.provider.away():
        answer = await fetch(page, "/logout", "POST")
        replayed = await program.get(f"{stack.product.url}/userinfo", headers=old_cookie)

    assert answer.status == 200
    assert replayed.status_code == 401
    await page.goto(stack.product.url)
    await sees_nobody(page)


async def test_a_login_that_met_a_stopped_provider_works_when_it_is_back(
    stack: DevelopmentStack, visitor: Visitor
) -> None:
    """The agent knows the provider's addresses by then: only the browser finds out that nobody answers."""
    page = await visitor.open("/here")
    async with stack.provider.away(), page.expect_event("requestfailed"):
        await press_log_in(page)
    await page.reload()

    await sees_provider(page)
    await sign_in(page)
    await sees_user(page)
    await expect(page).to_have_url(f"{stack.product.url}/here")


async def test_a_provider_that_goes_away_before_the_code_is_redeemed_fails_that_login_in_a_sentence(
    stack: DevelopmentStack, visitor: Visitor, program: httpx.AsyncClient
) -> None:
    start = f"{stack.product.url}/login/start?redirect=/here&failure=/here"
    callback = await log_in(program, start, ALICE, f"{stack.product.url}/login/end")
    async with stack.provider.away():
        failed = await program.get(callback.headers["Location"])
    page = await visitor.open(failed.headers["Location"])

    await expect(page.get_by_role("alert")).to_have_text(AWAY)
    await press_log_in(page)
    await sign_in(page)
    await sees_user(page)
    await expect(page).to_have_url(f"{stack.product.url}/here")
