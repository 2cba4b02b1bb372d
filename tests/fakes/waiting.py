"""Waiting for something that another task does."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], time_s: float = 5) -> None:
    """Returns when the condition holds; `TimeoutError` when it does not in time."""
    async with asyncio.timeout(time_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to offer
            await asyncio.sleep(0.005)
