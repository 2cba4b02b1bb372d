"""Ends of sessions as all processes announce them, handed to everybody who listens in this one."""

import asyncio
from collections.abc import AsyncIterator

from redis.asyncio.client import PubSub

from bff.session.record import SessionKey
from bff.session.redis_faults import REDIS_FAULTS
from bff.session.redis_link import Link
from bff.session.redis_records import ENDED_CHANNEL

_MOST_UNHEARD = 10_000
_PING_INTERVAL_S = 2.0
_LONGEST_SILENCE_S = 5.0
_RECONNECT_PAUSE_S = 0.25


class Announcements:
    def __init__(self, link: Link) -> None:
        self._link = link
        self._listeners: set[asyncio.Queue[SessionKey]] = set()

    async def heard(self) -> AsyncIterator[SessionKey]:
        """What is announced from now on. A slow listener loses what is beyond its limit, and sweeps."""
        listener: asyncio.Queue[SessionKey] = asyncio.Queue(_MOST_UNHEARD)
        self._listeners.add(listener)
        try:
            while True:
                yield await listener.get()
        finally:
            self._listeners.discard(listener)

    async def keep_listening(self) -> None:
        """Stay subscribed, through whatever happens to the connection. Never returns."""
        while True:
            try:
                await self._listen()
            except REDIS_FAULTS:
                # Whoever asks the store says that it is away. What is announced meanwhile, the sweep finds.
                await asyncio.sleep(_RECONNECT_PAUSE_S)

    async def _listen(self) -> None:
        subscription = await self._link.listener()
        try:
            await subscription.subscribe(ENDED_CHANNEL)
            await self._receive(subscription)
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]

    async def _receive(self, subscription: PubSub) -> None:
        """Until the connection breaks, or not even a ping is answered any more (`TimeoutError`)."""
        async with asyncio.timeout(_LONGEST_SILENCE_S) as silence:
            while True:
                message = await subscription.get_message(timeout=_PING_INTERVAL_S)
                if message is None:
                    await subscription.ping()
                    continue
                silence.reschedule(asyncio.get_running_loop().time() + _LONGEST_SILENCE_S)
                if message["type"] == "message":
                    self._tell(SessionKey(message["data"].decode()))

    def _tell(self, key: SessionKey) -> None:
        for listener in self._listeners:
            if not listener.full():
                listener.put_nowait(key)
