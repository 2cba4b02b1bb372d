"""A page of the app that keeps a WebSocket and an event stream open, and notes what becomes of them."""

from dataclasses import dataclass
from typing import Any, Literal

from playwright.async_api import Page

from tests.e2e.visitor import Visitor
from tests.fakes.waiting import eventually

# A page of the app's origin without a script of its own.
EMPTY_PAGE = "/assets/none"

OPEN_SOCKET = """() => new Promise((resolve) => {
    const seen = window.seen ??= {};
    seen.messages = [];
    const socket = window.socket = new WebSocket(`ws://${location.host}/api/live/socket`, "echo");
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => seen.messages.push(typeof data === "string" ? data : data.byteLength);
    socket.onopen = () => resolve("open");
    socket.onclose = ({ code }) => {
        seen.socketClosedAt = Date.now();
        seen.closeCode = code;
        resolve("refused");
    };
})"""
OPEN_EVENTS = """() => new Promise((resolve) => {
    const seen = window.seen ??= {};
    seen.events = [];
    const events = window.events = new EventSource("/api/live/events");
    events.onmessage = ({ data }) => seen.events.push(data);
    events.onopen = () => resolve("open");
    events.onerror = () => { seen.eventsClosedAt ??= Date.now(); resolve("refused"); };
})"""
LOG_OUT = """async () => {
    const response = await fetch("/logout", { method: "POST" });
    return [response.status, Date.now()];
}"""

What = Literal["socket", "events"]
AT_ONCE_MS = 1000


@dataclass(frozen=True)
class LivePage:
    page: Page

    @classmethod
    async def of(cls, visitor: Visitor) -> "LivePage":
        """A tab of a user who is logged in."""
        return cls(await visitor.open(EMPTY_PAGE))

    async def open_socket(self) -> str:
        """`open` or `refused`."""
        answer: str = await self.page.evaluate(OPEN_SOCKET)
        return answer

    async def open_events(self) -> str:
        answer: str = await self.page.evaluate(OPEN_EVENTS)
        return answer

    async def seen(self) -> dict[str, Any]:
        seen: dict[str, Any] = await self.page.evaluate("window.seen")
        return seen

    async def saw(self, condition: str) -> None:
        """Returns when this JavaScript says so of what was `seen`."""
        # Not Playwright's own waiting: it evaluates a string in the page, which the page's policy forbids.
        await eventually(lambda: self.page.evaluate(f"() => Boolean({condition})"), bool)

    async def closed_at(self, what: What) -> int:
        """The time at which it ended, by the browser's clock."""
        await self.saw(f"seen.{what}ClosedAt")
        time_ms: int = (await self.seen())[f"{what}ClosedAt"]
        return time_ms


async def log_out(page: Page) -> int:
    """As a script of the page does; the time of the answer, by the browser's clock."""
    status, time_ms = await page.evaluate(LOG_OUT)
    assert status == 200
    return int(time_ms)
