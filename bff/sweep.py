"""The sweep: ended sessions are removed, and connections that outlived their session are closed."""

import asyncio

from bff.session.sessions import Sessions

# What an ended session still holds open is closed within this time even if no message said so.
SWEEP_INTERVAL_S = 10.0


async def sweep_forever(sessions: Sessions) -> None:
    while True:
        await sessions.remove_ended()
        await asyncio.sleep(SWEEP_INTERVAL_S)
