"""What the operator hears of the store: counters, and a line when it goes, comes back or cannot confirm."""

from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Counter

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class StoreEvents:
    failures: Counter
    unconfirmed: Counter

    def failed(self, cause: str) -> None:
        """Counted only: while the store is away there are as many of these as there are requests."""
        self.failures.labels(cause).inc()

    def went_away(self, node: str, cause: str) -> None:
        log.warning("session_store_away", node=node, cause=cause)

    def came_back(self, node: str) -> None:
        log.info("session_store_back", node=node)

    def not_confirmed(self, node: str) -> None:
        """No replica had it in time: a failover now would lose it."""
        self.unconfirmed.inc()
        log.warning("session_write_unconfirmed", node=node)

    def has_replicas(self, node: str, count: int) -> None:
        log.info("session_store_replicas", node=node, count=count)


def make_store_events(registry: CollectorRegistry) -> StoreEvents:
    return StoreEvents(
        failures=Counter(
            "bff_store_failures", "Questions to the session store that failed", ["cause"], registry=registry
        ),
        unconfirmed=Counter(
            "bff_store_unconfirmed_writes",
            "Logins, refreshes and logouts that no replica had confirmed in time",
            registry=registry,
        ),
    )
