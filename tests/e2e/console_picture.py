"""`python -m tests.e2e.console_picture`: makes docs/images/console.png, the console of a signed-in user.

Not a test: run it when the console looks different. It needs port 8080, whose address is in the picture.
"""

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import async_playwright

from deploy.demo.parts import ROOT
from deploy.testing.parts import chromium
from tests.e2e.stack import development_stack
from tests.e2e.visitor import Visitor

PICTURE = ROOT / "docs" / "images" / "console.png"
WIDTH, HEIGHT = 1200, 800
PORT = 8080


async def take_picture() -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = await stack.enter_async_context(development_stack(folder, port=PORT))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = await browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce"
        )
        page = await Visitor(context, running.product).logged_in()
        await page.get_by_text("owner").wait_for()
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=PICTURE)
        await browser.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(take_picture()))
