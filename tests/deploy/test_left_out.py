"""Tests that cannot run are left out by name; with CI=true they fail. Asked of a pytest of its own."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from deploy.testing.__main__ import has_failed, summary
from deploy.testing.suites import Tally, console_tally
from tests.deploy.caddy_door import ROOT

HOOKS = (ROOT / "tests" / "conftest.py").read_text()

TESTS = """
import pytest

@pytest.mark.browser
def test_in_a_browser():
    pass

def test_anywhere():
    pass
"""

SKIPPED = """
import pytest

def test_of_another_system():
    pytest.skip("for another system")
"""


def run_pytest(folder: Path, tests: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """On a machine without a browser: its PATH is empty."""
    (folder / "conftest.py").write_text(HOOKS)
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n  browser: needs one\n  node: too\n  caddy: too\n  postgresql: too\n"
    )
    base = {name: value for name, value in os.environ.items() if name not in {"CI", "PATH"}}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", folder],
        cwd=folder,
        env=base | {"PATH": "", "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_test_whose_part_is_missing_is_left_out_by_name(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, TESTS)

    assert done.returncode == 0
    assert "Left out: 1 test: no Chromium (Debian: apt-get install chromium)" in done.stdout
    assert "1 passed, 1 skipped" in done.stdout


def test_with_ci_a_test_whose_part_is_missing_fails(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, TESTS, CI="true")

    assert done.returncode == 1
    assert "with CI=true nothing may be left out" in done.stdout
    assert "1 passed, 1 error" in done.stdout


def test_any_other_skip_is_named_too(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SKIPPED)

    assert done.returncode == 0
    assert "Left out: 1 test: for another system" in done.stdout


def test_with_ci_any_other_skip_fails_the_run(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, SKIPPED, CI="true").returncode == 1


def test_the_total_adds_both_suites_and_says_why_something_is_missing() -> None:
    both = Tally(passed=2, failed=1) + Tally(passed=3, left_out=Counter({"no Chromium": 2}))

    assert summary(both, seconds=4.2) == [
        "",
        "Left out: 2 tests: no Chromium",
        "5 passed, 1 failed, 2 left out in 4 s",
    ]


@pytest.mark.parametrize(
    ("tally", "ci", "failed"),
    [
        (Tally(passed=1), False, False),
        (Tally(passed=1), True, False),
        (Tally(passed=1, failed=1), False, True),
        (Tally(passed=1, has_failed=True), False, True),
        (Tally(passed=1, left_out=Counter(a=1)), False, False),
        (Tally(passed=1, left_out=Counter(a=1)), True, True),
    ],
)
def test_when_the_whole_has_failed(tally: Tally, ci: bool, failed: bool) -> None:
    assert has_failed(tally, ci=ci) is failed


def test_the_consoles_report_is_read(tmp_path: Path) -> None:
    report = tmp_path / "console.json"
    counts = {"numPassedTests": 7, "numFailedTests": 0, "numPendingTests": 1, "numTodoTests": 1}
    report.write_text(json.dumps(counts))

    assert console_tally(report, status=0) == Tally(
        passed=7, left_out=Counter({"skipped in the console's suite": 2})
    )


def test_a_console_suite_without_a_report_has_failed(tmp_path: Path) -> None:
    assert console_tally(tmp_path / "none.json", status=0).has_failed
