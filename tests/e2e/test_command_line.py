"""`doorward` in a real terminal, its code approved in Chromium."""

import json
import stat
from pathlib import Path

import httpx
import pytest

from cli.errors import ExitCode
from tests.e2e.marks import WITH_BROWSER
from tests.e2e.provider_pages import allow, deny, enter_code
from tests.e2e.stack import Product
from tests.e2e.terminal import Terminal
from tests.e2e.visitor import Visitor, fetch, press_log_in, sees_user
from tests.fakes.providers import ALICE

pytestmark = WITH_BROWSER


@pytest.fixture
def terminal(tmp_path: Path, product: Product) -> Terminal:
    return Terminal(tmp_path, product)


async def _log_in(terminal: Terminal, visitor: Visitor) -> None:
    async with terminal.login() as login:
        page = await visitor.context.new_page()
        await enter_code(page, await login.asked())
        await allow(page)
        assert (await login.ended()).exit_code == ExitCode.SUCCESS


async def test_a_login_in_a_terminal_is_confirmed_in_a_browser(
    terminal: Terminal, visitor: Visitor, product: Product
) -> None:
    async with terminal.login() as login:
        page = await visitor.context.new_page()
        asked = await login.asked()
        await enter_code(page, asked)
        await allow(page)
        finished = await login.ended()

    assert asked.address == f"{product.provider.issuer}/device"
    assert finished.exit_code == ExitCode.SUCCESS
    assert f"Logged in to {product.url} as {ALICE.name}." in finished.screen
    assert stat.S_IMODE(terminal.credentials.stat().st_mode) == 0o600


async def test_page_and_terminal_are_the_same_user_to_the_api(
    terminal: Terminal, visitor: Visitor, product: Product, program: httpx.AsyncClient
) -> None:
    await _log_in(terminal, visitor)
    page = await visitor.open()
    await press_log_in(page)  # without a password: the provider knows this browser by now
    await sees_user(page)
    with_cookie = (await fetch(page, "/api/v1/users/me")).json
    whoami = await terminal.run("whoami", "--json")
    bearer = {"Authorization": f"Bearer {await terminal.access_token()}"}
    with_bearer = await program.get(f"{product.url}/api/v1/users/me", headers=bearer)

    assert with_bearer.status_code == 200
    assert with_cookie == with_bearer.json() == json.loads(whoami.screen)
    assert with_cookie["issuer"] == product.provider.issuer
    userinfo = (await fetch(page, "/userinfo")).json
    assert (userinfo["sub"], userinfo["name"]) == (with_cookie["subject"], ALICE.name)


async def test_the_terminal_stays_logged_in_when_the_browser_logs_out(
    terminal: Terminal, visitor: Visitor
) -> None:
    await _log_in(terminal, visitor)
    page = await visitor.open()
    await press_log_in(page)
    await page.get_by_role("button", name="Log out").click()
    await page.get_by_role("button", name="Log in").wait_for()
    whoami = await terminal.run("whoami")

    assert whoami.exit_code == ExitCode.SUCCESS
    assert "owner" in whoami.screen


async def test_logging_out_in_the_terminal_leaves_nothing_to_use(
    terminal: Terminal, visitor: Visitor, product: Product, program: httpx.AsyncClient
) -> None:
    await _log_in(terminal, visitor)
    copied = terminal.refresh_token()
    logout = await terminal.run("logout")
    afterwards = [await terminal.run(command) for command in ("whoami", "token")]
    refused = await program.post(
        f"{product.provider.issuer}/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": copied,
            "client_id": product.provider.cli_client_id,
        },
    )

    assert (logout.exit_code, logout.screen.strip()) == (0, f"Logged out of {product.url}.")
    assert [finished.exit_code for finished in afterwards] == [ExitCode.NOT_LOGGED_IN] * 2
    assert all("doorward login" in finished.screen for finished in afterwards)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert copied not in terminal.credentials.read_text()


async def test_a_login_that_is_denied_in_the_browser_ends_in_the_terminal(
    terminal: Terminal, visitor: Visitor
) -> None:
    async with terminal.login() as login:
        page = await visitor.context.new_page()
        await enter_code(page, await login.asked())
        await deny(page)
        finished = await login.ended()

    assert finished.exit_code == ExitCode.ERROR
    assert "The login was denied." in finished.screen
    assert not terminal.credentials.exists()
