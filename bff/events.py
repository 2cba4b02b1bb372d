"""Business events: one line and one counter each. They never raise and never carry a secret."""

from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Counter

log = structlog.get_logger("bff.events")


@dataclass(frozen=True)
class Events:
    logins: Counter
    refreshes: Counter
    endings: Counter

    def signed_in(self, subject: str) -> None:
        self.logins.labels("signed_in").inc()
        log.info("signed_in", subject=subject)

    def login_refused(self, cause: str) -> None:
        """`cause` is a word of ours: what the provider or the browser wrote is never a label."""
        self.logins.labels(cause).inc()
        log.info("login_refused", cause=cause)

    def login_restarted(self, cause: str) -> None:
        self.logins.labels(f"restarted_{cause}").inc()
        log.info("login_restarted", cause=cause)

    def refreshed(self) -> None:
        self.refreshes.labels("refreshed").inc()
        log.info("refreshed")

    def refresh_shared(self) -> None:
        """Somebody else had refreshed by the time we looked."""
        self.refreshes.labels("shared").inc()

    def refresh_failed(self, cause: str) -> None:
        self.refreshes.labels(cause).inc()
        log.warning("refresh_failed", cause=cause)

    def logout_token_refused(self, cause: str) -> None:
        self.logins.labels(f"logout_token_{cause}").inc()
        log.warning("logout_token_refused", cause=cause)

    def session_ended(self, cause: str) -> None:
        self.endings.labels(cause).inc()
        log.info("session_ended", cause=cause)


def make_events(registry: CollectorRegistry) -> Events:
    return Events(
        logins=Counter("bff_logins", "Logins by result", ["result"], registry=registry),
        refreshes=Counter("bff_refreshes", "Token refreshes by result", ["result"], registry=registry),
        endings=Counter("bff_sessions_ended", "Ended sessions by cause", ["cause"], registry=registry),
    )
