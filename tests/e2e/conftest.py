"""One Chromium and one product for all end-to-end tests; a browser without a past for each."""

from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from deploy.testing.parts import chromium as path_of_chromium
from tests.e2e.stack import DevelopmentStack, Product, certified_stack, development_stack
from tests.e2e.visitor import SEEN_WITHIN_MS, Visitor, Visitors

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # for root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No page reaches out, even where there is a network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
# The browsers of people keep the page that they leave, and show it on "back" as it was.
NOT_LIKE_PEOPLE = ["--disable-back-forward-cache"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    expect.set_options(timeout=SEEN_WITHIN_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path_of_chromium(),
            args=CHROMIUM_ARGUMENTS,
            ignore_default_args=NOT_LIKE_PEOPLE,
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevelopmentStack]:
    async with development_stack(tmp_path_factory.mktemp("product")) as stack:
        yield stack


@pytest.fixture(scope="session")
def product(stack: DevelopmentStack) -> Product:
    return stack.product


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def certified_product(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    async with certified_stack(tmp_path_factory.mktemp("certified")) as product:
        yield product


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(chromium: Browser) -> AsyncIterator[Visitors]:
    async with AsyncExitStack() as stack:
        yield Visitors(chromium, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(visitors: Visitors, product: Product) -> Visitor:
    return await visitors.at(product)


@pytest_asyncio.fixture(loop_scope="session")
async def program() -> AsyncIterator[httpx.AsyncClient]:
    """Not a browser: it keeps no cookies and follows no redirects."""
    async with httpx.AsyncClient(verify=False) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        products = [value for value in item.funcargs.values() if isinstance(value, Product)]
        report.sections += [(f"logs of {product.url}", product.last_words()) for product in products]
    return report
