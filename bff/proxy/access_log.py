"""What is kept of a proxied request: a count for each, a line for some, or for all where that is wanted."""

from functools import lru_cache
from typing import Literal

import structlog

from bff.session.record import SessionKey, public_id
from common.metrics import RequestMetrics
from common.requests import method_label

AccessLogKind = Literal["sampled", "all"]

# Of this many answers, one has a line; of those that went wrong, each.
SAMPLE = 100
_FIRST_FAULT = 500

log = structlog.get_logger("common.requests")


@lru_cache(maxsize=64)
def _label(method: bytes) -> str:
    return method_label(method.decode("latin-1"))


class AccessLog:
    """The fields are those of every request line (docs/operation.md)."""

    def __init__(self, metrics: RequestMetrics, kind: AccessLogKind) -> None:
        self._metrics = metrics
        self._every = 1 if kind == "all" else SAMPLE
        self._until_next = 1

    def counted(self, method: bytes, route: str, status: int, seconds: float) -> bool:
        """Count an answer; whether it should have a line as well."""
        self._metrics.answered(method=_label(method), route=route, status=status, seconds=seconds)
        self._until_next -= 1
        if self._until_next > 0 and status < _FIRST_FAULT:
            return False
        self._until_next = self._every
        return True

    def write(  # noqa: PLR0913 - the fields of one line, all by name
        self,
        *,
        method: bytes,
        route: str,
        status: int,
        seconds: float,
        request_id: bytes,
        address: str,
        session: SessionKey | None,
    ) -> None:
        log.info(
            "request",
            request_id=request_id.decode(),
            method=_label(method),
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            caller=None if session is None else "session",
            caller_id=None if session is None else public_id(session),
            address=address,
        )
