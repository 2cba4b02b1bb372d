"""What the logs hold after logins of both kinds. The same is looked at once more when all tests are over."""

from pathlib import Path

from tests.e2e.marks import WITH_BROWSER
from tests.e2e.provider_pages import allow, enter_code
from tests.e2e.stack import Product
from tests.e2e.terminal import Terminal
from tests.e2e.visitor import Visitor, fetch, press_log_in, sees_nobody, sees_user

pytestmark = WITH_BROWSER

EVERY_KIND = {
    "access token",
    "code",
    "id_token_hint",
    "login cookie",
    "logout ticket",
    "nonce",
    "password",
    "provider's cookie",
    "refresh token",
    "server key",
    "session cookie",
    "state",
    "user code",
}


async def test_no_log_holds_a_secret(visitor: Visitor, product: Product, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, product)
    async with terminal.login() as login:
        page = await visitor.context.new_page()
        await enter_code(page, await login.asked())
        await allow(page)
        await login.ended()
    page = await visitor.open()
    await press_log_in(page)
    await sees_user(page)
    await fetch(page, "/refresh", "POST")
    await page.goto(visitor.asked_for("/login/end")[0].url)
    await sees_user(page)
    await terminal.access_token()
    await page.get_by_role("button", name="Log out").click()
    await sees_nobody(page)
    await terminal.run("logout")
    await visitor.remember_secrets()
    product.remember_kept_secrets()

    assert product.secrets.kinds >= EVERY_KIND
    assert product.secrets.leaks(product.logs()) == []
    # There is something to look at: all that was asked for above left its line.
    assert '"route":"/login/end"' in product.logs()["bff-web"]
    assert '"uri":"/login/end"' in product.logs()["caddy"]
