"""Background work under supervision: a task has a name, a log line when it fails, an end at shutdown."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TypeVar

import structlog

T = TypeVar("T")

LONGEST_PAUSE_S = 30.0
# Longer than one exchange with a provider may take (common.http).
LONGEST_FINISH_S = 12.0
# Enough for what a cancelled task still has to close.
CANCEL_AGAIN_S = 2.0

log = structlog.get_logger(__name__)


class Tasks:
    """The owner of all tasks of a server. `close` lets detached work finish and cancels the rest."""

    def __init__(self, cancel_again_s: float = CANCEL_AGAIN_S) -> None:
        self._cancel_again_s = cancel_again_s
        self._running: set[asyncio.Task[object]] = set()
        self._detached: set[asyncio.Task[object]] = set()

    def start(self, name: str, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Run `work` once, for somebody who awaits the task and handles its error."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251 - the one place
        self._running.add(task)
        task.add_done_callback(self._forget)
        return task

    def start_to_finish(self, name: str, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """As `start`, for what must not stop half-way: a shutdown waits for it a while."""
        task = self.start(name, work)
        self._detached.add(task)
        return task

    def detach(self, name: str, work: Coroutine[object, object, object]) -> None:
        """Run `work` once with nobody waiting: its error is logged, and a shutdown waits for it a while."""
        self.start_to_finish(name, work).add_done_callback(_log_failure)

    def keep_running(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` until shutdown; when it fails it is logged and started again, with growing pauses."""
        self.start(name, _restart_forever(name, work)).add_done_callback(_log_failure)

    async def close(self, finish_s: float = LONGEST_FINISH_S) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(finish_s):
                # More than once: what finishes may leave the rest of its work to a task of its own.
                while self._detached:
                    await asyncio.wait(self._detached)
        while self._running:
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            # One cancellation may get lost: asyncio.wait_for of Python 3.11 swallows one that comes just as
            # its work is done, and the Redis client sends each command under it.
            done, _ = await asyncio.wait(tasks, timeout=self._cancel_again_s)
            self._running.difference_update(done)

    def _forget(self, task: asyncio.Task[T]) -> None:
        self._running.discard(task)
        self._detached.discard(task)
        if not task.cancelled():
            # Looked at here, since all who waited may have been cancelled meanwhile.
            task.exception()


def _log_failure(task: asyncio.Task[T]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("task_failed", task=task.get_name(), error=type(error).__name__)


async def _restart_forever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    pause_s = 1.0
    while True:
        try:
            await work()
            pause_s = 1.0
        except Exception as error:  # noqa: BLE001 - the border of background work: log it and try again
            log.warning("task_restarted", task=name, error=type(error).__name__, pause_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
