"""Asking Redis: in bounded time, never the same thing twice by accident, and every fault as one error.

A question is never cancelled. It runs in a task of its own to its end, and a caller that leaves merely does
not wait for it. A command that is cancelled between question and answer could leave its answer on the
connection, and the next user would read it as its own (CVE-2023-28858).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from bff.session.redis_events import StoreEvents
from bff.session.redis_faults import REDIS_FAULTS, Circuit, cause_of
from bff.session.redis_link import MOST_CONNECTIONS, Command, Link, Reply, is_redirection
from bff.session.redis_scripts import Script
from bff.session.store import StoreUnavailableError
from common.tasks import Tasks

T = TypeVar("T")

LONGEST_CALL_S = 2.0
LONGEST_CONFIRMATION_MS = 500
_LOOK_INTERVAL_S = 1.0
_SHORTEST_LOOK_INTERVAL_S = 0.25
# Two of the connections of the pool are left to the listener and to `watch`.
_MOST_CALLS = MOST_CONNECTIONS - 2


class RedisCalls:
    """Every method raises `StoreUnavailableError`, and no other error of Redis, within `LONGEST_CALL_S`."""

    def __init__(self, link: Link, tasks: Tasks, events: StoreEvents) -> None:
        self._link = link
        self._tasks = tasks
        self._events = events
        self._circuits: dict[str, Circuit] = defaultdict(lambda: Circuit(LONGEST_CALL_S))
        self._places = asyncio.Semaphore(_MOST_CALLS)
        self._replicas: Mapping[str, int] = {}
        self._fault: str | None = "The session store was not reached yet."
        self._look_now = asyncio.Event()

    def fault(self) -> str | None:
        """In a sentence, what the store lacks; None when it answered the last time that it was asked."""
        return self._fault

    def node_of(self, key: str) -> str:
        return self._link.node_of(key)

    async def ask(self, key: str, *command: str | bytes | int, is_repeatable: bool = False) -> Reply:
        """One command. `is_repeatable`: doing it twice is harmless, so it may be when its answer is lost."""
        return await self._guarded(key, lambda: self._link.execute(command), is_repeatable=is_repeatable)

    async def read(self, groups: Sequence[Sequence[str]]) -> list[list[bytes | None]]:
        """The values under groups of keys; the keys of one group share a hash tag."""
        if not groups:
            return []
        # In a cluster these may be several servers; one that is away fails the question in any case.
        return await self._guarded(groups[0][0], lambda: self._link.read(groups), is_repeatable=True)

    async def run(
        self, script: Script, keys: Sequence[str], *values: str | bytes | int, is_repeatable: bool = True
    ) -> Reply:
        async def run_once() -> Reply:
            try:
                return await self._link.execute(_by_sha(script, keys, values))
            except NoScriptError:
                return await self._link.execute(_by_text(script, keys, values))

        return await self._guarded(keys[0], run_once, is_repeatable=is_repeatable)

    async def run_confirmed(
        self, script: Script, keys: Sequence[str], *values: str | bytes | int, is_repeatable: bool = True
    ) -> Reply:
        """As `run`, and then wait until one replica has it too: bounded, counted when it was not in time.

        A replica takes writes in their order, so that whatever was written before is confirmed with it.
        """
        node = self._link.node_of(keys[0])
        if not self._replicas.get(node):
            return await self.run(script, keys, *values, is_repeatable=is_repeatable)

        async def run_once() -> Reply:
            reply, is_confirmed = await self._written(script, keys, values)
            if not is_confirmed:
                self._events.not_confirmed(node)
            return reply

        return await self._guarded(keys[0], run_once, is_repeatable=is_repeatable)

    async def watch(self) -> None:
        """Look after the servers, all the time: readiness, and how many replicas there are to wait for."""
        while True:
            await self._look()
            await asyncio.sleep(_SHORTEST_LOOK_INTERVAL_S)
            if self._fault is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_INTERVAL_S):
                        await self._look_now.wait()
            self._look_now.clear()

    async def _written(
        self, script: Script, keys: Sequence[str], values: Sequence[str | bytes | int]
    ) -> tuple[Reply, bool]:
        """WAIT speaks only of what was written on its own connection, so both go down the same one."""
        wait: Command = ("WAIT", 1, LONGEST_CONFIRMATION_MS)
        reply, count = await self._link.execute_together(keys[0], [_by_sha(script, keys, values), wait])
        if isinstance(reply, NoScriptError):
            reply, count = await self._link.execute_together(keys[0], [_by_text(script, keys, values), wait])
        if is_redirection(reply):
            # The client follows it on a connection of its choice, on which nobody can wait.
            return await self._link.execute(_by_text(script, keys, values)), False
        if isinstance(reply, Exception):
            raise reply
        return reply, isinstance(count, int) and count > 0

    async def _guarded(self, key: str, attempt: Callable[[], Awaitable[T]], *, is_repeatable: bool) -> T:
        node = self._link.node_of(key)
        refusal = self._circuits[node].refusal(_now())
        if refusal is not None:
            self._events.failed(refusal)
            raise StoreUnavailableError(refusal)
        try:
            async with asyncio.timeout(LONGEST_CALL_S):
                await self._places.acquire()
                work = self._attempted(node, attempt, is_repeatable=is_repeatable)
                task = self._tasks.start("session_store", work)
                task.add_done_callback(lambda _: self._places.release())
                return await asyncio.shield(task)
        except TimeoutError:
            self._failed(node, "timeout")
            raise StoreUnavailableError("timeout") from None

    async def _attempted(self, node: str, attempt: Callable[[], Awaitable[T]], *, is_repeatable: bool) -> T:
        try:
            reply = await _with_one_repeat(attempt) if is_repeatable else await attempt()
        except REDIS_FAULTS as error:
            cause = cause_of(error)
            self._failed(node, cause)
            raise StoreUnavailableError(cause) from error
        self._succeeded(node)
        return reply

    def _failed(self, node: str, cause: str) -> None:
        circuit = self._circuits[node]
        was_away = circuit.cause is not None
        circuit.failed(cause, _now())
        self._events.failed(cause)
        if circuit.cause is not None:
            self._look_now.set()
            if not was_away:
                self._events.went_away(node, cause)

    def _succeeded(self, node: str) -> None:
        circuit = self._circuits[node]
        if circuit.cause is not None:
            self._events.came_back(node)
        circuit.succeeded()

    async def _look(self) -> None:
        # Not kept back by the circuits: in a cluster, this is also what makes the client learn who took over
        # from a node that is gone.
        try:
            replicas = await self._link.replicas()
        except REDIS_FAULTS as error:
            self._fault = f"The session store cannot be used ({cause_of(error)})."
            return
        self._fault = None
        for node, count in replicas.items():
            if count != self._replicas.get(node):
                self._events.has_replicas(node, count)
        self._replicas = replicas


async def _with_one_repeat(attempt: Callable[[], Awaitable[T]]) -> T:
    """Again, at once, when the connection broke: it may have been an old one. Never after a timeout."""
    try:
        return await attempt()
    except RedisConnectionError:
        return await attempt()


def _by_sha(script: Script, keys: Sequence[str], values: Sequence[str | bytes | int]) -> Command:
    return "EVALSHA", script.sha, len(keys), *keys, *values


def _by_text(script: Script, keys: Sequence[str], values: Sequence[str | bytes | int]) -> Command:
    """The server keeps the script from then on, so that the next call finds it by its name."""
    return "EVAL", script.text, len(keys), *keys, *values


def _now() -> float:
    """The event loop's time: what is measured here stands beside its timeouts, not beside the wall clock."""
    return asyncio.get_running_loop().time()
