"""pytest hooks for tests/conftest.py: a test whose part is missing is left out by name, never in silence.

With CI=true it fails instead, and so does a run in which anything was skipped for whatever other reason.
"""

from collections import Counter

import pytest

from deploy.testing.parts import missing_parts, nothing_may_be_left_out

MISSING = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = missing_parts()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, reason in item.config.stash[MISSING].items():
        if item.get_closest_marker(marker) is None:
            continue
        if nothing_may_be_left_out():
            pytest.fail(f"{reason}; with CI=true nothing may be left out", pytrace=False)
        pytest.skip(reason)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and nothing_may_be_left_out() and reasons(reporter) and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in left_out_lines(reasons(terminalreporter)):
        terminalreporter.write_line(line, yellow=True)
    if nothing_may_be_left_out() and reasons(terminalreporter):
        terminalreporter.write_line("With CI=true nothing may be left out: this run has failed.", red=True)


def reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    """Why tests were skipped, and how many each time."""
    found: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", []):
        longrepr = report.longrepr
        reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        found[reason.removeprefix("Skipped: ")] += 1
    return found


def left_out_lines(left_out: Counter[str]) -> list[str]:
    return [f"Left out: {count} test{'s' * (count != 1)}: {reason}" for reason, count in left_out.items()]
