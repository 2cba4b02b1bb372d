"""What a device may be called and marked with: names, labels, taints, fingerprints. Pure.

Names reach WireGuard files, DNS, logs, terminals and pages: only ASCII letters, digits, dots, underscores
and hyphens can neither break a line, nor look like another name, nor turn the direction of writing.
"""

import re
from collections.abc import Mapping, Sequence

from apiserver.texts import InvalidValueError
from apiserver.tokens.name_pattern import fits
from common.randomness import Randomness

_NAME_LENGTH = 63  # the longest label of DNS (RFC 1035 section 2.3.4)
NAME_FORM = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
KEY_FORM = "[a-z0-9][a-z0-9._/-]{0,62}"
"""Of taints, and of the keys of labels."""
VALUE_LENGTH = 255
MOST_LABELS = 32
MOST_TAINTS = 32
# A list shows 200 devices, an audit event tells their labels before and after.
_ALL_LABELS_BYTES = 4096
FINGERPRINT_FORM = "[A-Za-z0-9:._+/=-]{8,128}"
_NAME = re.compile(NAME_FORM)
_KEY = re.compile(KEY_FORM)
_FINGERPRINT = re.compile(FINGERPRINT_FORM)
_SUFFIX_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no l and 1, no i, no o and 0: people read them aloud
_SUFFIX_LENGTH = 4


def checked_name(text: str) -> str:
    """The name of a device; raises `InvalidValueError`."""
    if not _NAME.fullmatch(text):
        raise InvalidValueError(
            "A name has 1 to 63 characters: ASCII letters, digits, dot, underscore and hyphen; "
            "it begins and ends with a letter or digit."
        )
    return text


def name_key(name: str) -> str:
    """What must differ between the living devices of a tenant: `Web` and `web` would be one host in DNS."""
    return name.lower()


def with_suffix(name: str, randomness: Randomness, pattern: str | None = None) -> str | None:
    """Another name for a device whose own is taken: `web-x4k2`; a long one is cut for it.

    Under a name pattern the suffix stands as far right as the pattern allows (`*-prod`: `web-x4k2-prod`).
    None where no such name fits it. Whether the new name is free is not known here.
    """
    numbers = randomness.token_bytes(_SUFFIX_LENGTH)
    suffix = "-" + "".join(_SUFFIX_ALPHABET[number % len(_SUFFIX_ALPHABET)] for number in numbers)
    for place in range(len(name), 0, -1):
        tail = suffix + name[place:]
        renamed = name[: min(place, _NAME_LENGTH - len(tail))] + tail
        if _NAME.fullmatch(renamed) and (pattern is None or fits(pattern, renamed)):
            return renamed
    return None


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """At most 32 labels in the order of their keys, 4 KiB together; raises `InvalidValueError`."""
    if len(labels) > MOST_LABELS:
        raise InvalidValueError(f"There are more than {MOST_LABELS} labels.")
    for key, value in labels.items():
        _check_key(key, "The key of a label")
        if len(value) > VALUE_LENGTH or not value.isprintable():
            raise InvalidValueError(
                f"The value of a label has at most {VALUE_LENGTH} characters, all of them printable."
            )
    if sum(len(text.encode()) for label in labels.items() for text in label) > _ALL_LABELS_BYTES:
        raise InvalidValueError(f"The labels have more than {_ALL_LABELS_BYTES} bytes together.")
    return dict(sorted(labels.items()))


def checked_taints(taints: Sequence[str]) -> tuple[str, ...]:
    """At most 32 taints in order, each one once; raises `InvalidValueError`."""
    if len(taints) > MOST_TAINTS:
        raise InvalidValueError(f"There are more than {MOST_TAINTS} taints.")
    for taint in taints:
        _check_key(taint, "A taint")
    if len(set(taints)) != len(taints):
        raise InvalidValueError("A taint stands there twice.")
    return tuple(sorted(taints))


def checked_fingerprint(text: str) -> str:
    """What a machine says it is recognised by; raises `InvalidValueError`. Anyone may send any of them."""
    if not _FINGERPRINT.fullmatch(text):
        raise InvalidValueError(
            "A fingerprint has 8 to 128 characters: ASCII letters, digits and : . _ + / = -"
        )
    return text


def _check_key(text: str, what: str) -> None:
    if not _KEY.fullmatch(text):
        raise InvalidValueError(
            f"{what} has 1 to 63 characters: a-z, 0-9, dot, underscore, slash and hyphen; "
            "it begins with a letter or digit."
        )
