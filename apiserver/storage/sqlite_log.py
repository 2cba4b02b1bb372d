"""The write-ahead log goes back into the file beside the writer.

Thousands of pages are written to their places and waited for on the disk: that takes a tenth of a second and,
on a slow or busy disk, a second. A writer that does all of it, as SQLite would have it, holds up everyone.

Only the last step is the writer's: SQLite begins the log anew when a writer finds all of it in the file.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Event, Thread

from apiserver.storage.sqlite_threads import cause_of


@dataclass(frozen=True)
class LogLimits:
    """After how many changed rows the log goes into the file, and from how many pages on it begins anew."""

    changes: int = 8_000
    pages: int = 16_000
    pause_after_fault_s: float = 5.0


class LogKeeper:
    """A thread that does it whenever the writer has told of enough changes, until it is closed."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], limits: LogLimits) -> None:
        self._connect = connect
        self._limits = limits
        self._changes_at_last = 0
        self._is_last_step_due = False
        self._is_due = Event()
        self._is_closed = Event()
        self._thread = Thread(target=self._work, name="storage-log", daemon=True)
        self._thread.start()

    def before_writes(self, writer: sqlite3.Connection) -> None:
        """For the writer, outside of its transactions."""
        if self._is_last_step_due:
            self._is_last_step_due = False
            # Where it cannot be done now, the log grows on, and the keeper asks again.
            with suppress(sqlite3.Error):
                _into_the_file(writer)

    def after_writes(self, writer: sqlite3.Connection) -> None:
        """For the writer, after a commit."""
        changes = writer.total_changes
        if not 0 <= changes - self._changes_at_last < self._limits.changes:
            self._changes_at_last = changes
            self._is_due.set()

    def close(self) -> None:
        self._is_closed.set()
        self._is_due.set()

    def join(self) -> None:
        self._thread.join()

    def _work(self) -> None:
        while not self._is_closed.is_set():
            try:
                with closing(self._connect()) as connection:
                    self._keep(connection)
            except sqlite3.Error as error:
                # A full disk, for one: the log grows on, and the writer is told when it cannot.
                cause_of(error)
                self._is_closed.wait(self._limits.pause_after_fault_s)

    def _keep(self, connection: sqlite3.Connection) -> None:
        while self._is_due.wait() and not self._is_closed.is_set():
            self._is_due.clear()
            if _into_the_file(connection) >= self._limits.pages:
                # What came meanwhile, so that little is left for the writer.
                _into_the_file(connection)
                self._is_last_step_due = True


def _into_the_file(connection: sqlite3.Connection) -> int:
    """The pages in the log. It waits for nobody: what a reader still needs is left for the next time."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)
