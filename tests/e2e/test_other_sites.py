"""What a page of another site tries with the cookie of a user who is logged in. Nothing comes of it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, expect

from tests.e2e.marks import WITH_BROWSER
from tests.e2e.other_site import OtherSite, other_site
from tests.e2e.stack import Product
from tests.e2e.visitor import SESSION_COOKIE, Visitor, fetch, sees_user

pytestmark = WITH_BROWSER

CROSS_SITE, SAME_SITE = "127.0.0.1", "localhost"
WRITES = ("/logout", "/refresh", "/api/v1/users/me")
READS = ("/userinfo", "/claims", "/session", "/api/v1/users/me", "/login/start")

TRY_WRITE = """async ([target, mode, headers]) => {
    try {
        const response = await fetch(target, { method: "POST", mode, credentials: "include", headers });
        return response.type;
    } catch {
        return "refused";
    }
}"""
TRY_READ = """async (target) => {
    try {
        return await (await fetch(target, { credentials: "include" })).text();
    } catch {
        return "refused";
    }
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[OtherSite]:
    async with other_site() as site:
        yield site


class Victim:
    """A user who is logged in, and a tab of theirs on the other site."""

    def __init__(self, visitor: Visitor, own: Page, token_id: str, lured: Page) -> None:
        self.visitor = visitor
        self.lured = lured
        self._own = own
        self._token_id = token_id

    @classmethod
    async def of(cls, visitor: Visitor) -> "Victim":
        own = await visitor.logged_in()
        token_id = (await fetch(own, "/claims")).json["jti"]
        return cls(visitor, own, token_id, await visitor.context.new_page())

    async def notices_nothing(self) -> None:
        """Still logged in, in the same session, and nothing was refreshed."""
        claims = await fetch(self._own, "/claims")
        await self._own.reload()

        await sees_user(self._own)
        assert (claims.status, claims.json["jti"]) == (200, self._token_id)


@pytest_asyncio.fixture(loop_scope="session")
async def victim(visitor: Visitor) -> Victim:
    return await Victim.of(visitor)


async def test_forms_of_another_site_are_sent_without_the_cookie(
    victim: Victim, site: OtherSite, product: Product
) -> None:
    for path in WRITES:
        status, request = await _press_form(victim.lured, site, CROSS_SITE, product.url + path)
        assert status == (403 if path == "/logout" else 401)
        assert not await _carries_session(request)
    await victim.notices_nothing()


async def test_forms_of_another_origin_on_this_site_are_refused_although_they_bring_the_cookie(
    victim: Victim, site: OtherSite, product: Product
) -> None:
    """Cookies know no ports: another project on localhost, or a neighbour's subdomain, is the same site."""
    for path in WRITES:
        status, request = await _press_form(victim.lured, site, SAME_SITE, product.url + path)
        assert status == 403
        assert await _carries_session(request)
    await victim.notices_nothing()


@pytest.mark.parametrize("host", [CROSS_SITE, SAME_SITE])
async def test_scripts_of_another_origin_write_nothing(
    host: str, victim: Victim, site: OtherSite, product: Product
) -> None:
    await victim.lured.goto(site.address(host))

    for target in (product.url + path for path in WRITES):
        assert await victim.lured.evaluate(TRY_WRITE, [target, "no-cors", {}]) == "opaque"
        assert await victim.lured.evaluate(TRY_WRITE, [target, "cors", {}]) == "refused"
        assert await victim.lured.evaluate(TRY_WRITE, [target, "cors", {"X-CSRF": "1"}]) == "refused"
    await victim.notices_nothing()


@pytest.mark.parametrize("host", [CROSS_SITE, SAME_SITE])
async def test_scripts_of_another_origin_read_nothing(
    host: str, victim: Victim, site: OtherSite, product: Product
) -> None:
    await victim.lured.goto(site.address(host))

    for path in READS:
        assert await victim.lured.evaluate(TRY_READ, product.url + path) == "refused"


@pytest.mark.parametrize("host", [CROSS_SITE, SAME_SITE])
async def test_an_image_of_the_logout_logs_nobody_out(
    host: str, victim: Victim, site: OtherSite, product: Product
) -> None:
    site.page = f'<img src="{product.url}/logout" alt="A prize">'
    # It has come back, and is no image.
    async with victim.lured.expect_event("requestfailed") as request:
        await victim.lured.goto(site.address(host))

    assert (await request.value).url == f"{product.url}/logout"
    await victim.notices_nothing()


async def test_a_link_to_the_logout_logs_nobody_out(
    victim: Victim, site: OtherSite, product: Product
) -> None:
    """The one case in which a Lax cookie comes along from another site."""
    site.page = f'<a href="{product.url}/logout">Take your prize</a>'
    await victim.lured.goto(site.address(CROSS_SITE))
    await victim.lured.get_by_role("link").click()

    await expect(
        victim.lured.get_by_role("heading", name="The request came from another site")
    ).to_be_visible()
    assert await _carries_session(victim.visitor.asked_for("/logout")[-1])
    await victim.notices_nothing()


@pytest.mark.parametrize("host", [CROSS_SITE, SAME_SITE])
async def test_no_page_of_ours_is_shown_in_a_frame(
    host: str, victim: Victim, site: OtherSite, product: Product
) -> None:
    for path in ("/", "/login/start?redirect=//elsewhere.example", "/assets/none"):
        site.page = f'<iframe src="{product.url}{path}" title="A prize"></iframe>'
        async with victim.lured.expect_console_message(lambda said: "frame-ancestors" in said.text):
            await victim.lured.goto(site.address(host))

        assert not any(frame.url.startswith(product.url) for frame in victim.lured.frames)


async def _press_form(page: Page, site: OtherSite, host: str, target: str) -> tuple[int, Request]:
    """Status and request of what a form on the other site sends to `target`."""
    site.page = f'<form method="post" action="{target}"><button>Take your prize</button></form>'
    await page.goto(site.address(host))
    async with page.expect_response(target) as response:
        await page.get_by_role("button").click()
    answer = await response.value
    return answer.status, answer.request


async def _carries_session(request: Request) -> bool:
    return SESSION_COOKIE in (await request.header_value("cookie") or "")
