"""How often something long is done at once for one asker. Further ones are told to come later."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from common.problems import ProblemCode, ProblemError

_RETRY_AFTER_S = 10


class Turns:
    """At most `most` at once for each key. `detail` is a sentence for who is refused."""

    def __init__(self, most: int, detail: str) -> None:
        self._most = most
        self._detail = detail
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, key: str) -> Iterator[None]:
        """Raises `ProblemError` when there is none left."""
        if self._taken[key] >= self._most:
            raise ProblemError(ProblemCode.TOO_MANY_REQUESTS, self._detail, retry_after_s=_RETRY_AFTER_S)
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]
