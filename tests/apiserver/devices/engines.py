"""Which databases the tests of a file run on."""

import pytest

ON_BOTH = pytest.mark.parametrize(
    "database",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
    indirect=True,
    scope="module",
)
"""For files whose facts depend on what the statements do."""
