"""The sweep: ended sessions are removed, and connections that outlived their session are closed."""

import asyncio
from contextlib import suppress

from bff.session.activity import Activity
from bff.session.sessions import Sessions
from bff.session.store import StoreUnavailableError

# What an ended session still holds open is closed within this time even if no message said so.
SWEEP_INTERVAL_S = 10.0
_ACTIVITY_INTERVAL_S = 1.0


async def sweep_forever(sessions: Sessions) -> None:
    while True:
        with suppress(StoreUnavailableError):  # said by whoever else asks; the next sweep is soon
            await sessions.remove_ended()
        await asyncio.sleep(SWEEP_INTERVAL_S)


async def write_activity_forever(activity: Activity) -> None:
    while True:
        await asyncio.sleep(_ACTIVITY_INTERVAL_S)
        await activity.write()
