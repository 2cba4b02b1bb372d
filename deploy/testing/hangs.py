"""pytest hooks for tests/conftest.py: a hang that the time limit of a test does not end, ends the run.

pytest-timeout raises one exception into a test that takes too long. An event loop may swallow it, what is
cleaned up after it may hang too, and a test that failed in any way is not timed at all while it is torn down.
So this times a teardown as well, and when the exception did not help within the same time again, it prints
what failed so far and where everything stands, and exits.
"""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from types import FrameType

import pytest


@dataclass(frozen=True)
class Limit:
    """`fail` is what pytest-timeout does when the time is over."""

    item: pytest.Item
    seconds: float
    fail: Callable[[int, FrameType | None], object]

    def start(self) -> None:
        signal.signal(signal.SIGALRM, self._end_test)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def _end_test(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, self._end_run)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        self.fail(number, frame)

    def _end_run(self, _number: int, _frame: FrameType | None) -> None:
        try:
            _tell(self.item)
        finally:
            os._exit(pytest.ExitCode.INTERNAL_ERROR)


LIMIT = pytest.StashKey[Limit]()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # pytest-timeout has just started its timer, if this test has a limit and signals can be used.
    seconds, fail = signal.getitimer(signal.ITIMER_REAL)[0], signal.getsignal(signal.SIGALRM)
    if seconds and callable(fail):
        item.stash[LIMIT] = Limit(item, seconds, fail)
        item.stash[LIMIT].start()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    limit = item.stash.get(LIMIT, None)
    if limit is not None and not signal.getitimer(signal.ITIMER_REAL)[0]:
        limit.start()
    return (yield)


def _tell(item: pytest.Item) -> None:
    capturing = item.config.pluginmanager.get_plugin("capturemanager")
    if capturing is not None:
        capturing.suspend()
    reporter = item.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.summary_failures()
        reporter.summary_errors()
    sys.stdout.flush()
    print(f"\nThe run ends here, because {item.nodeid} hangs:", file=sys.stderr, flush=True)
    faulthandler.dump_traceback(sys.stderr)
    for line in _tasks():
        print(line, file=sys.stderr, flush=True)


def _tasks() -> Iterator[str]:
    """What the event loop waits for: no stack of a thread shows that."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        return  # no loop is running
    for task in tasks:
        yield f"Task {task.get_name()} (outermost call first):"
        place: object = task.get_coro()
        while (frame := getattr(place, "cr_frame", None)) is not None:
            yield f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'
            place = getattr(place, "cr_await", None)
