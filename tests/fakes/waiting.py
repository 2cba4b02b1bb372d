"""Waiting for something that another task does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], bool], time_s: float = 5) -> None:
    """Returns when the condition holds; `TimeoutError` when it does not in time."""
    async with asyncio.timeout(time_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to offer
            await asyncio.sleep(0.005)


async def eventually(ask: Callable[[], Awaitable[T]], is_wanted: Callable[[T], bool], time_s: float = 5) -> T:
    """Asks until the answer is a wanted one; `TimeoutError` when none is in time."""
    async with asyncio.timeout(time_s):
        while not is_wanted(answer := await ask()):  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.02)
        return answer
