"""What people write about their things: labels of one line, descriptions, times. Pure."""

from datetime import UTC, datetime

LABEL_LENGTH = 100
DESCRIPTION_LENGTH = 500


class InvalidValueError(Exception):
    """A value that cannot be kept. `detail` is a sentence for the caller, and never quotes the value."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def checked_label(text: str) -> str:
    """The label without spaces around it: 1 to 100 characters. Raises `InvalidValueError`."""
    return _filled_line(text, "label", LABEL_LENGTH)


def checked_tenant_name(text: str) -> str:
    """The name without spaces around it: 1 to 100 characters. Raises `InvalidValueError`."""
    return _filled_line(text, "name", LABEL_LENGTH)


def checked_description(text: str) -> str:
    """The description without spaces around it: at most 500 characters. Raises `InvalidValueError`."""
    return _one_line(text, "description", DESCRIPTION_LENGTH)


def in_utc(moment: datetime | None) -> datetime | None:
    """The same moment; raises `InvalidValueError`."""
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        # In the first or the last hours of the calendar, another zone is already beyond it.
        raise InvalidValueError("A time lies outside the calendar.") from None


def _filled_line(text: str, what: str, length: int) -> str:
    line = _one_line(text, what, length)
    if not line:
        raise InvalidValueError(f"The {what} is empty.")
    return line


def _one_line(text: str, what: str, length: int) -> str:
    if len(text) > length:
        raise InvalidValueError(f"The {what} is longer than {length} characters.")
    # These texts reach terminals, logs and pages, where a line break or an escape sequence could show what
    # nobody wrote, and U+202E turn "gpj.exe" into "exe.jpg". None of them is printable: see the tests.
    if not text.isprintable():
        raise InvalidValueError(f"The {what} holds a character that cannot be printed on one line.")
    return text.strip()
