"""The pages of the two providers where they differ: a device's code, and the end of a session."""

from playwright.async_api import Page, expect

from tests.e2e.terminal import Asked
from tests.e2e.visitor import sign_in
from tests.fakes.providers import ALICE, ProviderUser


async def enter_code(page: Page, asked: Asked, user: ProviderUser = ALICE) -> None:
    """At the development provider: up to the question whether to allow the device."""
    await page.goto(asked.address)
    await page.get_by_label("Code").fill(asked.code)
    await page.get_by_role("button", name="Continue").click()
    await sign_in(page, user)
    await expect(page.get_by_role("heading", name="Allow this device?")).to_be_visible()
    await expect(page.get_by_text(asked.code)).to_be_visible()


async def allow(page: Page) -> None:
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_role("heading", name="Device connected")).to_be_visible()


async def deny(page: Page) -> None:
    await page.get_by_role("button", name="Deny").click()
    await expect(page.get_by_role("heading", name="Denied")).to_be_visible()


async def allow_at_certified_provider(page: Page, asked: Asked, user: ProviderUser = ALICE) -> None:
    """It compares the code first and asks for the password after that."""
    await page.goto(asked.address)
    await page.get_by_placeholder("Enter code").fill(asked.code)
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("heading", name="Confirm Device")).to_be_visible()
    await expect(page.get_by_text(asked.code)).to_be_visible()
    await page.get_by_role("button", name="Continue").click()
    await sign_in(page, user)
    await expect(page.get_by_role("heading", name="Sign-in Success")).to_be_visible()


async def confirm_sign_out(page: Page) -> None:
    """The certified provider asks in any case."""
    await page.get_by_role("button", name="Yes, sign me out").click()
