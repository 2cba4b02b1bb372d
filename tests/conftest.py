"""For all tests: one whose part is missing is left out by name, a hang ends the run (`deploy.testing`)."""

from deploy.testing.hangs import pytest_runtest_protocol, pytest_runtest_teardown
from deploy.testing.left_out import (
    pytest_configure,
    pytest_runtest_setup,
    pytest_sessionfinish,
    pytest_terminal_summary,
)

__all__ = [
    "pytest_configure",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
]
