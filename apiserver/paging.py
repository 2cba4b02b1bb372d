"""Pages of a list, for handlers: cursors from the query, the cursor of the next page."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from apiserver.pages import BadCursorError, Cursors, Listing
from common.problems import ProblemCode, ProblemError

T = TypeVar("T")


def after_of(cursors: Cursors, unverified: str | None, listing: Listing) -> str | None:
    """The last value that was seen; raises `ProblemError` for a cursor of another list."""
    if unverified is None:
        return None
    try:
        (last,) = cursors.read(unverified, listing)
    except (BadCursorError, ValueError):
        raise ProblemError(
            ProblemCode.BAD_REQUEST,
            "The cursor is not one of this list with these filters. Begin with the first page.",
        ) from None
    return str(last)


def page_of(
    cursors: Cursors, listing: Listing, found: Sequence[T], limit: int, key: Callable[[T], str]
) -> tuple[Sequence[T], str | None]:
    """What is shown of one more than `limit` found, and the cursor of what comes next."""
    shown = found[:limit]
    if len(found) <= limit:
        return shown, None
    return shown, cursors.write(listing, (key(shown[-1]),))
