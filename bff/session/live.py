"""The registry of live connections: what a session holds open is closed when the session ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bff.session.record import SessionKey

Close = Callable[[], None]


MOST_PER_SESSION = 100


class TooManyConnectionsError(Exception):
    """The session holds as much open as one session may: others need what is left."""


class LiveConnections:
    """Streams and sockets of this process, by session. Other processes hear of an end in their own way."""

    def __init__(self) -> None:
        self._open: dict[SessionKey, set[Close]] = {}

    @contextmanager
    def held(self, key: SessionKey, close: Close) -> Iterator[None]:
        """Registered while the block runs. Raises as `add` does."""
        self.add(key, close)
        try:
            yield
        finally:
            self.discard(key, close)

    def add(self, key: SessionKey, close: Close) -> None:
        """`close` must be quick, must not raise, may come at any time. Raises `TooManyConnectionsError`."""
        closers = self._open.get(key)
        if closers is None:
            self._open[key] = {close}
            return
        if len(closers) >= MOST_PER_SESSION:
            raise TooManyConnectionsError
        closers.add(close)

    def discard(self, key: SessionKey, close: Close) -> None:
        """Not held open any more; harmless when it was closed or never added."""
        closers = self._open.get(key)
        if closers is not None:
            closers.discard(close)
            if not closers:
                del self._open[key]

    def close_all(self, key: SessionKey) -> int:
        """Close what the session holds open; returns how many connections that were."""
        closers = self._open.pop(key, set())
        for close in list(closers):
            close()
        return len(closers)

    def sessions(self) -> list[SessionKey]:
        """The sessions that hold something open: the sweep looks whether they still exist."""
        return list(self._open)
