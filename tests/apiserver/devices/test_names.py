"""Names, labels, taints and fingerprints: what a device may be called and marked with."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.devices.names import (
    checked_fingerprint,
    checked_labels,
    checked_name,
    checked_taints,
    name_key,
    with_suffix,
)
from apiserver.texts import InvalidValueError
from apiserver.tokens.name_pattern import fits
from common.randomness import SystemRandomness
from tests.fakes.randomness import FixedRandomness

RANDOMNESS = SystemRandomness()
ATTACKS = {
    "empty": "",
    "newline": "web\nEndpoint = 6.6.6.6:1",
    "trailing newline": "web\n",
    "carriage return": "web\r",
    "tab": "a\tb",
    "space": "a b",
    "double quote": 'a"b',
    "quote": "a'b",
    "escape sequence": "\x1b[31mweb",
    "script": "</script><script>alert(1)</script>",
    "NUL": "web\0",
    "1 MB": "a" * 1_000_000,
    "right-to-left letters": "שלום",
    "right-to-left override": "web\u202egpj",
    "look-alike": "wеb",  # noqa: RUF001 - the attack
    "fullwidth": "\uff57eb",
    "zero width": "we\u200bb",
    "combining": "we\u0301b",
    "line separator": "web\u2028x",
    "lone surrogate": "we\ud800b",
    "path": "../etc",
    "shell": "$(id)",
    "SQL": "a';--",
    "percent": "%2e",
}
attacks = pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)


@pytest.mark.parametrize("name", ["a", "7", "web", "Web-1", "web.lab_2", "a--b", "a" * 63, "0x0"])
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert checked_name(name) == name


@attacks
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        checked_name(text)


@pytest.mark.parametrize("name", ["-web", "web-", ".web", "web.", "_web", "web_", "a" * 64, "-"])
def test_a_name_of_the_wrong_form_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="A name has 1 to 63 characters"):
        checked_name(name)


@given(st.text(max_size=70))
def test_what_is_a_name_has_nothing_to_break_out_with(text: str) -> None:
    try:
        name = checked_name(text)
    except InvalidValueError:
        return

    assert re.fullmatch(r"[A-Za-z0-9._-]{1,63}", name)


def test_names_that_differ_in_case_alone_are_the_same() -> None:
    assert name_key("Web-A") == name_key("wEB-a")


def test_a_taken_name_gets_a_suffix() -> None:
    assert with_suffix("web", FixedRandomness(0)) == "web-aaaa"


def test_the_suffix_is_random() -> None:
    assert len({with_suffix("web", RANDOMNESS) for _ in range(20)}) > 15


def test_a_long_name_is_cut_for_its_suffix() -> None:
    assert with_suffix("n" * 63, FixedRandomness(0)) == "n" * 58 + "-aaaa"


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("web-1", "web-*", "web-1-aaaa"),
        ("web-prod", "*-prod", "web-aaaa-prod"),
        ("x" * 58 + "-prod", "*-prod", "x" * 53 + "-aaaa-prod"),
        ("web", "web", None),
        ("web-42", "web-??", None),
        ("web", "*", "web-aaaa"),
        ("x" * 63, "*" + "x" * 59, None),
    ],
)
def test_the_suffix_stands_where_the_name_pattern_allows_it(
    name: str, pattern: str, expected: str | None
) -> None:
    assert with_suffix(name, FixedRandomness(0), pattern) == expected


@given(
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", fullmatch=True),
    st.none() | st.text("ab-*?", min_size=1, max_size=6),
)
def test_a_name_with_suffix_is_another_name_that_fits(name: str, pattern: str | None) -> None:
    renamed = with_suffix(name, RANDOMNESS, pattern)
    if renamed is None:
        assert pattern is not None
        return

    assert checked_name(renamed) == renamed
    assert pattern is None or fits(pattern, renamed)


def test_labels_are_kept_in_the_order_of_their_keys() -> None:
    labels = checked_labels({"site": "b1 – Haus 7", "a.b/c_d-e": ""})  # noqa: RUF001 - any language

    assert list(labels.items()) == [("a.b/c_d-e", ""), ("site", "b1 – Haus 7")]  # noqa: RUF001 - as above


@attacks
def test_what_is_no_key_is_no_label(text: str) -> None:
    with pytest.raises(InvalidValueError, match="The key of a label"):
        checked_labels({text: "x"})


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", "\0", "\u202e", "\u2028", "\ud800", "v" * 256])
def test_a_value_that_is_long_or_cannot_be_printed_is_no_label(value: str) -> None:
    with pytest.raises(InvalidValueError, match="The value of a label"):
        checked_labels({"site": value})


def test_there_are_at_most_32_labels() -> None:
    labels = {f"l{number}": "v" * 100 for number in range(33)}

    with pytest.raises(InvalidValueError, match="more than 32 labels"):
        checked_labels(labels)
    assert len(checked_labels(dict(list(labels.items())[:32]))) == 32


def test_labels_have_4_kib_together() -> None:
    """They stand in each list, and twice in each audit event: a page of large ones would hold up others."""
    fitting = {f"key-{number:02}": "ü" * 125 for number in range(16)}

    assert checked_labels(fitting) == fitting
    with pytest.raises(InvalidValueError, match="more than 4096 bytes together"):
        checked_labels({**fitting, "a": ""})


def test_taints_are_kept_in_order() -> None:
    assert checked_taints(["lab", "edge/b1"]) == ("edge/b1", "lab")


@attacks
def test_what_is_no_key_is_no_taint(text: str) -> None:
    with pytest.raises(InvalidValueError, match="A taint has"):
        checked_taints([text])


@pytest.mark.parametrize("key", ["-a", ".a", "/a", "_a", "A", "a" * 64])
def test_a_key_of_the_wrong_form_is_refused(key: str) -> None:
    with pytest.raises(InvalidValueError):
        checked_taints([key])


def test_a_taint_stands_there_once() -> None:
    with pytest.raises(InvalidValueError, match="twice"):
        checked_taints(["lab", "lab"])


def test_there_are_at_most_32_taints() -> None:
    with pytest.raises(InvalidValueError, match="more than 32 taints"):
        checked_taints([f"t{number}" for number in range(33)])


@pytest.mark.parametrize("text", ["a" * 8, "SHA256:Zm9v+/=_-.", "f" * 128])
def test_a_fingerprint_is_kept_as_it_is(text: str) -> None:
    assert checked_fingerprint(text) == text


@attacks
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="A fingerprint has"):
        checked_fingerprint(text)


@pytest.mark.parametrize("text", ["a" * 7, "a" * 129, "a" * 8 + "\n", "a" * 8 + " "])
def test_a_fingerprint_of_the_wrong_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        checked_fingerprint(text)


@pytest.mark.parametrize(
    "check",
    [
        checked_name,
        checked_fingerprint,
        lambda text: checked_labels({text: ""}),
        lambda text: checked_labels({"a": text}),
        lambda text: checked_taints([text]),
    ],
)
def test_no_refusal_quotes_what_was_sent(check: Callable[[str], object]) -> None:
    with pytest.raises(InvalidValueError) as refused:
        check("\x1b[31mquoted\n")

    assert "quoted" not in refused.value.detail
    assert refused.value.detail.isprintable()
