"""A subscription whose connection died without a word is noticed and renewed."""

import asyncio
import time

from bff.session.record import SessionKey
from bff.session.redis_records import ENDED_CHANNEL
from bff.session.redis_store import RedisSessionStore
from tests.bff.redis_stores import opened_store
from tests.fakes.redis_servers import RedisServer, RedisServers
from tests.fakes.relay import Relay
from tests.fakes.waiting import until

SILENCE_S, NEW_CONNECTION_S = 5, 1


class Listener:
    """What a store hears of ends, told in the order in which it hears it."""

    def __init__(self, store: RedisSessionStore) -> None:
        self.heard: list[SessionKey] = []
        self._store = store

    async def listen(self) -> None:
        async for key in self._store.ended():
            self.heard.append(key)


def subscribers(server: RedisServer) -> int:
    return int(server.command("PUBSUB", "NUMSUB", ENDED_CHANNEL)[1])


async def test_a_subscription_that_went_silent_is_renewed(redis_servers: RedisServers) -> None:
    """As behind a firewall that forgets a connection: no FIN, no reset, and nothing arrives."""
    server = redis_servers.standalone()
    async with (
        Relay.to(server.port) as relay,
        opened_store(f"redis://127.0.0.1:{relay.port}") as store,
        asyncio.TaskGroup() as tasks,
    ):
        listener = Listener(store)
        listening = tasks.create_task(listener.listen())
        await until(lambda: subscribers(server) == 1)

        relay.silence()
        silent_since = time.monotonic()
        server.command("PUBLISH", ENDED_CHANNEL, "lost")
        await until(lambda: subscribers(server) == 2, time_s=SILENCE_S + NEW_CONNECTION_S)
        noticed_s = time.monotonic() - silent_since
        server.command("PUBLISH", ENDED_CHANNEL, "heard")
        await until(lambda: bool(listener.heard))

        assert listener.heard == ["heard"]
        assert noticed_s < SILENCE_S + NEW_CONNECTION_S
        listening.cancel()
