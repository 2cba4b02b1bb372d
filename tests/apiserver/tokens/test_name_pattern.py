"""Name patterns: `*` and `?`, nothing else, in a time that grows with the name alone."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.texts import InvalidValueError
from apiserver.tokens.name_pattern import checked_pattern, fits


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("web", "web", True),
        ("web", "web2", False),
        ("web", "xweb", False),
        ("web-*", "web-1", True),
        ("web-*", "web-", True),
        ("web-*", "web", False),
        ("*", "anything", True),
        ("*", "", True),
        ("**", "a", True),
        ("*-prod", "db-prod", True),
        ("*-prod", "db-prod-x", False),
        ("web-??", "web-42", True),
        ("web-??", "web-4", False),
        ("web-??", "web-421", False),
        ("?*", "a", True),
        ("?*", "", False),
        ("*?*", "a", True),
        ("a*b*c", "aXbXbc", True),
        ("a*b*c", "acb", False),
        ("WEB-*", "web-1", True),
        ("web-*", "WEB-1", True),
        ("w.b", "web", False),
        ("[a-z]*", "web", False),
    ],
)
def test_a_name_fits_or_not(pattern: str, name: str, expected: bool) -> None:
    assert fits(pattern, name) is expected


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_it_agrees_with_the_shells_rule(pattern: str, name: str) -> None:
    assert fits(pattern, name) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.timeout(5)
def test_a_pattern_made_to_be_slow_is_not() -> None:
    pattern, name = "*a" * 31 + "b", "a" * 63

    assert not any(fits(pattern, name) for _ in range(1000))


@pytest.mark.parametrize("pattern", ["web-*", "*", "?", "Web_1.x-??", "a" * 63])
def test_a_pattern_is_kept_as_it_is(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", "a" * 64, "web *", "web\n", "(a+)+$", "[ab]", "wéb", "a\0"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape("A name pattern has 1 to 63 characters")):
        checked_pattern(pattern)
