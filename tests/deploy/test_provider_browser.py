"""The development provider's pages in a real browser: what only a browser enforces."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright

from deploy.testing.parts import chromium
from tests.fakes.oauth_client import client_of
from tests.fakes.providers import ALICE, development_provider

pytestmark = pytest.mark.browser

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


@asynccontextmanager
async def a_page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        yield await browser.new_page()
        await browser.close()


@asynccontextmanager
async def an_app(host: str, path: str, answer: web.Response) -> AsyncIterator[str]:
    """An application of one page on another site than the provider's; its address."""

    async def handle(_request: web.Request) -> web.Response:
        return answer

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server(("::1" if ":" in host else "127.0.0.1", 0), family=family) as listener:
        app = web.Application()
        app.add_routes([web.get(path, handle)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield f"http://{host}:{listener.getsockname()[1]}{path}"
        await runner.cleanup()


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
async def test_a_login_leads_through_the_client_to_wherever_it_sends_its_user(host: str) -> None:
    arrived = web.Response(text="<h1>Arrived</h1>", content_type="text/html")
    async with an_app(host, "/home", arrived) as home:
        onward = web.Response(status=302, headers={"Location": home})
        async with (
            an_app(host, "/login/end", onward) as redirect_uri,
            development_provider([redirect_uri]) as provider,
            client_of(provider) as client,
            a_page() as page,
        ):
            await page.goto(client.authorization_url(redirect_uri=redirect_uri))
            await page.get_by_label("User name").fill(ALICE.username)
            await page.get_by_label("Password").fill("wrong")
            await page.get_by_role("button", name="Sign in").click()
            complaint = await page.get_by_role("alert").text_content()
            await page.get_by_label("Password").fill(ALICE.password)
            await page.get_by_role("button", name="Sign in").click()
            heading = await page.get_by_role("heading", name="Arrived").text_content(timeout=5000)

            assert complaint == "The user name or the password is wrong."
            assert heading == "Arrived"
            assert page.url == home


async def test_a_device_is_allowed_with_the_keyboard_alone() -> None:
    async with (
        development_provider(["http://localhost:9/login/end"]) as provider,
        client_of(provider) as client,
        a_page() as page,
    ):
        device = (await client.start_device()).json()
        await page.goto(device["verification_uri"])
        await page.locator("input:focus").wait_for()
        await page.keyboard.type(device["user_code"].lower())
        await page.keyboard.press("Enter")
        await page.locator("input[name=username]:focus").wait_for()
        await page.keyboard.type(ALICE.username)
        await page.keyboard.press("Tab")
        await page.keyboard.type(ALICE.password)
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Allow").press("Enter")
        await page.get_by_role("heading", name="Device connected").wait_for()

        assert (await client.poll_device(device["device_code"])).status_code == 200
