"""A person with a browser of their own: what they see and do, in the words of the pages."""

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Cookie, Page, Request, Response, expect

from tests.e2e.stack import Product
from tests.fakes.providers import ALICE, ProviderUser

SESSION_COOKIE = "doorward_session"
SEEN_WITHIN_MS = 15_000


@dataclass(frozen=True)
class Answer:
    """What a script of the page got."""

    status: int
    text: str

    @property
    def json(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.text)
        return fields


@dataclass
class Visitor:
    """One browser context, and all that went over its wire."""

    context: BrowserContext
    product: Product
    requests: list[Request] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.on("request", self._note_request)
        self.context.on("response", self._note_response)

    async def open(self, path: str = "/") -> Page:
        """A new tab of the app."""
        page = await self.context.new_page()
        await page.goto(self.product.url + path)
        return page

    async def logged_in(self, user: ProviderUser = ALICE, path: str = "/") -> Page:
        """A new tab in which this user has logged in."""
        page = await self.open(path)
        await press_log_in(page)
        await sign_in(page, user)
        await sees_user(page, user)
        return page

    async def session_cookie(self) -> Cookie | None:
        cookies = await self.context.cookies(self.product.url)
        return next((cookie for cookie in cookies if cookie.get("name") == SESSION_COOKIE), None)

    async def session_cookie_header(self) -> dict[str, str]:
        """The cookie as somebody who has stolen it would send it."""
        cookie = await self.session_cookie()
        assert cookie is not None
        return {"Cookie": f"{SESSION_COOKIE}={cookie['value']}"}

    def asked_for(self, path: str) -> list[Request]:
        """The requests for this path, of the app or of the provider."""
        return [request for request in self.requests if urlsplit(request.url).path == path]

    def _note_request(self, request: Request) -> None:
        self.requests.append(request)

    def _note_response(self, response: Response) -> None:
        self.responses.append(response)

    async def remember_secrets(self) -> None:
        for request in self.requests:
            self.product.secrets.add_url(request.url)
        for response in self.responses:
            for header in await response.header_values("set-cookie"):
                self.product.secrets.add_set_cookie(header)


@dataclass(frozen=True)
class Visitors:
    """Gives out browsers without a past; `stack` closes them."""

    chromium: Browser
    stack: AsyncExitStack

    async def at(self, product: Product) -> Visitor:
        context = await self.stack.enter_async_context(
            await self.chromium.new_context(reduced_motion="reduce")
        )
        context.set_default_timeout(SEEN_WITHIN_MS)
        visitor = Visitor(context, product)
        self.stack.push_async_callback(visitor.remember_secrets)
        return visitor


async def press_log_in(page: Page) -> None:
    await page.get_by_role("button", name="Log in").click()


async def sign_in(page: Page, user: ProviderUser = ALICE, *, password: str | None = None) -> None:
    """Fill in the provider's login page."""
    await page.get_by_label("User name").fill(user.username)
    await page.get_by_label("Password").fill(user.password if password is None else password)
    await page.get_by_role("button", name="Sign in").click()


async def sees_user(page: Page, user: ProviderUser = ALICE) -> None:
    await expect(page.get_by_role("heading", level=1, name=user.name, exact=True)).to_be_visible()


async def sees_nobody(page: Page) -> None:
    """The page is there, offers a login, and says nothing about any user."""
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    for user in (ALICE.name, ALICE.email):
        await expect(page.get_by_text(user)).to_have_count(0)


async def sees_provider(page: Page) -> None:
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.get_by_label("Password")).to_be_empty()


async def fetch(page: Page, path: str, method: str = "GET") -> Answer:
    """What a script of the page gets."""
    status, text = await page.evaluate(
        """async ([path, method]) => {
            const response = await fetch(path, { method });
            return [response.status, await response.text()];
        }""",
        [path, method],
    )
    return Answer(status, text)
