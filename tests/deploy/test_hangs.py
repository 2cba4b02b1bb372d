"""A hang that no time limit of a test ends, ends the run and tells where. Asked of a pytest of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.caddy_door import ROOT

HOOKS = (ROOT / "tests" / "conftest.py").read_text()

PARTS = """
import asyncio
import time
import pytest
import uvloop

async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

@pytest.fixture
async def never_ended():
    yield
    await asyncio.wait([asyncio.create_task(stubborn())])

@pytest.fixture
def slow_to_end():
    yield
    time.sleep(3600)
"""
AFTER_A_FAILURE = """
async def test_it(never_ended):
    raise ValueError("what failed")
"""
AFTER_A_SUCCESS = """
async def test_it(never_ended):
    pass
"""
SWALLOWED = """
def test_it():
    try:
        time.sleep(3600)
    except BaseException:
        time.sleep(3600)
"""
ENDED_BY_ITS_LIMIT = """
def test_it(slow_to_end):
    raise ValueError("what failed")
"""
WITH_UVLOOP = """
@pytest.fixture(scope="session")
def event_loop_policy():
    return uvloop.EventLoopPolicy()
"""


def run_pytest(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(HOOKS)
    (folder / "test_it.py").write_text(PARTS + tests)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\ntimeout = 1\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", folder],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("loop", ["", WITH_UVLOOP], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("test", [AFTER_A_FAILURE, AFTER_A_SUCCESS], ids=["failed", "passed"])
def test_a_task_that_never_ends_is_shown(tmp_path: Path, loop: str, test: str) -> None:
    done = run_pytest(tmp_path, loop + test)

    assert done.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert "because test_it.py::test_it hangs" in done.stderr
    assert "in stubborn" in done.stderr
    assert ("what failed" in done.stdout) is (test == AFTER_A_FAILURE)


def test_a_test_that_swallows_the_exception_is_shown(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SWALLOWED)

    assert done.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert "because test_it.py::test_it hangs" in done.stderr
    assert "in test_it" in done.stderr


def test_a_teardown_after_a_failure_has_a_limit_and_the_run_goes_on(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, ENDED_BY_ITS_LIMIT)

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 error" in done.stdout
