"""The session read of the data plane: on every request, and never one question to a server for each of them.

Whoever asks is called back; nothing here can be cancelled, so that no answer is ever left on a connection for
the next one to read as its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import structlog

from bff.session.record import HotSession, SessionKey
from bff.session.store import StoreUnavailableError
from common.tasks import Tasks

# What was found; None when there is no such session; the error when nobody can know.
Found: TypeAlias = HotSession | StoreUnavailableError | None
# Called once, perhaps before `read` returns. Must not raise.
Then: TypeAlias = Callable[[Found], None]

_MOST_AT_ONCE = 500

log = structlog.get_logger(__name__)


class HotReader(Protocol):
    def read(self, key: SessionKey, then: Then) -> None:
        """Look the session up and tell `then`. Whether it is still usable is for the reader to say."""
        ...


async def read_hot(reader: HotReader, key: SessionKey) -> HotSession | None:
    """For those who can wait. Raises `StoreUnavailableError`."""
    answered: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
    reader.read(key, lambda found: None if answered.done() else answered.set_result(found))
    found = await answered
    if isinstance(found, StoreUnavailableError):
        raise found
    return found


class DirectReader:
    """Over a store in this process: answers at once."""

    def __init__(self, peek: Callable[[SessionKey], HotSession | None]) -> None:
        self._peek = peek

    def read(self, key: SessionKey, then: Then) -> None:
        then(self._peek(key))


class CoalescedReader:
    """Over a server: while one question is under way, those who come gather, and are asked for together next.

    `node_of` names the server that has a key: one that is slow or away holds up its own sessions only.
    """

    def __init__(
        self,
        load_hot: Callable[[Sequence[SessionKey]], Awaitable[Mapping[SessionKey, HotSession]]],
        node_of: Callable[[SessionKey], str],
        tasks: Tasks,
    ) -> None:
        self._load_hot = load_hot
        self._node_of = node_of
        self._tasks = tasks
        self._waiting: dict[str, dict[SessionKey, list[Then]]] = {}
        self._asking: set[str] = set()

    def read(self, key: SessionKey, then: Then) -> None:
        node = self._node_of(key)
        self._waiting.setdefault(node, {}).setdefault(key, []).append(then)
        if node not in self._asking:
            self._asking.add(node)
            self._tasks.start("session_read", self._ask(node))

    async def _ask(self, node: str) -> None:
        try:
            while waiting := self._waiting.pop(node, {}):
                keys = list(waiting)
                for first in range(0, len(keys), _MOST_AT_ONCE):
                    await self._ask_together(keys[first : first + _MOST_AT_ONCE], waiting)
        finally:
            self._asking.discard(node)

    async def _ask_together(self, keys: list[SessionKey], waiting: Mapping[SessionKey, list[Then]]) -> None:
        error: StoreUnavailableError | None = None
        found: Mapping[SessionKey, HotSession] = {}
        try:
            found = await self._load_hot(keys)
        except StoreUnavailableError as unavailable:
            error = unavailable
        except Exception as fault:  # noqa: BLE001 - all who wait must be told, whatever it was
            log.warning("session_read_failed", error=type(fault).__name__)
            error = StoreUnavailableError("unreadable")
        for key in keys:
            for then in waiting[key]:
                _tell(then, error or found.get(key))


def _tell(then: Then, found: Found) -> None:
    try:
        then(found)
    except Exception as fault:  # noqa: BLE001 - the others, who asked along with it, must still be told
        log.warning("session_reader_failed", error=type(fault).__name__)
