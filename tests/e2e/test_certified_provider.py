"""The same logins at a provider that is not ours: npm oidc-provider, certified, signing with RSA."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from cli.errors import ExitCode
from tests.e2e.marks import WITH_BROWSER
from tests.e2e.provider_pages import allow_at_certified_provider, confirm_sign_out
from tests.e2e.stack import Product
from tests.e2e.terminal import Terminal
from tests.e2e.visitor import Visitors, fetch, press_log_in, sees_nobody, sees_provider
from tests.fakes.providers import ALICE

pytestmark = [*WITH_BROWSER, pytest.mark.node]


async def test_a_browser_logs_in_calls_the_api_refreshes_and_logs_out(
    visitors: Visitors, certified_product: Product, program: httpx.AsyncClient
) -> None:
    visitor = await visitors.at(certified_product)
    page = await visitor.logged_in(ALICE, "/here")
    await expect(page).to_have_url(f"{certified_product.url}/here")
    me = await fetch(page, "/api/v1/users/me")
    before = (await fetch(page, "/claims")).json
    refreshed = await fetch(page, "/refresh", "POST")
    after = (await fetch(page, "/claims")).json
    old_cookie = await visitor.session_cookie_header()

    assert (me.status, refreshed.status) == (200, 204)
    assert (me.json["issuer"], me.json["subject"]) == (certified_product.provider.issuer, ALICE.username)
    assert before["jti"] != after["jti"]

    await page.get_by_role("button", name="Log out").click()
    await confirm_sign_out(page)
    await sees_nobody(page)
    replayed = await program.get(f"{certified_product.url}/api/v1/users/me", headers=old_cookie)
    assert replayed.status_code == 401
    await press_log_in(page)
    await sees_provider(page)


async def test_a_terminal_logs_in_and_out(
    visitors: Visitors, certified_product: Product, program: httpx.AsyncClient, tmp_path: Path
) -> None:
    visitor = await visitors.at(certified_product)
    terminal = Terminal(tmp_path, certified_product)
    async with terminal.login() as login:
        page = await visitor.context.new_page()
        await allow_at_certified_provider(page, await login.asked())
        finished = await login.ended()
    assert finished.exit_code == ExitCode.SUCCESS, finished.screen
    assert f"Logged in to {certified_product.url} as {ALICE.username}." in finished.screen

    page = await visitor.open()
    await press_log_in(page)
    await page.get_by_role("button", name="Log out").wait_for()
    with_cookie = await fetch(page, "/api/v1/users/me")
    whoami = await terminal.run("whoami", "--json")
    bearer = {"Authorization": f"Bearer {await terminal.access_token()}"}
    with_bearer = await program.get(f"{certified_product.url}/api/v1/users/me", headers=bearer)
    logout = await terminal.run("logout")

    assert with_cookie.json == with_bearer.json() == json.loads(whoami.screen)
    assert with_cookie.json["subject"] == ALICE.username
    assert logout.exit_code == ExitCode.SUCCESS
    assert (await terminal.run("whoami")).exit_code == ExitCode.NOT_LOGGED_IN
