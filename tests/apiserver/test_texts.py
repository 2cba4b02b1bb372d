"""What people write about their things: one line, printable, not too long."""

from collections.abc import Callable

import pytest

from apiserver.texts import InvalidValueError, checked_description, checked_label

both = pytest.mark.parametrize("check", [checked_label, checked_description])


@both
@pytest.mark.parametrize("text", ["lab", "Labor „Süd“, 2. Stock", "研究室", "מעבדה", "a 'b' \"c\" </script>"])
def test_any_language_is_kept_as_it_is(check: Callable[[str], str], text: str) -> None:
    assert check(text) == text


@both
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a\nb", id="newline"),
        pytest.param("a\r", id="carriage return"),
        pytest.param("a\u0085b", id="next line"),
        pytest.param("a\u2028b", id="line separator"),
        pytest.param("\x1b[2J", id="escape sequence"),
        pytest.param("\x9b2J", id="escape sequence of one character"),
        pytest.param("a\0", id="NUL"),
        pytest.param("a\ud800", id="lone surrogate"),
        pytest.param("a\u200bb", id="zero width"),
        *(
            pytest.param(f"a{chr(mark)}b", id=f"direction mark {mark:04x}")
            for mark in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
        ),
    ],
)
def test_what_could_show_what_nobody_wrote_is_refused(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(InvalidValueError, match="cannot be printed on one line"):
        check(text)


@both
def test_spaces_around_it_are_dropped(check: Callable[[str], str]) -> None:
    assert check("  lab  ") == "lab"


def test_a_label_has_at_most_100_characters() -> None:
    assert checked_label("a" * 100) == "a" * 100
    with pytest.raises(InvalidValueError, match="longer than 100"):
        checked_label("a" * 101)


def test_a_description_has_at_most_500_characters() -> None:
    assert checked_description("a" * 500) == "a" * 500
    with pytest.raises(InvalidValueError, match="longer than 500"):
        checked_description("a" * 501)


@pytest.mark.parametrize("text", ["", "   "])
def test_a_label_says_something_and_a_description_need_not(text: str) -> None:
    assert checked_description(text) == ""
    with pytest.raises(InvalidValueError, match="empty"):
        checked_label(text)
