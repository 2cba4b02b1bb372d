"""Waiting until a part answers."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import ClientError, ClientSession, ClientTimeout

PAUSE_S = 0.05
ASK_TIMEOUT_S = 5.0

Pause = Callable[[float], Awaitable[None]]


async def answers(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url, timeout=ClientTimeout(total=ASK_TIMEOUT_S)) as response:
            return response.status == HTTPStatus.OK
    except (ClientError, TimeoutError):
        return False


async def wait_until_it_answers(session: ClientSession, url: str, pause: Pause = asyncio.sleep) -> None:
    """Ask again and again until it says 200. How long is too long, the caller decides."""
    while not await answers(session, url):
        await pause(PAUSE_S)
