"""The two suites: the console's by vitest, everything else by pytest. Each gives a tally."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.testing.left_out import reasons
from deploy.testing.parts import ROOT, node_fault


@dataclass(frozen=True)
class Tally:
    """`has_failed` is also true when a suite broke down without a failed test."""

    passed: int = 0
    failed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    has_failed: bool = False

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.left_out + other.left_out,
            self.has_failed or other.has_failed,
        )


def run_console_suite(report: Path) -> Tally:
    vitest = ROOT / "console/node_modules/.bin/vitest"
    fault = node_fault() or (None if vitest.exists() else "its npm packages are not installed (make test)")
    if fault is not None:
        return Tally(left_out=Counter({f"the console's suite, counted as one: {fault}": 1}))
    report.unlink(missing_ok=True)
    done = subprocess.run(  # noqa: S603 - the one that the lock file names
        [vitest, "run", "--reporter=default", "--reporter=json", f"--outputFile={report}"],
        cwd=ROOT / "console",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return console_tally(report, done.returncode)


def console_tally(report: Path, status: int) -> Tally:
    """What vitest's JSON report says. Without one, vitest itself broke down."""
    try:
        counts = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return Tally(has_failed=True)
    skipped = counts["numPendingTests"] + counts["numTodoTests"]
    return Tally(
        passed=counts["numPassedTests"],
        failed=counts["numFailedTests"],
        left_out=Counter({"skipped in the console's suite": skipped}) + Counter(),
        has_failed=status != 0,
    )


class _Counting:
    """A pytest plugin that keeps the counts of its closing line."""

    tally = Tally(has_failed=True)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode
    ) -> None:
        stats = terminalreporter.stats
        self.tally = Tally(
            passed=len(stats.get("passed", [])) + len(stats.get("xfailed", [])),
            failed=len(stats.get("failed", [])) + len(stats.get("error", [])),
            left_out=reasons(terminalreporter),
            has_failed=exitstatus != pytest.ExitCode.OK,
        )


def run_python_suite() -> Tally:
    counting = _Counting()
    status = pytest.main(["--rootdir", str(ROOT), str(ROOT / "tests")], plugins=[counting])
    return counting.tally + Tally(has_failed=status != pytest.ExitCode.OK)
