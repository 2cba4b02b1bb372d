"""For all tests: a test whose part is missing is left out by name (see `deploy.testing.left_out`)."""

from deploy.testing.left_out import (
    pytest_configure,
    pytest_runtest_setup,
    pytest_sessionfinish,
    pytest_terminal_summary,
)

__all__ = ["pytest_configure", "pytest_runtest_setup", "pytest_sessionfinish", "pytest_terminal_summary"]
