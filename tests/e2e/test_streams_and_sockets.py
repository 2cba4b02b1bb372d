"""What stays open: WebSockets and event streams through Caddy and the agent, until their session ends."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.live_page import AT_ONCE_MS, LivePage, log_out
from tests.e2e.live_service import LiveService, live_service, routes_of
from tests.e2e.marks import WITH_BROWSER
from tests.e2e.other_site import other_site
from tests.e2e.stack import Product, development_stack
from tests.e2e.visitor import Visitor, Visitors, fetch, sees_user
from tests.fakes.waiting import until

pytestmark = WITH_BROWSER

UPLOAD = """async (length) => {
    const body = new Uint8Array(length);
    for (let at = 0; at < length; at += 65536) crypto.getRandomValues(body.subarray(at, at + 65536));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
    const response = await fetch("/api/live/upload", { method: "POST", body });
    const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return [response.status, sha256, await response.json()];
}"""
TRY_SOCKET = """(address) => new Promise((resolve) => {
    const socket = new WebSocket(address, "echo");
    socket.onopen = () => resolve("open");
    socket.onclose = () => resolve("refused");
})"""
TRY_EVENTS = """(address) => new Promise((resolve) => {
    const events = new EventSource(address, { withCredentials: true });
    events.onopen = () => resolve("open");
    events.onerror = () => { events.close(); resolve("refused"); };
})"""


@dataclass(frozen=True)
class LiveProduct:
    product: Product
    service: LiveService


@asynccontextmanager
async def live_product(folder: Path, data_plane: str) -> AsyncIterator[LiveProduct]:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(live_service())
        routes = folder / "routes.toml"
        routes.write_text(routes_of(service))
        settings = {"ROUTES": str(routes), "DATA_PLANE": data_plane}
        running = await stack.enter_async_context(development_stack(folder / "product", web_agent=settings))
        yield LiveProduct(running.product, service)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def protocols(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveProduct]:
    async with live_product(tmp_path_factory.mktemp("protocols"), "protocols") as live:
        yield live


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def over_aiohttp(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveProduct]:
    async with live_product(tmp_path_factory.mktemp("aiohttp"), "aiohttp") as live:
        yield live


@pytest.fixture(params=["protocols", "over_aiohttp"])
def either(request: pytest.FixtureRequest) -> LiveProduct:
    live: LiveProduct = request.getfixturevalue(request.param)
    return live


async def test_a_page_and_a_service_talk_over_a_websocket(protocols: LiveProduct, visitors: Visitors) -> None:
    _, live = await signed_in(protocols, visitors)

    assert await live.open_socket() == "open"
    await live.page.evaluate("socket.send('one'); socket.send('two'); socket.send(new Uint8Array(1_000_000))")

    await live.saw("seen.messages.length === 3")
    assert (await live.seen())["messages"] == ["heard one", "heard two", 1_000_000]
    assert await live.page.evaluate("socket.protocol") == "echo"
    await live.page.evaluate("socket.send('bye')")
    await live.saw("seen.socketClosedAt")
    assert (await live.seen())["closeCode"] == 4001
    await until(lambda: protocols.service.is_idle)


async def test_events_come_in_as_they_happen(either: LiveProduct, visitors: Visitors) -> None:
    _, live = await signed_in(either, visitors)
    assert await live.open_events() == "open"

    for text in ("first", "second"):
        either.service.tell(text)
        await live.saw(f"seen.events.at(-1) === '{text}'")

    assert (await live.seen())["events"] == ["first", "second"]


async def test_a_page_that_stops_listening_leaves_nothing_open_behind(
    either: LiveProduct, visitors: Visitors
) -> None:
    """Although neither side says a word."""
    _, live = await signed_in(either, visitors)
    assert await live.open_events() == "open"
    assert not either.service.is_idle
    await live.page.evaluate("events.close()")

    await until(lambda: either.service.is_idle)


async def test_a_logout_in_another_tab_ends_both_within_a_second(
    protocols: LiveProduct, visitors: Visitors
) -> None:
    other_tab, live = await signed_in(protocols, visitors)
    assert (await live.open_socket(), await live.open_events()) == ("open", "open")
    logged_out_at = await log_out(other_tab)

    assert await live.closed_at("socket") - logged_out_at < AT_ONCE_MS
    assert await live.closed_at("events") - logged_out_at < AT_ONCE_MS
    assert (await live.seen())["closeCode"] == 1006
    await until(lambda: protocols.service.is_idle)
    await stays_out(live)


async def test_a_logout_ends_the_events_of_the_form_to_fall_back_on_as_well(
    over_aiohttp: LiveProduct, visitors: Visitors
) -> None:
    other_tab, live = await signed_in(over_aiohttp, visitors)
    assert await live.open_events() == "open"
    logged_out_at = await log_out(other_tab)

    assert await live.closed_at("events") - logged_out_at < AT_ONCE_MS
    await until(lambda: over_aiohttp.service.is_idle)


async def test_a_logout_at_the_provider_ends_both_within_a_second(
    protocols: LiveProduct, visitors: Visitors
) -> None:
    """A back-channel logout: the provider tells the agent, and the browser hears of it by this alone."""
    other_tab, live = await signed_in(protocols, visitors)
    assert (await live.open_socket(), await live.open_events()) == ("open", "open")
    await other_tab.goto(f"{protocols.product.provider.issuer}/end-session")
    await other_tab.get_by_role("button", name="Sign out").click()
    await expect(other_tab.get_by_role("heading", name="Signed out")).to_be_visible()
    signed_out_at = await other_tab.evaluate("Date.now()")

    assert await live.closed_at("socket") - signed_out_at < AT_ONCE_MS
    assert await live.closed_at("events") - signed_out_at < AT_ONCE_MS
    await until(lambda: protocols.service.is_idle)
    await stays_out(live)


async def test_the_end_of_one_session_leaves_those_of_others_open(
    protocols: LiveProduct, visitors: Visitors
) -> None:
    other_tab, live = await signed_in(protocols, visitors)
    _, neighbour = await signed_in(protocols, visitors)
    for page in (live, neighbour):
        assert (await page.open_socket(), await page.open_events()) == ("open", "open")
    await log_out(other_tab)
    await live.closed_at("events")
    await neighbour.page.evaluate("socket.send('still here')")
    protocols.service.tell("go on")

    await neighbour.saw("seen.messages.at(-1) === 'heard still here' && seen.events.at(-1) === 'go on'")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_page_of_another_origin_opens_neither(
    host: str, protocols: LiveProduct, visitors: Visitors
) -> None:
    """`localhost` is the same site, so the cookie comes along; a WebSocket asks no preflight."""
    own, live = await signed_in(protocols, visitors)
    door = protocols.product.url.removeprefix("http://")
    async with other_site() as site:
        lured = await own.context.new_page()
        await lured.goto(site.address(host))

        assert await lured.evaluate(TRY_SOCKET, f"ws://{door}/api/live/socket") == "refused"
        assert protocols.service.sockets == set()
        assert await lured.evaluate(TRY_EVENTS, f"http://{door}/api/live/events") == "refused"
    assert await live.open_socket() == "open"


async def test_without_a_session_neither_opens(protocols: LiveProduct, visitors: Visitors) -> None:
    visitor = await visitors.at(protocols.product)
    live = await LivePage.of(visitor)

    assert (await live.open_socket(), await live.open_events()) == ("refused", "refused")


async def test_the_form_to_fall_back_on_refuses_websockets_and_stays_as_it_was(
    over_aiohttp: LiveProduct, visitors: Visitors
) -> None:
    own, live = await signed_in(over_aiohttp, visitors)

    assert await live.open_socket() == "refused"
    assert (await fetch(own, "/api/v1/users/me")).status == 200
    assert await live.open_events() == "open"


async def test_an_upload_of_some_megabytes_arrives_as_it_was(either: LiveProduct, visitors: Visitors) -> None:
    own, _ = await signed_in(either, visitors)
    length = 8 * 1024 * 1024

    status, sha256, arrived = await own.evaluate(UPLOAD, length)

    assert status == 200
    assert arrived == {"length": length, "sha256": sha256}


async def signed_in(live: LiveProduct, visitors: Visitors) -> tuple[Page, LivePage]:
    """Two tabs of one browser: the app, and a page that keeps things open."""
    visitor: Visitor = await visitors.at(live.product)
    own = await visitor.logged_in()
    await sees_user(own)
    return own, await LivePage.of(visitor)


async def stays_out(live: LivePage) -> None:
    """The browser asks for the events again by itself, is refused, and gives up."""
    await live.saw("events.readyState === EventSource.CLOSED")
    assert await live.open_socket() == "refused"
