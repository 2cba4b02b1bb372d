"""What can be wrong with Redis, in one word each, and the pause that spares requests from waiting for it."""

import asyncio
from dataclasses import dataclass

from redis import exceptions

# RedisClusterException is no RedisError. An OSError comes from connections that break while they are closed.
REDIS_FAULTS = (exceptions.RedisError, exceptions.RedisClusterException, OSError, asyncio.TimeoutError)

PAUSE_S = 0.25

# In this order: the first that fits. Errors of the server stand before the classes that they derive from.
_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (exceptions.BusyLoadingError, "loading"),
    (exceptions.AuthenticationError, "authentication"),
    (exceptions.AuthorizationError, "authentication"),
    (exceptions.MaxConnectionsError, "busy"),
    (exceptions.ConnectionError, "connection"),
    (exceptions.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (exceptions.OutOfMemoryError, "out_of_memory"),
    (exceptions.ReadOnlyError, "read_only"),
    (exceptions.NoPermissionError, "not_permitted"),
    (exceptions.ClusterDownError, "cluster_down"),
    (exceptions.TryAgainError, "slots_moving"),
    (exceptions.AskError, "slots_moving"),
    (exceptions.ClusterError, "slots_moving"),
    (exceptions.RedisClusterException, "cluster_down"),
    (OSError, "connection"),
)
# Errors that the library has no class for: the first word of what the server says.
_CAUSES_BY_WORD = {"MISCONF": "disk", "NOREPLICAS": "no_replicas", "BUSY": "busy"}
# These speak of the server and not of one command, so that the next command need not find out again.
_CAUSES_OF_A_SERVER = frozenset({"connection", "timeout", "loading", "authentication", "cluster_down"})


def cause_of(error: BaseException) -> str:
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return cause
    return _CAUSES_BY_WORD.get(str(error).partition(" ")[0], "unexpected")


@dataclass
class Circuit:
    """Whether one server is asked at all. After a failure nobody is let through for `PAUSE_S`, then one.

    Without it, each request would wait for the whole timeout while the server is away. All times are in
    seconds of the event loop, like the timeouts that this stands beside.
    """

    longest_try_s: float
    cause: str | None = None
    _held_until: float = 0.0

    def refusal(self, now: float) -> str | None:
        """Why the server is not asked now; None lets the caller through, who then tells how it went."""
        if self.cause is None:
            return None
        if now < self._held_until:
            return self.cause
        # This caller tries for all; the others are kept back until it is known how that went.
        self._held_until = now + self.longest_try_s
        return None

    def succeeded(self) -> None:
        self.cause = None

    def failed(self, cause: str, now: float) -> None:
        if cause in _CAUSES_OF_A_SERVER:
            self.cause, self._held_until = cause, now + PAUSE_S
        else:
            self.succeeded()  # it answered, if only with a refusal
